"""What a real browser makes of a CORS policy: a page fetches from another origin what the policy says, and no more."""

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from levante import web
from levante.web.middlewares import Cors, CorsPolicy, with_cors

pytestmark = pytest.mark.parity("L13")

FETCH = """async ([url, options]) => {
    try {
        const answer = await fetch(url, options)
        return [answer.status, await answer.text(), answer.headers.get("X-Total"), answer.headers.get("X-Secret")]
    } catch (error) {
        return error.name
    }
}"""


@dataclass(frozen=True)
class Origins:
    """The same program at three ports: the friend's pages may use the API, those of a stranger may not."""

    api: str
    friend: str
    stranger: str


async def page(request: web.Request) -> web.Response:
    return web.Response(text="<!doctype html><title>page</title>", content_type="text/html")


async def answer(request: web.Request) -> web.Response:
    cookie = request.cookies.get("who", "nobody")
    body = f"{request.method} {cookie} {request.headers.get('X-Token', '-')}"
    return web.Response(text=body, headers={"X-Total": "7", "X-Secret": "s"})


async def give_cookie(request: web.Request) -> web.Response:
    response = web.Response()
    response.set_cookie("who", "ann")
    return response


@with_cors(CorsPolicy("*"))
async def public(request: web.Request) -> web.Response:
    return web.Response(text="public")


def application(friend: str) -> web.Application:
    policy = CorsPolicy(
        [re.compile(re.escape(friend))],
        headers=["X-Token"],
        methods=["GET", "PUT"],
        expose_headers=["X-Total"],
        credentials=True,
        max_age=0,
    )
    app = web.Application(middlewares=[Cors(policy)])
    app.router.add_get("/", page)
    app.router.add_get("/cookie", give_cookie)
    app.router.add_get("/public", public)
    for method in ("GET", "PUT", "DELETE"):
        app.router.add_route(method, "/items", answer)
    return app


async def serve(ready: "Future[Origins]", stop: asyncio.Event) -> None:
    runners = []
    try:
        sites = []
        friend = ""
        for _ in range(3):
            app = application(friend) if friend else web.Application()
            if not friend:
                app.router.add_get("/", page)
            runner = web.AppRunner(app, shutdown_timeout=1.0)
            runners.append(runner)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            sites.append(f"http://127.0.0.1:{site.port}")
            friend = sites[0]
        ready.set_result(Origins(api=sites[1], friend=sites[0], stranger=sites[2]))
        await stop.wait()
    except BaseException as exc:
        if not ready.done():
            ready.set_exception(exc)
        raise
    finally:
        for runner in runners:
            await runner.cleanup()


@pytest.fixture(scope="module")
def origins() -> Iterator[Origins]:
    """In a thread of its own: playwright keeps an event loop running in this one."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    ready: Future[Origins] = Future()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(ready, stop)))
    thread.start()
    try:
        yield ready.result(10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def fetch(tab: Page, url: str, **options: Any) -> Any:
    return tab.evaluate(FETCH, [url, options])


def test_pages_of_an_allowed_origin(tab: Page, origins: Origins) -> None:
    tab.goto(f"{origins.api}/cookie")
    tab.goto(origins.friend)
    url = f"{origins.api}/items"
    assert fetch(tab, url) == [200, "GET nobody -", "7", None]
    assert fetch(tab, url, credentials="include") == [200, "GET ann -", "7", None]
    put = {"method": "PUT", "headers": {"X-Token": "t"}, "credentials": "include"}
    assert fetch(tab, url, **put) == [200, "PUT ann t", "7", None]
    assert fetch(tab, url, method="DELETE") == "TypeError"
    assert fetch(tab, url, method="PUT", headers={"X-Other": "t"}) == "TypeError"
    assert fetch(tab, f"{origins.api}/none")[0] == 404


def test_pages_of_other_origins(tab: Page, origins: Origins) -> None:
    tab.goto(origins.stranger)
    url = f"{origins.api}/items"
    assert fetch(tab, url) == "TypeError"
    assert fetch(tab, url, credentials="include") == "TypeError"
    assert fetch(tab, url, method="PUT", headers={"X-Token": "t"}) == "TypeError"
    assert fetch(tab, f"{origins.api}/public") == [200, "public", None, None]
    assert fetch(tab, f"{origins.api}/public", credentials="include") == "TypeError"
