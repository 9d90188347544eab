import asyncio
import base64
import errno
import hashlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from file_ways import way as way

from levante import web
from levante.web.file_access import AtOnce, Waiting, WouldWait
from levante.web.opened_files import SMALL_FILE

pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a b.txt").write_text("a b")
    (root / "sub" / "page.html").write_text("page")
    (root / ".env").write_text("SECRET")
    (root / ".well-known").mkdir()
    (root / ".well-known" / "security.txt").write_text("contact")
    (tmp_path / "secret").write_text("SECRET")
    (root / "inside").symlink_to(root / "sub" / "page.html")
    (root / "outside").symlink_to(tmp_path / "secret")
    (root / "circle").symlink_to(root / "circle")
    os.mkfifo(root / "fifo")
    return root


async def serving(serve: Any, root: Path, **options: Any) -> Any:
    app = web.Application()
    app.router.add_static("/static/", root, **options)
    return await serve(app)


@pytest.mark.parity("S14")
async def test_files(serve: Any, root: Path) -> None:
    served = await serving(serve, root)
    answer = await served.get("/static/a%20b.txt")
    assert (answer.status, answer.text, answer.headers["Content-Type"]) == (200, "a b", "text/plain")
    assert (await served.get("/static/sub/page.html")).text == "page"
    assert (await served.get("/static/sub%2Fpage.html")).text == "page"
    assert (await served.request("HEAD", "/static/sub/page.html")).headers["Content-Length"] == "4"
    answer = await served.request("POST", "/static/sub/page.html")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")
    assert (await served.get("/static/.well-known/security.txt")).status == 200


@pytest.mark.hardening("S21")
@pytest.mark.parametrize(
    "target",
    [
        "/static/sub/../a%20b.txt",
        "/static/./a%20b.txt",
        "/static/sub/%2e%2e/a%20b.txt",
        "/static/sub%2f..%2fa%20b.txt",
        "/x/../static/a%20b.txt",
        "/static/a%20b.txt/",
        "/static/a%20b.txt%2f",
        "/static/sub/page.html//",
        "/static/sub/page.html/.",
        "/static/sub/.",
        "/static/sub/..",
    ],
)
async def test_a_file_has_one_path(serve: Any, root: Path, target: str) -> None:
    assert (await (await serving(serve, root, show_index=True)).get(target)).status == 404


@pytest.mark.parity("S14")
async def test_what_is_no_file(serve: Any, root: Path) -> None:
    served = await serving(serve, root)
    paths = ["sub", "", "fifo", "none", "sub/none", "a%20b.txt/x", "circle", "x" * 5000]
    statuses = {path: (await served.get(f"/static/{path}")).status for path in paths}
    assert list(statuses.values()) == [403, 403, 403, 404, 404, 404, 404, 404]
    assert (await served.get("/static")).status == 403
    assert (await served.get("/staticx")).status == 404
    if os.geteuid() != 0:
        (root / "locked").mkdir(mode=0)
        assert (await served.get("/static/locked/x")).status == 403


