"""How much a server keeps for a peer, and how much it does for one: buffers, rests of bodies, requests of a connection,
lines in the log. At the limit things go on; above it, and far above it, reading stops, writing waits, the connection is
closed or the line is counted, and nothing grows with what the peer sends. (Connections and requests in flight are in
test_connection_limit.py and test_request_limit.py.)
"""

import asyncio
import logging
import socket
from typing import Any

import pytest

from levante import web
from levante.http.limits import MAX_DRAINED_BODY, MAX_LINGERED, MAX_UNPARSED, Limits, ServerTimeouts
from levante.web import connection_limit, request_limit
from levante.web.sampled_log import SampledLog

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ONE_READ = 256 * 1024  # what may arrive at once, by asyncio's choice
SHORT = 0.2  # seconds in which nothing happens, where that is to be seen


def extents(maximum: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("size", [maximum, maximum + 1, 10 * maximum], ids=["at", "above", "far"])


def post(size: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size


class Held:
    """A handler that waits to be let go, then says what `answer` makes of the request."""

    def __init__(self, answer: Any = None) -> None:
        self.entered, self.go = asyncio.Event(), asyncio.Event()
        self.request: web.Request | None = None
        self._answer = answer

    async def __call__(self, request: web.Request) -> web.Response:
        if self.request is None:
            self.request = request
            self.entered.set()
            await self.go.wait()
        return web.Response(text="done" if self._answer is None else str(await self._answer(request)))


async def is_paused(transport: Any) -> bool:
    """Whether reading stops, now or soon."""
    try:
        async with asyncio.timeout(SHORT):
            while transport.is_reading():
                await asyncio.sleep(0.005)
    except TimeoutError:
        return False
    return True


async def length(request: web.Request) -> int:
    return len(await request.read())


BUFSIZE = 10_000


@pytest.mark.limit("Limits.read_bufsize")
@extents(2 * BUFSIZE)
async def test_a_body_that_nobody_reads_is_not_kept(serve: Any, size: int) -> None:
    held = Held(length)
    peer = await (await serve(held, read_bufsize=BUFSIZE)).connect()
    await peer.send(post(size))
    await held.entered.wait()
    assert held.request is not None
    peer.writer.write(b"x" * size)
    assert await is_paused(held.request.transport) is (size > 2 * BUFSIZE)
    assert held.request.content.total_bytes <= 2 * BUFSIZE + ONE_READ
    held.go.set()
    assert (await peer.answer()).text == str(size)


WRITE = 10_000


@pytest.mark.limit("Limits.write_high", "Limits.write_low")
@extents(WRITE)
async def test_a_writer_waits_for_a_peer_that_does_not_read(serve: Any, size: int) -> None:
    """`size` bytes unsent: what is above the limit waits until a quarter of it is left."""
    seen: asyncio.Future[tuple[bool, int]] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        transport: Any = request.transport
        while transport.get_write_buffer_size() == 0:  # fill what the systems of both ends take
            await response.write(bytes(2000))
        try:
            async with asyncio.timeout(SHORT):
                await response.write(bytes(size - transport.get_write_buffer_size()))
        except TimeoutError:
            seen.set_result((True, transport.get_write_buffer_size()))
            await response.drain()
            assert transport.get_write_buffer_size() <= WRITE // 4
        else:
            seen.set_result((False, transport.get_write_buffer_size()))
        return response

    served = await serve(handler, write_bufsize=WRITE)
    peer = await served.connect()
    peer.writer.transport.pause_reading()
    await peer.send(b"GET / HTTP/1.0\r\n\r\n")  # whose answer has no frames that count, too
    waited, unsent = await seen
    assert waited is (size > WRITE)
    assert unsent <= size
    peer.writer.transport.resume_reading()
    assert (await peer.answer()).status == 200


@pytest.mark.limit("MAX_UNPARSED")
@extents(MAX_UNPARSED)
async def test_requests_behind_a_stuck_one(serve: Any, size: int) -> None:
    """aiohttp and the table count requests, 32 and 16: bytes are what they cost."""
    held = Held()
    served = await serve(held, max_line_size=MAX_UNPARSED, max_field_size=MAX_UNPARSED, max_head_size=4 * MAX_UNPARSED)
    peer = await served.connect()
    await peer.send(GET)
    await held.entered.wait()
    assert held.request is not None
    count = size // MAX_UNPARSED
    padded = GET[:-2] + b"X: " + b"x" * (MAX_UNPARSED - len(GET) - 5) + b"\r\n\r\n"
    rest = size - count * MAX_UNPARSED
    peer.writer.write(padded * count + GET[:rest])
    assert await is_paused(held.request.transport) is (size > MAX_UNPARSED)
    assert served.server.connections[0].buffered() <= MAX_UNPARSED + ONE_READ
    held.go.set()
    for _ in range(1 + count):
        assert (await peer.answer()).text == "done"


@pytest.mark.limit("MAX_DRAINED_BODY")
@extents(MAX_DRAINED_BODY)
async def test_the_rest_of_a_body_is_swallowed_to_save_the_connection(serve: Any, size: int) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text="not read")

    peer = await (await serve(handler)).connect()
    await peer.send(post(size))
    assert (await peer.answer()).text == "not read"
    peer.writer.write(b"x" * size)
    if size > MAX_DRAINED_BODY:
        assert await peer.is_closed()
    else:
        assert (await peer.request("GET", "/")).text == "not read"


LINGERING = 0.6


@pytest.mark.limit("MAX_LINGERED")
@extents(MAX_LINGERED)
async def test_what_is_swallowed_of_a_connection_that_ends(serve: Any, size: int) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text="not read")

    is_over = size > MAX_LINGERED
    served = await serve(handler, lingering_time=60.0 if is_over else LINGERING)
    peer = await served.connect()
    await peer.send(post(1 << 40))
    assert b"not read" in await peer.reader.read()
    loop = asyncio.get_running_loop()
    start = loop.time()
    peer.writer.write(b"x" * size)
    async with asyncio.timeout(10):
        while served.server.connections:
            await asyncio.sleep(0.01)
    assert is_over or loop.time() - start > LINGERING / 2  # it was the time that ended it


