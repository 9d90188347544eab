"""What users of aiohttp complained about for years, between our server and our client (or a peer of bare bytes).

Close codes that are wrong, get lost or stay None, a `receive` that is not woken, a `close` that hangs or gives up too
early, a shutdown that forgets sockets. The numbers are those of aiohttp's issues.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme

from levante import web
from levante.client import ClientConnectionResetError, ClientSession, ClientWebSocketResponse, ClientWSTimeout
from levante.ws import WSCloseCode, WSMsgType

Talk = Callable[["Place", web.WebSocketResponse], Awaitable[object]]

CODES = [1000, 1001, 1003, 1008, 1011, 1013, 3000, 4999]


@dataclass
class Place:
    """A server whose handler is `talk`, and what it left behind: each socket when its handler has ended."""

    talk: Talk
    port: int = 0
    runner: Any = None
    opened: list[web.WebSocketResponse] = field(default_factory=list)
    ended: asyncio.Queue[web.WebSocketResponse] = field(default_factory=asyncio.Queue)
    options: dict[str, Any] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(**self.options)
        await ws.prepare(request)
        self.opened.append(ws)
        try:
            await self.talk(self, ws)
        finally:
            self.ended.put_nowait(ws)
        return ws

    async def end(self) -> web.WebSocketResponse:
        """The next socket whose handler has ended, closed."""
        ws = await self.ended.get()
        while not ws.closed or ws.close_code is None:
            await asyncio.sleep(0)
        return ws


@asynccontextmanager
async def place(
    talk: Talk, *, tls: ssl.SSLContext | None = None, runner_options: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Place]:
    there = Place(talk, options=options)
    app = web.Application()
    app.router.add_get("/", there.handle)
    there.runner = web.AppRunner(app, **{"shutdown_timeout": 2.0, **(runner_options or {})})
    await there.runner.setup()
    site = web.TCPSite(there.runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    there.port = site.port
    try:
        async with asyncio.timeout(20):
            yield there
    finally:
        await there.runner.cleanup()


@asynccontextmanager
async def talking(there: Place, **options: Any) -> AsyncIterator[ClientWebSocketResponse]:
    async with ClientSession() as session, session.ws_connect(f"ws://127.0.0.1:{there.port}/", **options) as ws:
        yield ws


async def upgraded(there: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client of bare bytes behind its opening; what it sends from now on are frames."""
    reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
    key = base64.b64encode(bytes(16)).decode()
    writer.write(
        f"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def masked(opcode: int, payload: bytes = b"") -> bytes:
    """A short frame with the key 0, which changes nothing."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


async def listen(_: Place, ws: web.WebSocketResponse) -> None:
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(str(message.data))


# Close codes.


@pytest.mark.parity("S43", "C39", "W6")
@pytest.mark.parametrize("code", CODES)
async def test_the_servers_code_and_reason_reach_the_client_and_come_back(code: int) -> None:
    """#3448: also when the handler reads, ends because of the close, and returns while another task closes."""

    closings = []

    async def talk(there: Place, ws: web.WebSocketResponse) -> None:
        closings.append(asyncio.create_task(ws.close(code=code, message="grüße".encode())))
        await listen(there, ws)

    async with place(talk) as there, talking(there) as ws:
        message = await ws.receive()
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, code, "grüße")
        assert (ws.close_code, ws.close_reason, ws.closed, ws.exception()) == (code, "grüße", True, None)
        assert (await there.end()).close_code == code


@pytest.mark.parity("S43", "C39", "W6")
@pytest.mark.parametrize("code", CODES)
async def test_the_clients_code_and_reason_reach_the_server(code: int) -> None:
    got = []

    async def talk(_: Place, ws: web.WebSocketResponse) -> None:
        got.append(await ws.receive())

    async with place(talk) as there, talking(there) as ws:
        assert await ws.close(code=code, message=b"bye")
        assert ws.close_code == code
        assert (await there.end()).close_code == code
    assert [(message.type, message.data, message.extra) for message in got] == [(WSMsgType.CLOSE, code, "bye")]


@pytest.mark.parity("C39", "W6")
async def test_what_a_client_sends_after_the_servers_close_does_not_cost_the_code() -> None:
    """#5180: the close frame lies unread in the client while it sends."""

    async def talk(_: Place, ws: web.WebSocketResponse) -> None:
        await ws.close()

    async with place(talk) as there, talking(there) as ws:
        while not there.opened or not there.opened[0].closed:
            await asyncio.sleep(0)
        try:
            await ws.send_str("some data")
        except ClientConnectionResetError:
            pass  # it may be known by now that nobody will read it
        assert (await ws.receive()).type is WSMsgType.CLOSE
        assert ws.close_code == 1000
        assert (await there.end()).close_code == 1000


