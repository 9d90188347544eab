"""Folders as pages, applications of one page, and how long a file may be kept."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from file_ways import way as way

from levante import web
from levante.web.file_caching import FINGERPRINT, IMMUTABLE

pytestmark = [pytest.mark.parity("U14"), pytest.mark.usefixtures("way")]

HTML = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "docs" / "deep").mkdir(parents=True)
    (root / "bare").mkdir()
    (root / "index.html").write_text("start")
    (root / "docs" / "index.html").write_text("docs")
    (root / "docs" / "deep" / "index.html").write_text("deep")
    (root / "app.3f2a9c1b.js").write_text("js")
    (root / "plain.js").write_text("plain")
    (tmp_path / "secret").write_text("SECRET")
    (root / "leak").mkdir()
    (root / "leak" / "index.html").symlink_to(tmp_path / "secret")
    return root


async def serving(serve: Any, root: Path, prefix: str = "/s", **options: Any) -> Any:
    app = web.Application()
    app.router.add_static(prefix, root, **options)
    return await serve(app)


async def test_the_index_of_a_folder(serve: Any, root: Path) -> None:
    served = await serving(serve, root, index="index.html")
    texts = {path: (await served.get(path)).text for path in ("/s/", "/s/docs/", "/s/docs/deep/", "/s/docs%2fdeep/")}
    assert list(texts.values()) == ["start", "docs", "deep", "deep"]
    answer = await served.get("/s/docs/")
    assert answer.headers["Content-Type"] == "text/html"
    assert (await served.request("HEAD", "/s/docs/")).headers["Content-Length"] == "4"
    assert (await served.get("/s/docs/", If_None_Match=answer.headers["ETag"])).status == 304
    assert (await served.get("/s/bare/")).status == 403
    assert (await served.get("/s/docs//")).status == 404
    assert (await served.get("/s//")).status == 404
    assert (await served.get("/s/docs//index.html")).status == 404
    assert (await served.get("/s/leak/")).status == 403


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/s", "./s/"),
        ("/s?a=1&b=%2F", "./s/?a=1&b=/"),
        ("/s/docs", "./docs/"),
        ("/s/docs/deep", "./deep/"),
        ("/s/docs%2fdeep", "./docs%2Fdeep/"),
        ("/s/docs%2fdeep%2f", "./docs%2Fdeep%2F/"),
    ],
)
async def test_a_folder_without_its_slash(serve: Any, root: Path, target: str, location: str) -> None:
    answer = await (await serving(serve, root, index="index.html")).get(target)
    assert (answer.status, answer.headers["Location"]) == (301, location)


@pytest.mark.parametrize("target", ["//evil.example", "//evil.example/", "/%2fevil.example", "/\\evil.example"])
async def test_no_redirect_leads_away(serve: Any, root: Path, target: str) -> None:
    (root / "evil.example").mkdir()
    (root / "evil.example" / "index.html").touch()
    answer = await (await serving(serve, root, prefix="/", index="index.html")).get(target)
    assert answer.status in (400, 404)


async def test_a_folder_with_a_colon(serve: Any, root: Path) -> None:
    (root / "ab:c").mkdir()
    (root / "ab:c" / "index.html").touch()
    answer = await (await serving(serve, root, prefix="/", index="index.html")).get("/ab:c")
    assert answer.headers["Location"] == "./ab:c/"


async def test_an_index_before_a_listing(serve: Any, root: Path) -> None:
    served = await serving(serve, root, index="index.html", show_index=True)
    assert (await served.get("/s/docs/")).text == "docs"
    assert "Index of /bare" in (await served.get("/s/bare")).text


async def test_a_fallback_is_for_pages(serve: Any, root: Path) -> None:
    served = await serving(serve, root, prefix="/", index="index.html", fallback="index.html")
    for path in ("/shop/lamp", "/john.doe", "/bare/", "/bare", "/../x", "/..%2fsecret", "/.env", "/leak/"):
        answer = await served.get(path, Accept=HTML)
        assert (answer.status, answer.text, answer.headers["Vary"]) == (200, "start", "Accept"), path
        assert answer.headers["Content-Type"] == "text/html"
    for accept in ("*/*", "text/*", "application/json", "text/html;q=0", "text/css"):
        answer = await served.get("/shop/lamp", Accept=accept)
        assert (answer.status, answer.headers["Vary"]) == (404, "Accept"), accept
    assert (await served.get("/shop/lamp")).status == 404
    assert (await served.get("/bare/", Accept="*/*")).status == 403
    assert (await served.get("/plain.js", Accept=HTML)).text == "plain"
    assert (await served.request("POST", "/shop", [("Accept", HTML)])).status == 405
    assert (await served.get("/docs", Accept=HTML)).status == 301


async def test_routes_beside_a_fallback(serve: Any, root: Path) -> None:
    async def api(request: web.Request) -> web.Response:
        return web.Response(text="api")

    app = web.Application()
    app.router.add_static("/", root, fallback="index.html")
    app.router.add_get("/api/items", api)
    assert (await (await serve(app)).get("/api/items", Accept=HTML)).text == "api"


def test_a_fallback_that_is_not_there(root: Path) -> None:
    for name in ("none.html", "../secret", "docs"):
        with pytest.raises(ValueError, match="fall back"):
            web.Application().router.add_static("/", root, fallback=name)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("app.3f2a9c1b.js", True),
        ("app-3f2a9c1b5d6e7f80.min.css", True),
        ("img_3f2a9c1b.png", True),
        ("3f2a9c1b.js", False),
        ("app.js", False),
        ("photo-20240131.jpg", False),
        ("house-facadebed.jpg", False),
        ("app.3f2a9c1.js", False),
        ("app.3f2a9c1b", False),
        ("app.3F2A9C1B.js", False),
        ("x." + "a1" * 50 + ".js", False),
    ],
)
def test_fingerprints(name: str, is_one: bool) -> None:
    assert (FINGERPRINT.search(name) is not None) is is_one


async def test_how_long_a_file_may_be_kept(serve: Any, root: Path) -> None:
    served = await serving(serve, root, cache_control="no-cache", immutable=True, index="index.html")
    version = base64.urlsafe_b64encode(hashlib.sha256(b"plain").digest()).decode()
    expected = {
        "/s/app.3f2a9c1b.js": IMMUTABLE,
        "/s/plain.js": "no-cache",
        "/s/": "no-cache",
        f"/s/plain.js?v={version}": IMMUTABLE,
        "/s/plain.js?v=old": "no-cache",
    }
    for path, value in expected.items():
        assert (await served.get(path)).headers["Cache-Control"] == value, path
    answer = await served.get("/s/app.3f2a9c1b.js", Range="bytes=0-0")
    assert (answer.status, answer.headers["Cache-Control"]) == (206, IMMUTABLE)
    answer = await served.get("/s/app.3f2a9c1b.js", If_None_Match="*")
    assert (answer.status, answer.headers["Cache-Control"]) == (304, IMMUTABLE)
    for headers in ({"Range": "bytes=9-"}, {"If_Match": '"x"'}):
        answer = await served.get("/s/app.3f2a9c1b.js", **headers)
        assert answer.status in (412, 416)
        assert "Cache-Control" not in answer.headers
    assert "Cache-Control" not in (await served.get("/s/none")).headers


async def test_a_link_to_a_fingerprinted_file_is_not_one(serve: Any, root: Path) -> None:
    (root / "app.js").symlink_to(root / "app.3f2a9c1b.js")
    served = await serving(serve, root, immutable=True)
    assert "Cache-Control" not in (await served.get("/s/app.js")).headers


async def test_a_pattern_of_ones_own(serve: Any, root: Path) -> None:
    served = await serving(serve, root, immutable=re.compile("^plain"), cache_control="max-age=60")
    assert (await served.get("/s/plain.js")).headers["Cache-Control"] == IMMUTABLE
    assert (await served.get("/s/app.3f2a9c1b.js")).headers["Cache-Control"] == "max-age=60"


async def test_the_version_that_urls_are_given(serve: Any, root: Path) -> None:
    app = web.Application()
    resource = app.router.add_static("/s", root, append_version=True, immutable=True)
    served = await serve(app)
    url = str(resource.url_for(filename="plain.js"))
    assert (await served.get(url)).headers["Cache-Control"] == IMMUTABLE
    (root / "plain.js").write_text("other")
    assert "Cache-Control" not in (await served.get(url)).headers


async def test_single_files(serve: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    app, routes = web.Application(), web.RouteTableDef()
    routes.file("/a.js", root / "plain.js", name="a")
    app.router.add_file("/b.js", "plain.js", cache_control="max-age=60")
    app.add_routes([*routes, web.file("/c.js", root / "plain.js", content_etag=True)])
    monkeypatch.chdir("/")
    served = await serve(app)
    a, b, c = [await served.get(f"/{name}.js") for name in "abc"]
    assert [answer.text for answer in (a, b, c)] == ["plain"] * 3
    assert b.headers["Cache-Control"] == "max-age=60"
    assert "Cache-Control" not in a.headers
    assert c.headers["ETag"] == f'"{hashlib.sha256(b"plain").hexdigest()[:32]}"'
    assert (await served.request("HEAD", "/a.js")).headers["Content-Length"] == "5"
    assert (await served.request("POST", "/a.js")).status == 405
    assert str(app.router["a"].url_for()) == "/a.js"
    (root / "plain.js").unlink()
    assert (await served.get("/a.js")).status == 404
    with pytest.raises(ValueError, match=r"there is no file 'plain\.js'"):
        app.router.add_file("/x", "plain.js")
    assert repr(web.file("/x", "y", name="z")) == "<FileDef /x -> y, name='z'>"
