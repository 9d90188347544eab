"""The examples of the pages about failing servers and about caching: they run, and do what the pages say."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from levante import web
from levante.client import ClientSession
from levante.http.deadlines import DEADLINE_HEADER

GUIDES = Path(__file__).resolve().parents[1] / "docs" / "how-to"


def names_of(page: str) -> dict[str, Any]:
    """What the examples of a page define, run one after the other."""
    names: dict[str, Any] = {"__name__": "guide"}
    for block in re.findall(r"```python\n(.*?)```", (GUIDES / page).read_text(), re.DOTALL):
        exec(compile(block, page, "exec"), names)
    return names


FAILING = names_of("survive-failing-servers.md")
KEEPING = names_of("cache-responses.md")


class Upstream:
    """A server that fails for as long as it is told to."""

    def __init__(self) -> None:
        self.fails = 0
        self.got: list[web.Request] = []
        self.posted = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append(request)
        if request.method == "POST":
            self.posted.set()
        if self.fails:
            self.fails -= 1
            return web.json_response({"state": "running"}, status=503 if request.path == "/prices" else 200)
        if request.path == "/result":
            return web.json_response({"state": "done"})
        return web.json_response([1.5], headers={"Cache-Control": "max-age=60"})


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    made, app = Upstream(), web.Application()
    app.router.add_route("*", "/{path}", made.handle)
    async for url in served(app):
        made.url = url
        yield made


async def served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


@pytest.mark.parity("U6", "L22")
async def test_send_it_again(upstream: Upstream) -> None:
    upstream.fails = 2
    assert await FAILING["prices"](upstream.url + "prices") == [1.5]
    assert len(upstream.got) == 3
    upstream.fails = 2
    async with ClientSession() as session:
        assert await FAILING["result"](session, upstream.url + "result") == {"state": "done"}
    assert len(upstream.got) == 6


@pytest.mark.parity("U6")
async def test_stop_asking(upstream: Upstream) -> None:
    async with FAILING["make_session"]() as session, session.get(upstream.url + "prices") as response:
        assert response.status == 200
    assert FAILING["breaker"].state(URL(upstream.url)).value == "closed"


@pytest.mark.parity("U6")
async def test_the_time_that_is_left(upstream: Upstream) -> None:
    async for url in served(FAILING["shop"]):
        async with (
            ClientSession() as session,
            session.get(url + "offer", headers={DEADLINE_HEADER: "5000"}) as response,
        ):
            assert 3 < (await response.json())["left"] <= 5
            await FAILING["audit"](session, upstream.url + "audit")
            async with asyncio.timeout(20):
                await upstream.posted.wait()
    assert 20_000 < int(upstream.got[-1].headers[DEADLINE_HEADER]) <= 30_000


@pytest.mark.parity("U24", "L22")
async def test_caches(upstream: Upstream, tmp_path: Path) -> None:
    assert await KEEPING["twice"](upstream.url + "prices") == (None, "levante; hit")
    for _ in range(2):
        assert await KEEPING["catalogue"](upstream.url + "catalogue", str(tmp_path / "c")) == "[1.5]"
    assert [request.path for request in upstream.got] == ["/prices", "/catalogue"]
    assert KEEPING["small"]() is not None


@pytest.mark.parity("U24")
async def test_hosts_and_sites(upstream: Upstream, tmp_path: Path) -> None:
    assert await KEEPING["strictly"](upstream.url + "prices", str(tmp_path / "hsts")) == "http"
    assert "bank.example" in (tmp_path / "hsts").read_text()
    jar = KEEPING["careful_jar"]()
    jar.update_cookies_from_headers(["a=1; Domain=co.uk", "b=1; SameSite=Lax"], URL("https://other.co.uk/"))
    assert len(jar) == 0
    jar.update_cookies_from_headers(["b=1; SameSite=Lax"], URL("https://api.shop.example/"))
    assert len(jar) == 1