@pytest.mark.parity("C39", "W6")
@pytest.mark.parametrize("is_tls", [False, True])
async def test_a_connection_that_is_cut_is_1006_at_the_client(is_tls: bool) -> None:
    """#8138: over TLS it was 1000."""
    authority = trustme.CA()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def talk(_: Place, ws: web.WebSocketResponse) -> None:
        await ws.receive()
        ws.connection.abort()

    async with place(talk, tls=serving if is_tls else None) as there, ClientSession() as session:
        url = f"{'wss' if is_tls else 'ws'}://127.0.0.1:{there.port}/"
        ws = await session.ws_connect(url, ssl=trusting if is_tls else True)
        reading = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
        await ws.send_str("go")
        assert (await reading).type is WSMsgType.CLOSED
        assert (ws.close_code, ws.closed) == (1006, True)
        assert not await ws.close()
        assert ws.close_code == 1006


@pytest.mark.parity("S43", "W6")
@pytest.mark.parametrize("is_reset", [False, True])
async def test_a_connection_that_is_cut_is_1006_at_the_server(is_reset: bool) -> None:
    async with place(listen) as there:
        _, writer = await upgraded(there)
        if is_reset:
            writer.transport.abort()
        writer.close()
        assert (await there.end()).close_code == 1006


@pytest.mark.parity("W2", "S43", "C39")
async def test_both_sides_know_the_code_of_a_broken_rule() -> None:
    async with place(listen, max_msg_size=100) as there, talking(there, max_msg_size=50) as ws:
        await ws.send_str("x" * 60)
        message = await ws.receive()
        assert (message.type, ws.close_code) == (WSMsgType.ERROR, 1009)
        assert (await there.end()).close_code == 1009
    async with place(listen, max_msg_size=100) as there, talking(there) as ws:
        await ws.send_str("x" * 101)
        message = await ws.receive()
        assert (message.type, message.data, ws.close_code) == (WSMsgType.CLOSE, 1009, 1009)
        ended = await there.end()
        assert (ended.close_code, type(ended.exception()).__name__) == (1009, "WebSocketError")


# A pending receive.


@pytest.mark.parity("C39")
async def test_a_clients_pending_receive_is_woken_by_close_and_the_code_is_there() -> None:
    """#7306, #7690: it stayed None."""
    async with place(listen) as there, talking(there) as ws:
        reading = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
        assert await ws.close()
        assert (await reading).type is WSMsgType.CLOSING
        assert ws.close_code == 1000
        assert (await there.end()).close_code == 1000


@pytest.mark.parity("S43", "C39")
@pytest.mark.parametrize("closers", [2, 5])
async def test_only_one_of_those_that_close_has_closed_and_all_know_the_code(closers: int) -> None:
    async with place(listen) as there, talking(there) as ws:
        reading = asyncio.create_task(anext(aiter(ws), None))
        await asyncio.sleep(0)
        did = await asyncio.gather(*(ws.close(code=4000 + number) for number in range(closers)))
        assert did == [True] + [False] * (closers - 1)
        assert await reading is None
        assert ws.close_code == 4000
        assert (await there.end()).close_code == 4000


@pytest.mark.parity("S43")
async def test_a_servers_receive_that_is_cancelled_loses_neither_message_nor_code() -> None:
    async def talk(_: Place, ws: web.WebSocketResponse) -> None:
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.02)
        reading = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        assert not ws.closed
        await ws.send_str(await ws.receive_str())
        await ws.receive()

    async with place(talk) as there, talking(there) as ws:
        await asyncio.sleep(0.1)
        await ws.send_str("still there")
        assert await ws.receive_str() == "still there"
        await ws.close()
        assert (await there.end()).close_code == 1000


# A close that hangs, or gives up.


@pytest.mark.parity("S43", "W6")
async def test_what_is_on_its_way_while_the_server_closes_is_discarded_and_the_close_awaited() -> None:
    """#9506: the first message that was no close frame counted as an abnormal closure."""

    async def talk(_: Place, ws: web.WebSocketResponse) -> None:
        await ws.receive()
        assert await ws.close(code=1001)

    async with place(talk) as there:
        reader, writer = await upgraded(there)
        writer.write(masked(1, b"go"))
        assert await reader.readexactly(4) == b"\x88\x02\x03\xe9"
        for _ in range(5):
            writer.write(masked(1, b"late") + masked(9, b"ping"))
            await asyncio.sleep(0.01)
        writer.write(masked(8, b"\x03\xe9"))
        ended = await there.end()
        assert (ended.close_code, ended.exception()) == (1001, None)
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parity("S43", "W6")
@pytest.mark.hardening("W23")
async def test_a_peer_that_talks_on_and_never_closes_is_cut_off_in_time() -> None:
    """#1002: each message began the waiting anew."""
    took = []

    async def talk(_: Place, ws: web.WebSocketResponse) -> None:
        await ws.receive()
        started = time.monotonic()
        await ws.close()
        took.append(time.monotonic() - started)

    async with place(talk, timeout=0.3) as there:
        reader, writer = await upgraded(there)
        writer.write(masked(1, b"go"))
        await reader.readexactly(4)
        try:
            while not there.ended.qsize():
                writer.write(masked(1, b"on and on"))
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass
        ended = await there.end()
        assert (ended.close_code, type(ended.exception())) == (1006, TimeoutError)
        writer.close()
    assert 0.3 <= took[0] < 2.0


