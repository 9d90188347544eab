"""The driver of dialled connections, against our own server and against scripted ones."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from http_support.loopback import echo

from levante.http import (
    ClientExchange,
    DialedConnection,
    Exchange,
    ExchangeTimeout,
    IncompleteMessage,
    LocalProtocolError,
    PeerDisconnected,
    RemoteProtocolError,
)

Start = Callable[..., Any]

HOST = [("Host", "a")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Script:
    """A server that reads up to a mark, says something, and so on; in the end it closes, unless told to wait."""

    def __init__(self, *lines: tuple[bytes, bytes], close: bool = True) -> None:
        self.lines = lines
        self.close = close
        self.port = 0
        self.received = b""
        self.gone = asyncio.Event()
        self.server: asyncio.Server | None = None

    async def start(self) -> "Script":
        self.server = await asyncio.start_server(self.play, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for mark, answer in self.lines:
                while mark not in self.received:
                    data = await reader.read(65536)
                    if not data:
                        return
                    self.received += data
                writer.write(answer)
                await writer.drain()
            if not self.close:
                await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.gone.set()


@pytest.fixture
async def dial() -> AsyncIterator[Callable[..., Any]]:
    """Dials a port or a script; everything is closed in the end."""
    connections: list[DialedConnection] = []
    scripts: list[Script] = []

    async def start(where: Any, **options: Any) -> DialedConnection:
        if isinstance(where, Script):
            await where.start()
            scripts.append(where)
        factory: Any = lambda: DialedConnection(**options)  # noqa: E731
        _, connection = await asyncio.get_running_loop().create_connection(factory, "127.0.0.1", where.port)
        connections.append(connection)
        return connection

    yield start
    for connection in connections:
        connection.abort()
        await connection.wait_closed()
    for script in scripts:
        assert script.server is not None
        script.server.close()
        await script.gone.wait()
    await asyncio.sleep(0)


async def ask(connection: DialedConnection, target: str = "/", body: bytes = b"") -> tuple[int, bytes]:
    exchange = connection.begin()
    exchange.request("POST" if body else "GET", target, HOST, body)
    head = await exchange.response()
    return head.status, await exchange.body.read()


class TestExchanges:
    async def test_one_after_another(self, loopback: Start, dial: Start) -> None:
        server = await loopback(echo)
        connection = await dial(server)
        assert connection.is_reusable()
        for number in range(3):
            assert await ask(connection, f"/{number}", b"x" * number) == (
                200,
                b"%s /%d %s" % (b"POST" if number else b"GET", number, b"x" * number),
            )
            assert connection.is_reusable()
        assert "idle" in repr(connection)
        connection.close()
        await asyncio.wait_for(connection.wait_closed(), 5)
        assert not connection.is_reusable()
        assert connection.is_closed()
        with pytest.raises(PeerDisconnected):
            connection.begin()

    async def test_piecewise(self, loopback: Start, dial: Start) -> None:
        connection = await dial(await loopback(echo))
        exchange = connection.begin()
        done: list[ClientExchange] = []
        exchange.on_done(done.append)
        exchange.send_head("PUT", "/x", {"Host": "a"}, length=None)
        for piece in (b"ab", bytearray(b"cd"), memoryview(b"ef")):
            await exchange.write(piece)
        assert not exchange.done()
        assert "open" in repr(exchange)
        await exchange.finish({"T": "v"})
        assert "sent" in repr(exchange)
        await exchange.response()
        assert await exchange.body.read() == b"PUT /x abcdef"
        assert exchange.done()
        assert done == [exchange]
        exchange.on_done(done.append)
        assert done == [exchange, exchange]
        assert exchange.started

    async def test_large_request_body(self, loopback: Start, dial: Start) -> None:
        connection = await dial(await loopback(echo))
        status, body = await ask(connection, "/", b"x" * 2_000_000)
        assert (status, len(body)) == (200, 2_000_007)

    async def test_trailers_and_head(self, loopback: Start, dial: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=None)
            await exchange.write(b"x")
            await exchange.finish({"T": "v"})

        connection = await dial(await loopback(service))
        exchange = connection.begin()
        exchange.request("GET", "/", HOST)
        head = await exchange.response()
        assert await exchange.response() is head
        assert await exchange.body.read() == b"x"
        assert exchange.body.trailers["T"] == "v"

    async def test_backpressure(self, loopback: Start, dial: Start) -> None:
        """A reader that is slow stops the server; nothing is lost."""
        sent = 0

        async def service(exchange: Exchange) -> None:
            nonlocal sent
            exchange.send_head(200, None, (), length=30_000_000)
            for _ in range(30):
                await exchange.write(b"x" * 1_000_000)
                sent += 1
            await exchange.finish()

        connection = await dial(await loopback(service), read_timeout=0.3)
        exchange = connection.begin()
        exchange.request("GET", "/", HOST)
        await exchange.response()
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 30
        await asyncio.sleep(0.4)  # longer than the read timeout, which does not run while we do not read
        assert len(await exchange.body.read()) == 30_000_000
        assert connection.is_reusable()

    async def test_one_at_a_time(self, loopback: Start, dial: Start) -> None:
        connection = await dial(await loopback(echo))
        exchange = connection.begin()
        with pytest.raises(LocalProtocolError):
            connection.begin()
        assert not connection.is_reusable()
        assert "busy" in repr(connection)
        exchange.reset()
        await connection.wait_closed()
        with pytest.raises(PeerDisconnected):
            exchange.request("GET", "/", HOST)
        with pytest.raises(PeerDisconnected):
            await exchange.response()

    async def test_close_while_busy(self, dial: Start) -> None:
        connection = await dial(Script((b"\r\n\r\n", b""), close=False))
        exchange = connection.begin()
        exchange.request("GET", "/", HOST)
        connection.close()
        with pytest.raises(PeerDisconnected):
            await exchange.response()

    @pytest.mark.hardening("C60")
    async def test_hostile_text_never_leaves(self, loopback: Start, dial: Start) -> None:
        server = await loopback(echo)
        connection = await dial(server)
        exchange = connection.begin()
        for method, target, headers in (
            ("G T", "/", HOST),
            ("GET", "/ x", HOST),
            ("GET", "/", [*HOST, ("X", "a\r\nb")]),
        ):
            with pytest.raises(ValueError):
                exchange.request(method, target, headers)
        exchange.request("GET", "/", HOST)
        assert (await exchange.response()).status == 200
        assert server.requests == 1

    async def test_body_unlike_its_length(self, loopback: Start, dial: Start) -> None:
        connection = await dial(await loopback(echo))
        exchange = connection.begin()
        exchange.send_head("POST", "/", HOST, length=3)
        with pytest.raises(LocalProtocolError):
            await exchange.write(b"long")
        with pytest.raises(LocalProtocolError):
            await exchange.finish()

    async def test_concurrent_response(self, dial: Start) -> None:
        connection = await dial(Script((b"\r\n\r\n", b""), (b"go", OK), close=False))
        exchange = connection.begin()
        exchange.send_head("POST", "/", HOST, length=2)
        await exchange.write(b"")
        waiting = asyncio.ensure_future(exchange.response())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await exchange.response()
        await exchange.write(b"go")
        await exchange.finish()
        assert (await waiting).status == 200


class TestContinue:
    async def test_it_comes(self, loopback: Start, dial: Start) -> None:
        connection = await dial(await loopback(echo))
        exchange = connection.begin()
        exchange.send_head("POST", "/", HOST, length=5, expect_continue=True)
        assert await exchange.wait_continue()
        assert await exchange.wait_continue()
        await exchange.write(b"hello")
        await exchange.finish()
        assert (await exchange.response()).status == 200
        assert [head.status for head in exchange.informational] == [100]

    async def test_a_final_response_instead(self, loopback: Start, dial: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(417, None, (), b"no")

        connection = await dial(await loopback(service))
        exchange = connection.begin()
        exchange.send_head("POST", "/", HOST, length=5, expect_continue=True)
        assert not await exchange.wait_continue()
        assert not await exchange.wait_continue()
        assert (await exchange.response()).status == 417
        assert await exchange.body.read() == b"no"
        assert not exchange.done()
        assert not connection.is_reusable()

    async def test_an_error_instead(self, dial: Start) -> None:
        connection = await dial(Script((b"\r\n\r\n", b"nonsense\r\n")))
        exchange = connection.begin()
        exchange.send_head("POST", "/", HOST, length=5, expect_continue=True)
        for _ in range(2):
            with pytest.raises(RemoteProtocolError):
                await exchange.wait_continue()


class TestTrouble:
    @pytest.mark.hardening("C49")
    async def test_unsolicited_bytes_close(self, dial: Start) -> None:
        connection = await dial(Script((b"\r\n\r\n", OK), (b"", b"HTTP/1.1 200 OK\r\n\r\n"), close=False))
        exchange = connection.begin()
        exchange.request("GET", "/", HOST)
        await exchange.response()
        assert await exchange.body.read() == b"ok"
        await asyncio.wait_for(connection.wait_closed(), 5)
        assert not connection.is_reusable()

    @pytest.mark.hardening("C49")
    async def test_bytes_behind_the_response_forbid_reuse(self, dial: Start) -> None:
        connection = await dial(Script((b"\r\n\r\n", OK + OK), close=False))
        assert await ask(connection) == (200, b"ok")
        assert not connection.is_reusable()

    @pytest.mark.hardening("C42")
    async def test_closed_instead_of_answering(self, dial: Start) -> None:
        connection = await dial(Script((b"\r\n\r\n", b"")))
        exchange = connection.begin()
        done: list[ClientExchange] = []
        exchange.on_done(done.append)
        exchange.request("GET", "/", HOST)
        with pytest.raises(PeerDisconnected):
            await exchange.response()
        assert not exchange.started
        assert done == [exchange]

    @pytest.mark.hardening("C43")
    async def test_closed_in_the_head(self, dial: Start) -> None:
        connection = await dial(Script((b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nX:")))
        exchange = connection.begin()
        exchange.request("GET", "/", HOST)
        with pytest.raises(IncompleteMessage):
            await exchange.response()
        assert exchange.started

    @pytest.mark.hardening("C04", "C05")
    @pytest.mark.parametrize(
        "framing", [b"Content-Length: 9\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]
    )
    async def test_body_cut_short(self, dial: Start, framing: bytes) -> None:
        connection = await dial(Script((b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + framing)))
        exchange = connection.begin()
        exchange.request("GET", "/", HOST)
        await exchange.response()
        with pytest.raises(IncompleteMessage):
            await exchange.body.read()

    @pytest.mark.hardening("C02")
    async def test_until_close(self, dial: Start) -> None:
        connection = await dial(Script((b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nhello")))
        assert await ask(connection) == (200, b"hello")
        assert not connection.is_reusable()

    @pytest.mark.hardening("C01")
    async def test_connection_close(self, dial: Start) -> None:
        connection = await dial(
            Script((b"\r\n\r\n", OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)), close=False)
        )
        assert await ask(connection) == (200, b"ok")
        assert not connection.is_reusable()

    async def test_malformed(self, dial: Start) -> None:
        connection = await dial(Script((b"\r\n\r\n", b"FTP/1.1 200 OK\r\n")))
        exchange = connection.begin()
        exchange.request("GET", "/", HOST)
        with pytest.raises(RemoteProtocolError):
            await exchange.response()
        with pytest.raises(RemoteProtocolError):
            await exchange.response()
        assert exchange.done()

    @pytest.mark.hardening("C58")
    async def test_silence(self, dial: Start) -> None:
        connection = await dial(Script((b"\r\n\r\n", b""), close=False), read_timeout=0.05)
        exchange = connection.begin()
        exchange.request("GET", "/", HOST)
        with pytest.raises(ExchangeTimeout) as caught:
            await exchange.response()
        assert caught.value.phase == "read"

    @pytest.mark.hardening("C58")
    async def test_silence_in_the_body(self, dial: Start) -> None:
        connection = await dial(Script((b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"), close=False))
        exchange = connection.begin()
        exchange.read_timeout = 0.05
        exchange.request("GET", "/", HOST)
        await exchange.response()
        with pytest.raises(ExchangeTimeout):
            await exchange.body.read()

    async def test_early_final_response(self, dial: Start) -> None:
        connection = await dial(Script((b"\r\n\r\n", OK), close=False))
        exchange = connection.begin()
        exchange.send_head("POST", "/", HOST, length=5)
        await exchange.write(b"h")
        assert (await exchange.response()).status == 200
        assert await exchange.body.read() == b"ok"
        assert not connection.is_reusable()
        await exchange.write(b"ello")
        await exchange.finish()
        assert connection.is_reusable()


class TestUpgrade:
    class Next(asyncio.Protocol):
        def __init__(self) -> None:
            self.received = b""
            self.closed = asyncio.Event()
            self.transport: Any = None

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.received += data

        def connection_lost(self, exc: Exception | None) -> None:
            self.closed.set()

    @pytest.mark.parametrize(
        ("method", "target", "headers", "answer"),
        [
            (
                "GET",
                "/",
                [("Connection", "upgrade"), ("Upgrade", "x")],
                b"HTTP/1.1 101 Switching Protocols\r\n\r\nleft",
            ),
            ("CONNECT", "a:443", [], b"HTTP/1.1 200 OK\r\n\r\nleft"),
        ],
    )
    async def test_handover(
        self, dial: Start, method: str, target: str, headers: list[tuple[str, str]], answer: bytes
    ) -> None:
        connection = await dial(Script((b"\r\n\r\n", answer), (b"more", b"over")))
        exchange = connection.begin()
        exchange.request(method, target, [*HOST, *headers])
        await exchange.response()
        assert exchange.done()
        protocol = self.Next()
        transport = exchange.upgrade(protocol)
        assert not connection.is_reusable()
        transport.write(b"more")
        await asyncio.wait_for(protocol.closed.wait(), 5)
        assert protocol.received == b"leftover"

    async def test_without_a_switch(self, loopback: Start, dial: Start) -> None:
        connection = await dial(await loopback(echo))
        exchange = connection.begin()
        exchange.request("GET", "/", HOST)
        await exchange.response()
        with pytest.raises(LocalProtocolError):
            exchange.upgrade(self.Next())
