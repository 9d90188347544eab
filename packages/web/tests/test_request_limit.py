import asyncio
import logging
import time
from typing import Any

import pytest

from levante import web
from levante.web import health
from levante.web.request_limit import RequestLimit, is_never_shed, never_shed

PLACES, QUEUE = 3, 2


class Held:
    """A handler that answers when it is let go."""

    def __init__(self) -> None:
        self.entered = 0
        self.go = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.Response:
        self.entered += 1
        await self.go.wait()
        return web.Response(text="done")


def application(handler: Any, **limits: Any) -> web.Application:
    app = web.Application(handler_args={"max_in_flight": PLACES, "max_queued": QUEUE, **limits})
    app.router.add_route("*", "/", handler)
    health.setup(app)
    return app


async def fill(served: Any, held: Held, count: int = PLACES + QUEUE) -> list[Any]:
    """Take all places, and wait in the queue."""
    peers = [await served.connect() for _ in range(count)]
    for peer in peers:
        await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(10):
        while held.entered + served.server.slots.queued < count:
            await asyncio.sleep(0.01)
    return peers


@pytest.mark.parity("U15")
@pytest.mark.hardening("X13")
@pytest.mark.limit("Server.max_in_flight", "Server.max_queued")
@pytest.mark.parametrize("excess", [0, 1, 9 * (PLACES + QUEUE)])
async def test_at_the_limit_above_and_far_above(serve: Any, excess: int) -> None:
    held = Held()
    served = await serve(application(held, queue_timeout=1000.0))
    peers = await fill(served, held)
    assert (held.entered, served.server.slots.queued) == (PLACES, QUEUE)
    refused = [await served.connect() for _ in range(excess)]
    for peer in refused:
        answer = await peer.request("GET", "/")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert "Connection" not in answer.headers
    assert served.server.slots.shed == excess
    held.go.set()
    assert [(await peer.answer()).status for peer in peers] == [200] * len(peers)
    for peer in refused[:2]:  # the connection of who was refused is still good
        assert (await peer.request("GET", "/")).status == 200
    assert served.server.slots.running == 0