@pytest.mark.parity("S14")
@pytest.mark.parametrize("method", ["look", "open"])
async def test_unreadable(serve: Any, root: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    served = await serving(serve, root)

    def wait(*_: Any, **__: Any) -> Any:
        raise WouldWait

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError("not today")

    monkeypatch.setattr(AtOnce, method, wait)
    monkeypatch.setattr(Waiting, method, refuse)
    assert (await served.get("/static/sub/page.html")).status == 403


TRAVERSALS = [
    "/static/../secret",
    "/static/%2e%2e/secret",
    "/static/..%2fsecret",
    "/static/%2e%2e%2fsecret",
    "/static/%252e%252e%252fsecret",
    "/static/..%5csecret",
    "/static/sub/..%2f..%2fsecret",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/C:%5cWindows",
    "/static/C:secret",
    "/static/C:/secret",
    "/static/%5c%5chost%5cshare",
    "/static/%2f%2fhost%2fshare",
    "/static/%5c%5c%3f%5cC:%5c",
    "/static/.env",
    "/static/sub/..%2f.env",
    "/static/%c0%ae%c0%ae/secret",
    "//static/../secret",
]


@pytest.mark.parity("V9", "V20", "V28", "S14")
@pytest.mark.hardening("H31", "S21")
@pytest.mark.parametrize("leaves", [False, True])
async def test_traversal(serve: Any, root: Path, leaves: bool) -> None:
    (root / "C:").mkdir()  # what would leave the folder on Windows is refused everywhere, whatever lies there
    (root / "C:" / "secret").write_text("SECRET")
    (root / "C:secret").write_text("SECRET")
    served = await serving(serve, root, break_symlink_sandbox=leaves)
    reference = await served.get("/static/none")
    reenter = f"/static/..%2f{root.name}%2fsub%2fpage.html"
    for target in [*TRAVERSALS, reenter, f"/static/../../{root.parent.name}/{root.name}/sub/page.html"]:
        answer = await served.get(target)
        assert (answer.status, answer.body) == (404, reference.body), target
    assert (await served.get("/static/a%00b")).status == 400
    assert "SECRET" not in (await served.get("/static/.env")).text


@pytest.mark.parity("S15")
async def test_links(serve: Any, root: Path) -> None:
    served = await serving(serve, root)
    assert (await served.get("/static/inside")).text == "page"
    assert (await served.get("/static/outside")).status == 404
    served = await serving(serve, root, break_symlink_sandbox=True)
    assert (await served.get("/static/outside")).text == "SECRET"
    assert (await served.get("/static/..%2fsecret")).status == 404


@pytest.mark.parity("S14")
async def test_the_old_name_of_the_option(serve: Any, root: Path) -> None:
    with pytest.warns(DeprecationWarning, match="break_symlink_sandbox"):
        served = await serving(serve, root, follow_symlinks=True)
    assert (await served.get("/static/outside")).text == "SECRET"


@pytest.mark.parity("S14", "V11")
async def test_an_index_escapes(serve: Any, root: Path) -> None:
    name = "<img onerror=x>\"'&"
    (root / "sub" / name).touch()
    served = await serving(serve, root, show_index=True)
    answer = await served.get("/static/sub")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<img" not in answer.text
    assert "&lt;img onerror=x&gt;&quot;&#x27;&amp;" in answer.text
    assert 'href="/static/sub/%3Cimg%20onerror=x%3E%22&#x27;&amp;"' in answer.text
    answer = await served.get("/static/")
    assert "Index of /" in answer.text
    assert 'href="/static/sub/"' in answer.text
    assert ".env" not in answer.text


@pytest.mark.parity("S14")
async def test_a_socket_is_403(serve: Any, root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(root / "sock"))
        assert (await (await serving(serve, root)).get("/static/sock")).status == 403


@pytest.mark.parity("S14")
def test_the_folder_must_be_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = web.Application()
    for path in (root / "none", root / "a b.txt"):
        with pytest.raises(ValueError, match="folder"):
            app.router.add_static("/static", path)
    with pytest.raises(ValueError, match="starts with"):
        app.router.add_static("static", root)
    with pytest.raises(ValueError, match="end with"):
        web.StaticResource("/static/", root)
    monkeypatch.setenv("HOME", str(root))
    assert app.router.add_static("/home", "~/sub").get_info()["directory"] == root / "sub"


@pytest.mark.parity("S16")
def test_urls(root: Path) -> None:
    app = web.Application()
    plain = app.router.add_static("/static", root, name="static")
    assert str(plain.url_for(filename="a b.txt")) == "/static/a%20b.txt"
    assert str(plain.url_for(filename=Path("/sub/page.html"))) == "/static/sub/page.html"
    versioned = app.router.add_static("/v", root, append_version=True)
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"page").digest()).decode()
    assert versioned.url_for(filename="sub/page.html").query["v"] == digest
    assert plain.url_for(filename="sub/page.html", append_version=True).query["v"] == digest
    assert str(versioned.url_for(filename="sub/page.html", append_version=False)) == "/v/sub/page.html"
    for name in ("none", "../secret", "outside"):
        assert "v" not in versioned.url_for(filename=name).query


@pytest.mark.parity("S8", "S17")
async def test_description_and_options(root: Path) -> None:
    async def preflight(request: web.Request) -> web.Response:
        raise NotImplementedError

    app = web.Application()
    resource = app.router.add_static("/static", root, name="files")
    info = resource.get_info()
    assert (info["directory"], info["prefix"], sorted(info["routes"])) == (root, "/static", ["GET", "HEAD"])
    assert len(resource) == 2
    assert "<StaticResource 'files' /static ->" in repr(resource)
    route = resource.set_options_route(preflight)
    assert route.method == "OPTIONS"
    assert [each.method for each in resource] == ["GET", "HEAD", "OPTIONS"]
    assert resource.find("OPTIONS", "/static/x")[0] == {"filename": "x"}
    with pytest.raises(RuntimeError, match="already"):
        resource.set_options_route(preflight)
    assert not resource.raw_match("/static")