@pytest.mark.parity("C38", "C39")
async def test_a_server_that_never_answers_does_not_hold_up_the_clients_close() -> None:
    async def talk(_: Place, ws: web.WebSocketResponse) -> None:
        ws.connection.pause_reading()
        transport: Any = ws.connection._transport
        transport.pause_reading()
        await asyncio.sleep(1)

    async with place(talk) as there, ClientSession() as session:
        ws = await session.ws_connect(f"ws://127.0.0.1:{there.port}/", timeout=ClientWSTimeout(ws_close=0.2))
        started = time.monotonic()
        assert await ws.close()
        assert 0.2 <= time.monotonic() - started < 0.9
        assert ws.close_code == 1006


# Heartbeats.


@pytest.mark.parity("S41", "S43")
@pytest.mark.hardening("W32")
async def test_a_silent_client_is_1006_an_error_message_and_an_exception() -> None:
    """#8540: the reader was told of a normal end, or not at all."""
    got = []

    async def talk(_: Place, ws: web.WebSocketResponse) -> None:
        async for message in ws:
            got.append(message)

    async with place(talk, heartbeat=0.1) as there:
        reader, writer = await upgraded(there)
        ended = await there.end()
        assert (ended.close_code, ended.closed, type(ended.exception())) == (1006, True, TimeoutError)
        assert [(message.type, type(message.data)) for message in got] == [(WSMsgType.ERROR, TimeoutError)]
        assert (await reader.read())[:1] == b"\x89"
        writer.close()


@pytest.mark.parity("C38", "C39")
@pytest.mark.hardening("W32")
async def test_a_silent_server_is_1006_an_error_message_and_an_exception() -> None:
    async def talk(_: Place, ws: web.WebSocketResponse) -> None:
        transport: Any = ws.connection._transport
        transport.pause_reading()
        await asyncio.sleep(0.5)
        ws.connection.abort()

    async with place(talk) as there, talking(there, heartbeat=0.1) as ws:
        message = await ws.receive()
        assert (message.type, type(message.data)) == (WSMsgType.ERROR, TimeoutError)
        assert (ws.close_code, ws.closed, type(ws.exception())) == (1006, True, TimeoutError)


@pytest.mark.parity("S41")
async def test_a_client_that_sends_data_but_no_pongs_lives() -> None:
    """Anything that comes proves that the peer is there; half of a long message as well."""
    async with place(listen, heartbeat=0.1) as there:
        reader, writer = await upgraded(there)
        frame = masked(1, b"x" * 20)
        for byte in frame:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
        data = b""
        while not data.endswith(b"\x81\x14" + b"x" * 20):
            data += await reader.readexactly(1)
        assert not there.opened[0].closed
        writer.close()
        await there.end()


# The end of the server.


@pytest.mark.parity("S56", "U20")
@pytest.mark.hardening("X1")
async def test_a_shutdown_closes_all_sockets_with_1001_whatever_their_handlers_do() -> None:
    """#3448, #3550: only the first one was closed, and only by hand. One reads, one writes, one sleeps."""

    async def talk(there: Place, ws: web.WebSocketResponse) -> None:
        kind = (await ws.receive()).data
        if kind == "sleeps":
            await asyncio.sleep(1000)
        while kind == "writes" and not ws.closed:
            await ws.send_str("tick")
            await asyncio.sleep(0.01)
        await listen(there, ws)

    async def told(ws: ClientWebSocketResponse) -> list[Any]:
        kinds = [message.type async for message in ws]
        return [*{kind for kind in kinds if kind is not WSMsgType.TEXT}, ws.close_code]

    async with ClientSession() as session:
        async with place(talk, runner_options={"shutdown_timeout": 1.0}) as there:
            sockets = []
            for kind in ["reads", "writes", "sleeps"] * 4:
                sockets.append(await session.ws_connect(f"ws://127.0.0.1:{there.port}/"))
                await sockets[-1].send_str(kind)
            while len(there.opened) < len(sockets):
                await asyncio.sleep(0)
            reading = [asyncio.create_task(told(ws)) for ws in sockets]
            started = time.monotonic()
            await there.runner.cleanup()
            assert time.monotonic() - started < 4.0
        assert await asyncio.gather(*reading) == [[WSCloseCode.GOING_AWAY]] * len(sockets)


@pytest.mark.parity("S43", "S44")
async def test_sending_after_the_peer_closed_raises_and_receiving_too_often_as_well() -> None:
    raised = []

    async def talk(_: Place, ws: web.WebSocketResponse) -> None:
        assert (await ws.receive()).type is WSMsgType.CLOSE
        for send in (ws.send_str("x"), ws.send_bytes(b"x"), ws.send_json({}), ws.ping()):
            try:
                await send
            except ConnectionError as error:
                raised.append(error)
        assert [(await ws.receive()).type for each in range(4)] == [WSMsgType.CLOSED] * 4
        with pytest.raises(RuntimeError, match="5 times"):
            await ws.receive()

    async with place(talk) as there, talking(there) as ws:
        await ws.close()
        assert (await there.end()).close_code == 1000
        with pytest.raises(ClientConnectionResetError):
            await ws.send_str("x")
    assert len(raised) == 4