@pytest.mark.parity("U15")
async def test_who_waits_too_long_is_refused(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    held = Held()
    served = await serve(application(held, queue_timeout=0.05), access_log=logging.getLogger("test.access"))
    caplog.set_level(logging.INFO, "test.access")
    peers = await fill(served, held)
    for peer in peers[PLACES:]:
        assert (await peer.answer()).status == 503
    assert served.server.slots.queued == 0
    assert len([record for record in caplog.records if '" 503 ' in record.getMessage()]) == QUEUE
    assert len([record for record in caplog.records if "refused with 503" in record.getMessage()]) == 1
    held.go.set()
    assert [(await peer.answer()).status for peer in peers[:PLACES]] == [200] * PLACES


@pytest.mark.parity("U15")
async def test_health_is_answered_when_nothing_else_is(serve: Any) -> None:
    held = Held()
    served = await serve(application(held, queue_timeout=1000.0))
    peers = await fill(served, held)
    assert (await served.get("/")).status == 503
    assert (await served.get("/healthz")).status == 200
    assert (await served.get("/readyz")).status == 200
    assert (await served.get("/nowhere")).status == 503
    peer = await served.connect()
    await peer.send(b"nonsense\r\n\r\n")
    assert (await peer.answer()).status == 400
    held.go.set()
    for peer in peers:
        assert (await peer.answer()).status == 200
    assert served.server.slots.running == 0


async def test_a_marked_view_below_a_prefix(serve: Any) -> None:
    @never_shed
    class Ping(web.View):
        async def get(self) -> web.Response:
            return web.Response(text="pong")

    held = Held()
    app, inner = application(held, queue_timeout=1000.0), web.Application()
    inner.router.add_view("/ping", Ping)
    app.add_subapp("/inner", inner)
    served = await serve(app)
    peers = await fill(served, held)
    assert (await served.get("/inner/ping")).text == "pong"
    held.go.set()
    for peer in peers:
        await peer.answer()
    assert is_never_shed(Ping)
    assert not is_never_shed(held)


@pytest.mark.parity("U15")
async def test_websockets_leave_their_places(serve: Any) -> None:
    async def chat(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        async for _ in websocket:
            pass
        return websocket

    served = await serve(application(chat))
    opening = [("Upgrade", "websocket"), ("Connection", "upgrade"), ("Sec-WebSocket-Version", "13")]
    opening.append(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
    peers = [await served.connect() for _ in range(PLACES * 3)]
    for peer in peers:
        assert (await peer.request("GET", "/", opening)).status == 101
    assert served.server.slots.running == 0
    for peer in peers:
        peer.reset()
    async with asyncio.timeout(10):
        while served.server.connections:
            await asyncio.sleep(0.01)
    assert served.server.slots.running == 0
    assert not served.server._placeless


async def test_a_long_stream_may_leave_its_place(serve: Any) -> None:
    held = Held()

    async def stream(request: web.Request) -> web.Response:
        server: Any = request.server
        server.leave_place(request.exchange)
        server.leave_place(request.exchange)  # once is enough
        return await held(request)

    served = await serve(application(stream))
    peers = await fill(served, held, PLACES * 3)
    assert (held.entered, served.server.slots.running) == (PLACES * 3, 0)
    held.go.set()
    for peer in peers:
        assert (await peer.answer()).status == 200
    assert served.server.slots.running == 0
    assert not served.server._placeless


async def test_a_client_that_has_left_the_queue_gets_no_place(serve: Any) -> None:
    held = Held()
    served = await serve(application(held, queue_timeout=1000.0))
    peers = await fill(served, held)
    peers[PLACES].reset()
    async with asyncio.timeout(10):
        while len(served.server.connections) == len(peers):
            await asyncio.sleep(0.01)
    held.go.set()
    for peer in [*peers[:PLACES], *peers[PLACES + 1 :]]:
        assert (await peer.answer()).status == 200
    assert held.entered == len(peers) - 1
    assert served.server.slots.running == 0


async def test_a_cancelled_client_gives_its_turn_back(serve: Any) -> None:
    held = Held()
    served = await serve(application(held, queue_timeout=1000.0), handler_cancellation=True)
    peers = await fill(served, held)
    peers[PLACES].reset()
    async with asyncio.timeout(10):
        while served.server.slots.queued == QUEUE:
            await asyncio.sleep(0.01)
    held.go.set()
    for peer in [*peers[:PLACES], *peers[PLACES + 1 :]]:
        assert (await peer.answer()).status == 200
    assert served.server.slots.running == 0


async def test_a_place_given_to_a_cancelled_waiter_goes_to_the_next() -> None:
    limit = RequestLimit(1)
    limit.running = 1
    first, second = asyncio.create_task(limit.wait()), asyncio.create_task(limit.wait())
    await asyncio.sleep(0)
    limit.leave()
    first.cancel()
    assert await second
    with pytest.raises(asyncio.CancelledError):
        await first
    limit.leave()
    assert limit.running == 0


async def test_no_limit(serve: Any) -> None:
    held = Held()
    served = await serve(application(held, max_in_flight=None))
    peers = await fill(served, held, 50)
    assert held.entered == 50
    held.go.set()
    for peer in peers:
        assert (await peer.answer()).status == 200


def test_no_place_at_all_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="max_in_flight is at least 1"):
        web.AppRunner(web.Application(), max_in_flight=0)


@pytest.mark.hardening("X13")
async def test_overload_costs_no_goodput(serve: Any) -> None:
    async def work(request: web.Request) -> web.Response:
        await asyncio.sleep(0.1)
        return web.Response()

    served = await serve(application(work, max_in_flight=5, max_queued=5))

    async def ask(results: list[tuple[int, float]], until: float) -> None:
        peer = await served.connect()
        while (began := time.monotonic()) < until:
            status = (await peer.request("GET", "/")).status
            results.append((status, time.monotonic() - began))
            if status == 503:
                await asyncio.sleep(0.1)

    async def load(clients: int) -> list[tuple[int, float]]:
        results: list[tuple[int, float]] = []
        until = time.monotonic() + 1.5
        await asyncio.gather(*(ask(results, until) for _ in range(clients)))
        return results

    def good(results: list[tuple[int, float]]) -> int:
        return sum(status == 200 for status, _ in results)

    for _ in range(3):  # other programs take their share of the processor, at times more of it than we measure
        peak = good(await load(5))
        overloaded = await load(20)
        recovered = good(await load(5))
        refusals = sorted(seconds for status, seconds in overloaded if status == 503)
        assert refusals
        if min(good(overloaded), recovered) >= 0.9 * peak and refusals[len(refusals) // 2] < 0.05:
            return
    pytest.fail(f"{peak} requests served, {good(overloaded)} under overload, {recovered} afterwards")
