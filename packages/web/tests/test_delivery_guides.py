"""The examples of the guides about files, proxies and other origins: each is run as it stands there, and does what the
guide says.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from levante import web

GUIDES = Path(__file__).parents[3] / "docs" / "how-to"


async def anything(request: web.Request) -> web.Response:
    return web.Response(text="anything")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the files that the guides name."""
    assets = ("app.js", "app.3f2a9c1b.js", "favicon.ico", "robots.txt")
    for name in (*(f"assets/{asset}" for asset in assets), "dist/index.html"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `run_app` was called with, which a runner must take."""
    calls: list[dict[str, Any]] = []

    def run_app(app: web.Application, **kwargs: Any) -> None:
        web.AppRunner(app, **kwargs)
        calls.append(kwargs)

    monkeypatch.setattr(web, "run_app", run_app)
    return calls


def run(guide: str) -> list[dict[str, Any]]:
    """Run the examples of a guide one after another; the names that there were behind each."""
    text = (GUIDES / f"{guide}.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__main__", "items": anything, "prices": anything}
    names["cloud_networks"] = ["192.0.2.0/24"]
    found = []
    for example in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(example, guide, "exec"), names)
        found.append(dict(names))
    assert found
    return found


@pytest.mark.parity("U14")
async def test_serving_files(serve: Any, folder: Path) -> None:
    first, page, *_ = run("serve-files")
    served = await serve(first["app"])
    assert (await served.get("/static/app.js")).headers["Cache-Control"] == "no-cache"
    assert "immutable" in (await served.get("/static/app.3f2a9c1b.js")).headers["Cache-Control"]
    served = await serve(page["app"])
    assert (await served.get("/some/where", Accept="text/html")).text == "dist/index.html"
    assert (await served.get("/api/items")).text == "anything"
    assert (await served.get("/favicon.ico")).headers["Cache-Control"] == "max-age=86400"
    assert (await served.get("/robots.txt")).text == "assets/robots.txt"


@pytest.mark.parity("U16", "L20")
async def test_running_behind_a_proxy(serve: Any, started: list[dict[str, Any]]) -> None:
    *_, doors = run("run-behind-a-proxy")
    assert [sorted(call) for call in started] == [["trusted_proxies"]] * 4 + [["proxy_protocol"]]
    served = await serve(doors["app"], trusted_proxies=["127.0.0.1"])
    host = ("X-Forwarded-Host", "shop.example")
    assert (await served.request("GET", "/", [host])).status == 308
    assert (await served.get("/")).status == 400
    assert (await served.get("/healthz")).status == 404
    https = ("X-Forwarded-Proto", "https")
    assert (await served.request("GET", "/inside", [host, https])).status == 403
    peer = ("X-Forwarded-For", "10.0.0.1")
    assert (await served.request("GET", "/inside", [host, https, peer])).status == 401


@pytest.mark.parity("L13")
async def test_allowing_cross_origin_requests(serve: Any) -> None:
    whole, parts, several = run("allow-cross-origin-requests")
    answer = await (await serve(whole["app"])).get("/", Origin="https://shop.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    app = parts["app"]
    app.router.add_view("/items", parts["Items"])
    served = await serve(app)
    assert (await served.get("/prices", Origin="https://other.example")).headers["Access-Control-Allow-Origin"] == "*"
    asked = [("Origin", "https://shop.example"), ("Access-Control-Request-Method", "GET")]
    assert (await served.request("OPTIONS", "/items", asked)).status == 204
    asked_for_get = asked[1]
    asked[1] = ("Access-Control-Request-Method", "DELETE")
    assert (await served.request("OPTIONS", "/items", asked)).status == 405
    app = web.Application(middlewares=[several["cors"]])
    app.router.add_view("/", parts["Items"])
    served = await serve(app)
    for origin, credentials in (("https://shop.example", "true"), ("https://other.example", None)):
        answer = await served.request("OPTIONS", "/", [("Origin", origin), asked_for_get])
        assert answer.headers.get("Access-Control-Allow-Credentials") == credentials