@pytest.mark.parity("S11")
async def test_below_a_sub_application(serve: Any, root: Path) -> None:
    app, sub = web.Application(), web.Application()
    sub.router.add_static("/static", root, name="files")
    app.add_subapp("/sub app", sub)
    served = await serve(app)
    assert (await served.get("/sub%20app/static/sub/page.html")).text == "page"
    assert str(sub.router["files"].url_for(filename="x")) == "/sub%20app/static/x"


async def test_at_the_root(serve: Any, root: Path) -> None:
    app = web.Application()
    app.router.add_static("/", root)
    assert (await (await serve(app)).get("/sub/page.html")).text == "page"


@pytest.mark.parity("S14")
async def test_an_index_leaves_out_names_that_are_no_text(serve: Any, root: Path) -> None:
    name = os.fsdecode(b"bad-\xff")
    try:
        (root / name).touch()
    except OSError:
        pytest.skip("this file system takes no such names")
    app = web.Application()
    app.router.add_static("/s", root, show_index=True)
    answer = await (await serve(app)).get("/s/")
    assert answer.status == 200
    assert "bad-" not in answer.text


def forgets(path: Path) -> bool:
    try:
        return AtOnce(real=True).look(str(path)) is not None
    except WouldWait:
        return True


@pytest.mark.parity("S39")
async def test_trips_to_a_thread(serve: Any, root: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """What the kernel has in memory takes none; else a small file takes one, and a large one, which is sent later,
    one more."""
    served = await serving(serve, root)
    (root / "large").write_bytes(bytes(SMALL_FILE + 1))
    for name in ("a%20b.txt", "large"):  # the kernel has to learn that they have no siblings
        assert (await served.get(f"/static/{name}")).status == 200
    if way == "by the loop" and forgets(root / "a b.txt.br"):
        pytest.skip("this file system forgets what is not there")
    loop = asyncio.get_running_loop()
    trips: list[str] = []
    run = loop.run_in_executor

    def counted(executor: Any, function: Any, *args: Any) -> Any:
        trips.append(getattr(function, "func", function).__name__)
        return run(executor, function, *args)

    monkeypatch.setattr(loop, "run_in_executor", counted, raising=False)
    assert (await served.get("/static/a%20b.txt")).text == "a b"
    assert trips == ([] if way == "by the loop" else ["_answer"])
    trips.clear()
    assert len((await served.get("/static/large")).body) == SMALL_FILE + 1
    assert trips == ([] if way == "by the loop" else ["_answer", "open_file"])


@pytest.mark.parity("S38")
async def test_a_coding_that_a_middleware_chose_wins_over_what_was_read_ahead(serve: Any, root: Path) -> None:
    (root / "a b.txt.gz").write_bytes(b"zipped")

    async def encode(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.query.get("own"):
            response.headers["Content-Encoding"] = "x-own"
        return response

    app = web.Application(middlewares=[encode])
    app.router.add_static("/static/", root)
    served = await serve(app)
    assert (await served.get("/static/a%20b.txt", Accept_Encoding="gzip")).body == b"zipped"
    answer = await served.get("/static/a%20b.txt?own=1", Accept_Encoding="gzip")
    assert (answer.body, answer.headers["Content-Encoding"]) == (b"a b", "x-own")


@pytest.mark.hardening("X7")
@pytest.mark.parametrize("options", [{}, {"index": "page.html"}, {"fallback": "sub/page.html"}])
@pytest.mark.parametrize(
    ("number", "status"),
    [(errno.EMFILE, 500), (errno.ENOMEM, 500), (errno.EIO, 500), (errno.ENAMETOOLONG, 404), (errno.EACCES, 403)],
)
async def test_what_the_system_cannot_tell_is_not_absent(
    serve: Any, root: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: int, options: dict[str, Any]
) -> None:
    served = await serving(serve, root, **options)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Waiting, "look", fail)
    monkeypatch.setattr(Waiting, "look_behind", fail)
    monkeypatch.setattr(AtOnce, "look", lambda *_: would_wait())
    assert (await served.get("/static/a%20b.txt")).status == status


def would_wait() -> None:
    raise WouldWait
