"""What a WebSocket may hold and how long its peer may take: each limit at it, one above it, and ten times above it,
over a real connection.
"""

import asyncio
import struct
from typing import Any

import pytest

from levante import web, ws
from levante.ws import Rooms, SlowConsumer
from levante.ws import limits as ws_limits

OPENING = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]
SIZE = 10_000
SHORT = 0.2  # seconds in which nothing happens, where that is to be seen
LIMIT = 0.6
MOMENTS = {"at": 0.5 * LIMIT, "above": 1.5 * LIMIT, "far": 10 * LIMIT}
CONTINUATION, BINARY, CLOSE, PING, PONG = 0, 2, 8, 9, 10


def extents(maximum: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("size", [maximum, maximum + 1, 10 * maximum], ids=["at", "above", "far"])


def frame(opcode: int, payload: bytes = b"", *, fin: int = 1) -> bytes:
    """A frame masked with zeros, which leave the payload as it is."""
    size = len(payload)
    if size < 126:
        coded = bytes([0x80 | size])
    else:
        coded = struct.pack("!BH", 0xFE, size) if size < 1 << 16 else struct.pack("!BQ", 0xFF, size)
    return bytes([fin << 7 | opcode]) + coded + bytes(4) + payload


async def received(peer: Any) -> tuple[int, bytes]:
    async with asyncio.timeout(10):
        first, size = await peer.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", await peer.reader.readexactly(2))
        return first & 15, await peer.reader.readexactly(size)


async def opened(served: Any) -> Any:
    peer = await served.connect()
    assert (await peer.request("GET", "/", OPENING)).status == 101
    return peer


async def tell_lengths(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(max_msg_size=SIZE)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(str(len(message.data)))
    return socket


async def is_refused(peer: Any, size: int) -> bool:
    """Whether a message of `size` bytes was too much (1009), or is answered."""
    opcode, payload = await received(peer)
    if opcode == CLOSE:
        assert payload[:2] == struct.pack("!H", 1009)
        return True
    assert payload == str(size).encode()
    return False


@pytest.mark.limit("ws.MAX_MSG_SIZE")
@pytest.mark.parametrize("fragments", [1, 3])
@extents(SIZE)
async def test_the_size_of_a_message(serve: Any, size: int, fragments: int) -> None:
    peer = await opened(await serve(tell_lengths))
    first = size // fragments
    pieces = [frame(BINARY, bytes(first), fin=fragments == 1)]
    pieces += [frame(CONTINUATION, bytes(first), fin=0)] * (fragments - 2)
    pieces += [frame(CONTINUATION, bytes(size - first * (fragments - 1)))] * (fragments > 1)
    peer.writer.write(b"".join(pieces))
    assert await is_refused(peer, size) is (size > SIZE)


@pytest.mark.limit("ws.MIN_FRAGMENTS")
@extents(ws_limits.MIN_FRAGMENTS)
async def test_the_fragments_of_a_message(serve: Any, size: int) -> None:
    peer = await opened(await serve(tell_lengths))
    peer.writer.write(frame(BINARY, b"x", fin=0) + frame(CONTINUATION, fin=0) * (size - 2) + frame(CONTINUATION))
    assert await is_refused(peer, 1) is (size > ws_limits.MIN_FRAGMENTS)


class Idle:
    """A handler that does not receive before it is let go."""

    def __init__(self, **options: Any) -> None:
        self.go, self.opened = asyncio.Event(), asyncio.Event()
        self.transport: Any = None
        self._options = options

    async def __call__(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(**self._options)
        await socket.prepare(request)
        self.transport = request.transport
        self.opened.set()
        await self.go.wait()
        async for message in socket:
            await socket.send_str(str(len(message.data)))
        return socket


async def reads_on(idle: Idle, peer: Any, messages: list[bytes]) -> bool:
    """Whether the server still reads after these messages, which it gets one by one."""
    await idle.opened.wait()
    for message in messages:
        if not idle.transport.is_reading():
            peer.writer.write(message)  # it stays where it is
            continue
        await peer.send(message)
        await asyncio.sleep(0.005)
    try:
        async with asyncio.timeout(SHORT):
            while idle.transport.is_reading():
                await asyncio.sleep(0.005)
    except TimeoutError:
        return True
    return False


@pytest.mark.limit("ws.QUEUE_MESSAGES")
@extents(ws_limits.QUEUE_MESSAGES)
async def test_messages_that_nobody_receives(serve: Any, size: int) -> None:
    idle = Idle()
    peer = await opened(await serve(idle))
    assert await reads_on(idle, peer, [frame(BINARY, b"abc")] * size) is (size <= ws_limits.QUEUE_MESSAGES)
    idle.go.set()
    for _ in range(size):
        assert (await received(peer))[1] == b"3"


@pytest.mark.limit("ws.QUEUE_BYTES")
@extents(ws_limits.QUEUE_BYTES)
async def test_bytes_that_nobody_receives(serve: Any, size: int) -> None:
    idle = Idle()
    peer = await opened(await serve(idle))
    large = ws_limits.QUEUE_BYTES // 4
    count, rest = divmod(size, large)
    messages = [frame(BINARY, bytes(large))] * count + [frame(BINARY, bytes(rest))] * bool(rest)
    assert await reads_on(idle, peer, messages) is (size <= ws_limits.QUEUE_BYTES)
    idle.go.set()
    assert sum([int((await received(peer))[1]) for _ in messages]) == size


@pytest.mark.limit("ws.CLOSE_TIMEOUT")
@pytest.mark.parametrize("extent", MOMENTS)
async def test_the_answer_to_a_close_frame(serve: Any, extent: str) -> None:
    codes: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=LIMIT)
        await socket.prepare(request)
        await socket.close()
        codes.set_result(socket.close_code)
        return socket

    peer = await opened(await serve(handler))
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert (await received(peer))[0] == CLOSE
    await asyncio.wait((codes,), timeout=MOMENTS[extent])
    if extent == "at":
        assert not codes.done()
        await peer.send(frame(CLOSE, struct.pack("!H", 1000)))
        assert await codes == 1000
    else:
        assert await codes == 1006
        assert LIMIT - 0.05 < loop.time() - start < MOMENTS["above"]


@pytest.mark.limit("ws.heartbeat")
@pytest.mark.parametrize("extent", MOMENTS)
async def test_the_answer_to_a_ping(serve: Any, extent: str) -> None:
    """A heartbeat of 2 * LIMIT leaves LIMIT for the answer."""
    ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=2 * LIMIT)
        await socket.prepare(request)
        async for _ in socket:
            pass
        ended.set_result(socket.close_code)
        return socket

    peer = await opened(await serve(handler))
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert await received(peer) == (PING, b"")
    assert loop.time() - start > 2 * LIMIT - 0.05
    start = loop.time()
    await asyncio.wait((ended,), timeout=MOMENTS[extent])
    if extent == "at":
        assert not ended.done()
        await peer.send(frame(PONG))
        assert await received(peer) == (PING, b"")  # it goes on
    else:
        assert await ended == 1006
        assert LIMIT - 0.05 < loop.time() - start < MOMENTS["above"]


MEMBER_MESSAGES, MEMBER_BYTES = ws_limits.MEMBER_QUEUE_MESSAGES, 10_000


async def broadcast_to_a_stuck_member(serve: Any, rooms: Rooms, message: bytes, count: int) -> bool:
    """Whether the member is still in its room after that many messages."""
    stuck = asyncio.Event()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(writer_limit=1000, timeout=0.05, compress=False)
        await socket.prepare(request)
        try:
            while True:  # fill what the systems of both ends take
                async with asyncio.timeout(SHORT):
                    await socket.send_bytes(bytes(500_000))
        except TimeoutError:
            rooms.join(socket, "a")
            stuck.set()
        async for _ in socket:
            pass
        return socket

    peer = await opened(await serve(handler))
    peer.writer.transport.pause_reading()
    await stuck.wait()
    for _ in range(count):
        await rooms.broadcast("a", message)
    stays = rooms.count("a") == 1
    peer.reset()
    return stays


@pytest.mark.limit("ws.MEMBER_QUEUE_MESSAGES")
@extents(MEMBER_MESSAGES)
@pytest.mark.parametrize("policy", [SlowConsumer.DROP_OLDEST, SlowConsumer.DISCONNECT])
async def test_messages_for_a_member_that_does_not_read(serve: Any, size: int, policy: SlowConsumer) -> None:
    rooms = Rooms(policy=policy)
    stays = await broadcast_to_a_stuck_member(serve, rooms, b"x", size)
    drops = policy is SlowConsumer.DROP_OLDEST
    assert rooms.dropped == (size - MEMBER_MESSAGES if drops else 0)
    assert stays is (drops or size <= MEMBER_MESSAGES)


@pytest.mark.limit("ws.MEMBER_QUEUE_BYTES")
@pytest.mark.parametrize("count", [10, 11, 100], ids=["at", "above", "far"])
async def test_bytes_for_a_member_that_does_not_read(serve: Any, count: int) -> None:
    rooms = Rooms(policy=SlowConsumer.DROP_OLDEST, max_bytes=MEMBER_BYTES)
    assert await broadcast_to_a_stuck_member(serve, rooms, bytes(MEMBER_BYTES // 10 - 4), count)  # and its head
    assert rooms.dropped == count - 10


DEFAULTS = [
    # name, ours, what the table says, and why that differs
    ("ws.MAX_MSG_SIZE", ws_limits.MAX_MSG_SIZE, 1 << 20, "aiohttp's 4 MiB"),
    ("ws.MAX_MSG_SIZE", web.websocket.MAX_MSG_SIZE, 1 << 20, "aiohttp's 4 MiB"),
    ("ws.MIN_FRAGMENTS", ws_limits.MIN_FRAGMENTS, 1024, ""),
    ("ws.QUEUE_MESSAGES", ws_limits.QUEUE_MESSAGES, 16, ""),
    ("ws.CLOSE_TIMEOUT", ws_limits.CLOSE_TIMEOUT, 5.0, "aiohttp's 10"),
    ("ws.heartbeat", ws.WebSocketConnection.__init__.__kwdefaults__["heartbeat"], 20.0, "aiohttp's: off"),
    ("ws.MEMBER_QUEUE_MESSAGES", ws_limits.MEMBER_QUEUE_MESSAGES, 64, ""),
    ("ws.MEMBER_QUEUE_BYTES", ws_limits.MEMBER_QUEUE_BYTES, 1 << 20, ""),
]


@pytest.mark.parametrize(("name", "ours", "table", "reason"), DEFAULTS)
def test_defaults_are_those_of_the_table_or_of_aiohttp(name: str, ours: object, table: object, reason: str) -> None:
    assert (ours == table) is not bool(reason), name
