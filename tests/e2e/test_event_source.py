"""What a real browser makes of a stream of events: it hears them, by type, and connects again by itself with the id of
the last one when the stream has ended, from the server's side or for good.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from playwright.sync_api import Browser

from levante import web
from levante.web.sse import sse_response

pytestmark = pytest.mark.parity("L15")

LISTEN = """() => new Promise((resolve) => {
    const heard = []
    const source = new EventSource("/events")
    const note = (event) => {
        heard.push([event.type, event.data, event.lastEventId])
        if (heard.length === 6) { source.close(); resolve(heard) }
    }
    source.onmessage = note
    source.addEventListener("news", note)
})"""


class Site:
    """A page, and a stream of two events for each connection; the second ends by the server's shutdown of streams."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.gone = threading.Event()
        self.last_ids: list[str | None] = []
        self.runner: web.AppRunner | None = None

    async def page(self, request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>page</title>", content_type="text/html")

    async def events(self, request: web.Request) -> web.StreamResponse:
        connection = len(self.last_ids)
        async with sse_response(request) as stream:
            self.last_ids.append(stream.last_event_id)
            await stream.send(f"first of {connection}", id=f"{connection}.1", retry=10)
            await stream.send("two\nlines", id=f"{connection}.2", event="news")
            if connection == 1:
                assert self.runner is not None
                assert self.runner.server is not None
                self.runner.server.end_streams()
            if connection > 0:
                await asyncio.get_running_loop().create_future()
        if connection == 2:
            self.gone.set()
        return stream

    async def serve(self, ready: "Future[str]") -> None:
        app = web.Application()
        app.router.add_get("/", self.page)
        app.router.add_get("/events", self.events)
        self.runner = web.AppRunner(app, shutdown_timeout=1.0)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        ready.set_result(f"http://127.0.0.1:{site.port}/")
        await self.stop.wait()
        await self.runner.cleanup()


@pytest.fixture
def running() -> Iterator[Callable[[], Any]]:
    """The site and its address, in a thread of its own: playwright keeps an event loop running in this one."""
    site, loop = Site(), asyncio.new_event_loop()
    ready: Future[str] = Future()
    thread = threading.Thread(target=lambda: loop.run_until_complete(site.serve(ready)))
    thread.start()
    try:
        yield lambda: (site, ready.result(10))
    finally:
        loop.call_soon_threadsafe(site.stop.set)
        thread.join()
        loop.close()


def test_a_browser_listens_and_connects_again(browser: Browser, running: Callable[[], Any]) -> None:
    site, address = running()
    tab = browser.new_page()
    try:
        tab.goto(address)
        heard = tab.evaluate(LISTEN)
    finally:
        tab.close()
    assert heard == [
        event
        for number in range(3)
        for event in (
            ["message", f"first of {number}", f"{number}.1"],
            ["news", "two\nlines", f"{number}.2"],
        )
    ]
    assert site.last_ids == [None, "0.2", "1.2"]
    assert site.gone.wait(10)  # the block was interrupted when the page closed its source
