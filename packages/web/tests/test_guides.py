"""The examples of the how-to pages about the framework: they run, and do what the pages say."""

import re
from pathlib import Path
from typing import Any

import pytest

from levante import web

GUIDES = Path(__file__).parents[3] / "docs" / "how-to"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(page: str, **given: Any) -> dict[str, Any]:
    """What the names of a page's examples stand for, all of them having run one after the other; `given` are names
    that they use and do not define.
    """
    blocks = BLOCK.findall((GUIDES / f"{page}.md").read_text())
    assert blocks
    names: dict[str, Any] = {"__name__": "guide", **given}
    for block in blocks:
        exec(compile(block, f"{page}.md", "exec"), names)  # our own documentation
    return names


@pytest.mark.parity("U11")
async def test_group_routes(serve: Any) -> None:
    app = examples("group-routes")["app"]
    assert str(app.router["api.items"].url_for()) == "/api/v1/items"
    served = await serve(app)
    assert (await served.get("/account")).status == 401
    assert (await served.get("/account", Authorization="me")).text == "your account"
    assert (await served.get("/api/v1/items", Authorization="me")).text == "[]"
    for who, status in (("me", 403), ("admin", 204)):
        answer = await served.request("DELETE", "/api/v1/admin/items", [("Authorization", who)])
        assert answer.status == status


async def handler(_: web.Request) -> web.Response:
    return web.Response(text="here")


@pytest.mark.parity("L13")
async def test_allow_cross_origin_requests(serve: Any) -> None:
    names = examples("allow-cross-origin-requests", prices=handler)
    served = await serve(names["app"])
    answer = await served.get("/prices", Origin="https://anywhere.example")
    assert (answer.text, answer.headers["Access-Control-Allow-Origin"]) == ("here", "*")
    views = web.Application(middlewares=[names["Cors"](names["policy"])])
    views.router.add_get("/", handler)
    served = await serve(views)
    answer = await served.get("/", Origin="https://shop.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Access-Control-Allow-Origin" not in (await served.get("/", Origin="https://evil.example")).headers


@pytest.mark.parity("L20")
async def test_run_behind_a_proxy(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[dict[str, Any]] = []
    monkeypatch.setattr(web, "run_app", lambda _, **options: runs.append(options))
    names = examples("run-behind-a-proxy", cloud_networks=["192.0.2.0/24"])
    for options in runs:
        web.AppRunner(web.Application(), **options)
    assert [next(iter(options)) for options in runs] == [*["trusted_proxies"] * 3, "proxy_protocol"]
    served = await serve(names["app"])
    assert (await served.get("/")).status == 400
    answer = await served.request("GET", "/healthz")
    assert answer.status == 404


@pytest.mark.parity("U14")
async def test_serve_files(serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("assets", "dist"):
        (tmp_path / folder).mkdir()
    for file in ("assets/favicon.ico", "assets/robots.txt", "dist/index.html", "dist/app.3f2a9c1b.js"):
        (tmp_path / file).write_text(file)
    served = await serve(examples("serve-files", items=handler)["app"])
    assert (await served.get("/api/items")).text == "here"
    assert (await served.get("/some/page", Accept="text/html")).text == "dist/index.html"
    assert (await served.get("/some/script.js")).status == 404
    assert "immutable" in (await served.get("/app.3f2a9c1b.js")).headers["Cache-Control"]
    assert (await served.get("/favicon.ico")).headers["Cache-Control"] == "max-age=86400"
    assert (await served.get("/robots.txt")).text == "assets/robots.txt"