@pytest.mark.limit("Limits.max_requests")
@extents(3)
async def test_the_requests_of_a_connection(serve: Any, size: int) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text="done")

    peer = await (await serve(handler, max_connection_requests=3)).connect()
    await peer.send(GET * size)
    answers = [await peer.answer() for _ in range(3)]
    assert [answer.headers.get("Connection") for answer in answers] == [None, None, "close"]
    assert await peer.is_closed()


@pytest.mark.limit("ServerTimeouts.min_write_rate")
@pytest.mark.parametrize(("times", "is_enough"), [(2.0, True), (0.5, False), (0.1, False)])
async def test_the_pace_at_which_a_response_is_taken(serve: Any, times: float, is_enough: bool) -> None:
    """Twice the pace is enough; half of it and a tenth of it are not, though something is taken all the time."""
    rate, size = 4_000_000.0, 12_000_000

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=bytes(size))

    served = await serve(handler, write_timeout=0.5, min_write_rate=rate)
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", served.port))
        await loop.sock_sendall(sock, GET)
        start, taken = loop.time(), 0
        try:
            while taken < size:
                due = int((loop.time() - start + 0.01) * rate * times) - taken
                taken += len(await loop.sock_recv(sock, max(1, due)))
                await asyncio.sleep(0.005)
                if not served.server.connections:
                    break
        except ConnectionResetError:
            pass
        assert (taken >= size) is is_enough


@pytest.mark.limit("SampledLog")
@pytest.mark.parametrize(("count", "left_out"), [(1, 0), (2, 1), (10, 9)], ids=["at", "above", "far"])
def test_one_line_a_second_of_a_kind(caplog: pytest.LogCaptureFixture, count: int, left_out: int) -> None:
    now = 100.0
    log = SampledLog(logging.getLogger("test.sampled"), clock=lambda: now)
    for _ in range(count):
        log.tell("kind", "a fault")
    now += 1.0
    log.tell("kind", "a fault")
    counted = f"a fault (and {left_out} more since the last line)" if left_out else "a fault"
    assert [record.getMessage() for record in caplog.records] == ["a fault", counted]


DEFAULTS = [
    # name, ours, what the table says, and why that differs
    ("Limits.write_high", Limits().write_high, 64 * 1024, ""),
    ("Limits.write_low", Limits().write_low, 16 * 1024, ""),
    ("Limits.max_requests", Limits().max_requests, 10_000, ""),
    ("ServerTimeouts.min_write_rate", ServerTimeouts().min_write_rate, 30, "as for a body: the table has only silence"),
    ("Server.max_connections", connection_limit.MAX_CONNECTIONS, 10_000, ""),
    ("Server.max_connections_per_ip", connection_limit.ConnectionLimit().per_address, None, ""),
    ("Server.max_in_flight", request_limit.MAX_IN_FLIGHT, 1024, ""),
    ("Server.max_queued", request_limit.MAX_QUEUED, 1024, ""),
]


@pytest.mark.parametrize(("name", "ours", "table", "reason"), DEFAULTS)
def test_defaults_are_those_of_the_table(name: str, ours: object, table: object, reason: str) -> None:
    assert (ours == table) is not bool(reason), name
