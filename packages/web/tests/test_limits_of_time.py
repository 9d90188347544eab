"""How long a peer, or a handler, may take. Each limit is LIMIT seconds here, and what it waits for happens after half
of that (it is in time), after one and a half (it comes too late: the limit has cut it off, and not before its time),
and after ten times as long, with bytes in between where bytes in between must not help.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme

from levante import web
from levante.http.limits import ServerTimeouts
from levante.web import middlewares, request_limit, running, sampled_log, server
from levante.web.middlewares.timeouts import HANDLER_TIMEOUT

pytestmark = pytest.mark.slow

LIMIT = 0.6
MOMENTS = {"at": 0.5 * LIMIT, "above": 1.5 * LIMIT, "far": 10 * LIMIT}
DRIP = 0.05
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
extents = pytest.mark.parametrize("extent", MOMENTS)


class Clock:
    """Seconds since it was made, in the time of the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()

    def seconds(self) -> float:
        return self._loop.time() - self._start

    def was_the_limit(self, *, before: float = LIMIT) -> bool:
        """Whether it was about LIMIT seconds: less than until the peer would have acted, half a LIMIT later."""
        return before - 0.05 <= self.seconds() < before + 0.5 * LIMIT


async def read(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


async def heard_before(peer: Any, moment: float, drip: bytes) -> bytes | None:
    """All that the server says until it closes; None if it has not done so by then. Meanwhile `drip` comes, now and
    then."""
    heard = asyncio.ensure_future(peer.reader.read())
    clock = Clock()
    while not heard.done() and clock.seconds() < moment:
        if drip and not peer.writer.is_closing():
            peer.writer.write(drip)
        await asyncio.wait((heard,), timeout=min(DRIP, max(0.0, moment - clock.seconds())))
    if heard.done():
        return b"" if isinstance(heard.exception(), ConnectionResetError) else heard.result()
    heard.cancel()
    await asyncio.wait((heard,))
    return None


@dataclass(frozen=True)
class Row:
    """What is sent at once, what is sent at the moment, and how the server says that it came too late. `drip` is what
    a peer sends to prolong its time."""

    settings: dict[str, Any]
    first: bytes
    rest: bytes
    too_late: bytes
    drip: bytes = b""
    start: Callable[[Any], Any] = field(default=lambda peer: None)


ROWS = {
    "ServerTimeouts.head": Row(
        {"head_timeout": LIMIT}, GET[:-2] + b"X: y", b"\r\n\r\n", b"HTTP/1.1 408 Request Timeout\r\n", drip=b"x"
    ),
    "ServerTimeouts.head, nothing": Row({"head_timeout": LIMIT}, b"", GET, b""),
    "ServerTimeouts.body_idle": Row(
        {"body_timeout": LIMIT, "min_body_rate": None}, POST, b"x" * 1000, b"HTTP/1.1 408 Request Timeout\r\n"
    ),
    "ServerTimeouts.body_grace": Row(
        {"body_grace": LIMIT, "min_body_rate": 1e9, "body_timeout": LIMIT},
        POST,
        b"x" * 1000,
        b"HTTP/1.1 408 Request Timeout\r\n",
        drip=b"x",
    ),
    "ServerTimeouts.keepalive": Row({"keepalive_timeout": LIMIT}, GET, GET, b""),
}


@pytest.mark.limit("ServerTimeouts.head", "ServerTimeouts.body_idle", "ServerTimeouts.body_grace")
@pytest.mark.limit("ServerTimeouts.keepalive")
@pytest.mark.parity("U15")
@pytest.mark.parametrize("name", ROWS)
@extents
async def test_the_time_of_a_peer(serve: Any, name: str, extent: str) -> None:
    row, moment = ROWS[name], MOMENTS[extent]
    peer = await (await serve(read, **row.settings)).connect()
    peer.writer.write(row.first)
    if name == "ServerTimeouts.keepalive":
        assert (await peer.answer()).status == 200
    clock = Clock()
    heard = await heard_before(peer, moment, row.drip if extent == "far" else b"")
    if extent == "at":
        assert heard is None
        peer.writer.write(row.rest)
        assert (await peer.answer()).status == 200
        return
    assert clock.was_the_limit()
    assert heard is not None
    assert heard.startswith(row.too_late)
    assert bool(heard) is bool(row.too_late)


@pytest.mark.limit("ServerTimeouts.min_body_rate")
@pytest.mark.parametrize(("times", "status"), [(2.0, 200), (0.5, 408), (0.1, 408)])
async def test_the_pace_of_a_body(serve: Any, times: float, status: int) -> None:
    """Twice the pace is enough; half of it and a tenth of it are not, though no silence is long."""
    rate = 2000.0
    peer = await (await serve(read, min_body_rate=rate, body_grace=0.2, body_timeout=LIMIT)).connect()
    size = int(rate * times * LIMIT * 2)
    peer.writer.write(POST.replace(b"1000", b"%d" % size))
    sent, clock = 0, Clock()
    answer = asyncio.ensure_future(peer.answer())
    while sent < size and not answer.done():
        due = min(size, int(clock.seconds() * rate * times) + 1)
        peer.writer.write(b"x" * (due - sent))
        sent = due
        await asyncio.wait((answer,), timeout=0.02)
    assert (await answer).status == status


@pytest.mark.limit("ServerTimeouts.write")
@extents
async def test_a_peer_that_takes_nothing(serve: Any, extent: str) -> None:
    """What the peer's system takes into its own buffers is progress, too: so it may be twice the time."""
    gone = asyncio.Event()
    size = 32 * 1024 * 1024  # more than all buffers in between can hold

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = size
        await response.prepare(request)
        try:
            for _ in range(size // 65_536):
                await response.write(bytes(65_536))
        except ConnectionError:
            gone.set()
            raise
        return response

    served = await serve(handler, write_timeout=LIMIT, min_write_rate=None)
    peer = await served.connect()
    await peer.send(GET)
    await peer.head()
    clock = Clock()
    try:
        async with asyncio.timeout(MOMENTS[extent] if extent != "above" else 2.5 * LIMIT):
            await gone.wait()
    except TimeoutError:
        assert extent == "at"
        assert len(await peer.reader.readexactly(size)) == size
    else:
        assert extent != "at"
        assert clock.seconds() >= LIMIT - 0.05


@pytest.mark.limit("ServerTimeouts.lingering")
@extents
async def test_how_long_the_rest_of_a_body_is_swallowed(serve: Any, extent: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text="not read")

    served = await serve(handler, lingering_time=LIMIT)
    peer = await served.connect()
    await peer.send(POST.replace(b"1000", b"1000000000") + b"x")
    assert b"not read" in await peer.reader.read()
    clock = Clock()
    while served.server.connections and clock.seconds() < MOMENTS[extent]:
        if extent == "far" and not peer.writer.is_closing():
            peer.writer.write(b"x")
        await asyncio.sleep(0.01)
    assert bool(served.server.connections) is (extent == "at")
    assert extent == "at" or clock.was_the_limit()


@pytest.mark.limit("HANDLER_TIMEOUT")
@extents
async def test_the_time_of_a_handler(serve: Any, extent: str) -> None:
    ended = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        try:
            await asyncio.sleep(MOMENTS[extent])
        finally:
            ended.set()
        return web.Response(text="done")

    app = web.Application(middlewares=[middlewares.handler_timeout(LIMIT)])
    app.router.add_get("/", handler)
    served = await serve(app)
    clock = Clock()
    assert (await served.get("/")).status == (200 if extent == "at" else 504)
    assert extent == "at" or clock.was_the_limit()
    assert ended.is_set()


@pytest.mark.limit("Server.queue_timeout")
@extents
async def test_the_time_in_the_queue(serve: Any, extent: str) -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        entered.set()
        await go.wait()
        return web.Response(text="done")

    served = await serve(handler, max_in_flight=1, max_queued=1, queue_timeout=LIMIT)
    holder = await served.connect()
    await holder.send(GET)
    await entered.wait()
    asyncio.get_running_loop().call_later(MOMENTS[extent], go.set)
    clock = Clock()
    answer = await served.get("/")
    assert answer.status == (200 if extent == "at" else 503)
    assert extent == "at" or clock.was_the_limit()
    go.set()
    assert (await holder.answer()).status == 200


@pytest.mark.limit("Server.tls_handshake_timeout")
@extents
async def test_the_time_of_a_tls_handshake(serve: Any, extent: str) -> None:
    authority = trustme.CA()
    context, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(trusting)
    served = await serve(read, tls_handshake_timeout=LIMIT)
    site = web.TCPSite(served.runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    peer = served.peer(*await asyncio.open_connection("127.0.0.1", site.port))
    clock = Clock()
    while served.server.limit.count == 0:
        await asyncio.sleep(0.01)
    while served.server.limit.count and clock.seconds() < MOMENTS[extent]:
        await asyncio.sleep(0.01)
    if extent == "at":
        await peer.writer.start_tls(trusting, server_hostname="localhost")
        assert (await peer.request("GET", "/")).status == 200
        return
    assert clock.was_the_limit()
    assert await peer.is_closed()


@pytest.mark.limit("SHUTDOWN_TIMEOUT")
@extents
async def test_the_time_of_a_shutdown(serve: Any, extent: str) -> None:
    """The last part of it is for handlers that have been cancelled: here none of it is needed."""
    entered, ended = asyncio.Event(), asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        entered.set()
        try:
            await asyncio.sleep(MOMENTS[extent])
        finally:
            ended.set()
        return web.Response(text="done")

    served = await serve(handler, shutdown_timeout=LIMIT)
    peer = await served.connect()
    await peer.send(GET)
    await entered.wait()
    clock = Clock()
    await served.runner.cleanup()
    assert ended.is_set()
    answer = await peer.reader.read()
    assert answer.endswith(b"done") is (extent == "at")
    assert extent == "at" or clock.was_the_limit(before=0.8 * LIMIT)


DEFAULTS = [
    # name, ours, what the table says, and why that differs
    ("ServerTimeouts.head", ServerTimeouts().head, 10.0, ""),
    ("ServerTimeouts.body_idle", ServerTimeouts().body_idle, 30.0, ""),
    ("ServerTimeouts.min_body_rate", ServerTimeouts().min_body_rate, 500.0, ""),
    ("ServerTimeouts.body_grace", ServerTimeouts().body_grace, 10.0, ""),
    ("ServerTimeouts.write", ServerTimeouts().write, 30.0, ""),
    ("ServerTimeouts.keepalive", running.KEEPALIVE_TIMEOUT, 65.0, "aiohttp's run_app: 75"),
    ("ServerTimeouts.keepalive", server.KEEPALIVE_TIMEOUT, 65.0, "aiohttp's runners: 3,630"),
    ("HANDLER_TIMEOUT", HANDLER_TIMEOUT, 60.0, ""),
    ("Server.queue_timeout", request_limit.QUEUE_TIMEOUT, 1.0, ""),
    ("Server.tls_handshake_timeout", server.TLS_HANDSHAKE_TIMEOUT, 10.0, ""),
    ("SHUTDOWN_TIMEOUT", web.runner.SHUTDOWN_TIMEOUT, 25.0, "aiohttp's 60; generated services set 25"),
    ("SampledLog", sampled_log.INTERVAL, 1.0, ""),
]


@pytest.mark.parametrize(("name", "ours", "table", "reason"), DEFAULTS)
def test_defaults_are_those_of_the_table_or_of_aiohttp(name: str, ours: float, table: float, reason: str) -> None:
    assert (ours == table) is not bool(reason), name
