"""WebSockets of real pages in Chromium: echo, compression, closes, rooms, and pages of other sites that are refused."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from levante import web
from levante.ws import DeflateParams, Rooms, WSMsgType

# A promise of all that a WebSocket told: what it agreed on, its messages, its close.
TALK = """
async ([url, sends, protocols]) => {
    const told = {got: []};
    const ws = new WebSocket(url, protocols);
    ws.binaryType = "arraybuffer";
    ws.onopen = () => {
        told.protocol = ws.protocol;
        told.extensions = ws.extensions;
        for (const each of sends) ws.send(Array.isArray(each) ? new Uint8Array(each) : each);
    };
    ws.onmessage = event => {
        told.got.push(typeof event.data === "string" ? event.data : Array.from(new Uint8Array(event.data)));
        if (told.got.length === sends.length) ws.close(3000, "bye");
    };
    return await new Promise(resolve => {
        ws.onclose = event => resolve({...told, code: event.code, reason: event.reason, clean: event.wasClean});
    });
}
"""
# Stays, and keeps what it got and its close in `window`.
STAY = """
url => new Promise((resolve, reject) => {
    window.got = [];
    const ws = new WebSocket(url);
    ws.onmessage = event => window.got.push(event.data);
    ws.onclose = event => { window.ended = event.code; reject(event.code); };
    ws.onopen = resolve;
})
"""


@dataclass
class Site:
    """What runs in the other thread."""

    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    rooms: Rooms = field(default_factory=Rooms)
    codes: list[int | None] = field(default_factory=list)
    own: str = ""
    foreign: str = ""

    def do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    @property
    def socket(self) -> str:
        return self.own.replace("http:", "ws:")


class Hearing(web.WebSocketListener):
    """Echoes what its pages say to themselves, and has them in a room."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def on_open(self, ws: web.WebSocketConnection) -> None:
        self.site.rooms.join(ws, "all")

    def on_text(self, ws: web.WebSocketConnection, data: str) -> None:
        ws.write_str(data)

    def on_binary(self, ws: web.WebSocketConnection, data: memoryview) -> None:
        ws.write_bytes(data)

    def on_close(self, ws: web.WebSocketConnection, code: int, reason: str) -> None:
        self.site.codes.append(code)


async def page(request: web.Request) -> web.Response:
    response = web.Response(text="<!doctype html><title>page</title>", content_type="text/html")
    response.set_cookie("session", "1")
    return response


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[None]:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=["chat"], compress=request.path != "/plain")
        await ws.prepare(request)
        assert "session" in request.cookies
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(str(message.data))
            elif message.type is WSMsgType.BINARY:
                await ws.send_bytes(message.data)
        site.codes.append(ws.close_code)
        return ws

    async def join(request: web.Request) -> web.WebSocketResponse:
        sharing = DeflateParams(server_no_context_takeover=True)
        ws = web.WebSocketResponse(compress=sharing if request.path == "/shared" else True)
        await ws.prepare(request)
        site.rooms.join(ws, "all")
        async for _ in ws:
            pass
        return ws

    async def hear(request: web.Request) -> web.WebSocketResponse:
        return web.WebSocketResponse(protocols=["chat"], listener=Hearing(site))

    async with two_sites(echo, join, hear) as (site.own, site.foreign), site.rooms:
        yield


@asynccontextmanager
async def two_sites(echo: Any, join: Any, hear: Any) -> AsyncIterator[tuple[str, str]]:
    """The addresses of two sites; the second one has a page only."""
    runners, addresses = [], []
    try:
        for _ in range(2):
            app = web.Application()
            app.router.add_get("/", page)
            for path in ("/echo", "/plain"):
                app.router.add_get(path, echo)
            for path in ("/join", "/shared"):
                app.router.add_get(path, join)
            app.router.add_get("/hear", hear)
            runners.append(web.AppRunner(app, shutdown_timeout=2.0))
            await runners[-1].setup()
            site = web.TCPSite(runners[-1], "127.0.0.1", 0)
            await site.start()
            addresses.append(f"http://127.0.0.1:{site.port}")
        yield addresses[0], addresses[1]
    finally:
        for runner in runners:
            await runner.cleanup()


@pytest.fixture
def site() -> Iterator[Site]:
    """In a thread of its own: playwright keeps an event loop running in this one."""
    ready: Future[Site] = Future()

    async def serve() -> None:
        running_site = Site(asyncio.get_running_loop())
        try:
            async with running(running_site):
                ready.set_result(running_site)
                await running_site.stop.wait()
        except BaseException as exc:
            if not ready.done():
                ready.set_exception(exc)
            raise

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    there = ready.result(10)
    try:
        yield there
    finally:
        there.loop.call_soon_threadsafe(there.stop.set)
        thread.join()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parity("S42", "S43", "W3")
@pytest.mark.parametrize("path", ["/echo", "/plain", "/hear"])
def test_a_page_talks(tab: Page, site: Site, path: str) -> None:
    tab.goto(site.own)
    sends = ["grüße 🙂", "", [], [0, 255, 7], "x" * 200_000]
    told = tab.evaluate(TALK, [site.socket + path, sends, ["other", "chat"]])
    assert told["got"] == sends
    assert (told["code"], told["reason"], told["clean"], told["protocol"]) == (3000, "", True, "chat")
    assert ("permessage-deflate" in told["extensions"]) == (path != "/plain")
    assert site.codes == [3000]


@pytest.mark.hardening("W05")
def test_a_page_of_another_site_is_refused_though_the_browser_sends_the_cookie(tab: Page, site: Site) -> None:
    tab.goto(site.own)  # gives the cookie, which both ports of the host share
    tab.goto(site.foreign)
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    told = tab.evaluate(TALK, [f"{site.socket}/echo", ["steal"], []])
    assert (told["code"], told["clean"], told["got"]) == (1006, False, [])
    assert site.codes == []
    assert sum("Unexpected response code: 403" in text for text in said) == 1  # beside what else a page may lack


@pytest.mark.parity("U20")
@pytest.mark.parametrize("path", ["/join", "/shared", "/hear"])
def test_a_broadcast_reaches_all_pages_and_a_stop_closes_them(browser: Browser, site: Site, path: str) -> None:
    contexts = [browser.new_context() for _ in range(3)]
    tabs = [context.new_page() for context in contexts]
    for each in tabs:
        each.goto(site.own)
        each.evaluate(STAY, site.socket + path)
    long = "all the same " * 1000
    assert [site.do(site.rooms.broadcast("all", text)) for text in ("one", long, "two", long)] == [3] * 4
    for each in tabs:
        each.wait_for_function("window.got.length === 4")
        assert each.evaluate("window.got") == ["one", long, "two", long]
    contexts.pop().close()
    site.do(until(lambda: site.rooms.count() == 2))
    site.do(site.rooms.stop())
    for each in tabs[:2]:
        each.wait_for_function("window.ended")
        assert each.evaluate("window.ended") == 1001
    for context in contexts:
        context.close()


async def until(question: Any) -> None:
    async with asyncio.timeout(10):
        while not question():
            await asyncio.sleep(0.01)
