"""Answering through an exchange, over real sockets."""

import asyncio
import contextlib
import contextvars
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from http_support.engine import bytewise
from http_support.loopback import GET, LAST, POST, Gate, echo

from levante.http import (
    EMPTY_PAYLOAD,
    Exchange,
    LocalProtocolError,
)
from levante.http.requestids import is_request_id

Start = Callable[..., Any]


class TestAnswering:
    async def test_one_request(self, loopback: Start) -> None:
        server = await loopback(echo)
        head, _, body = (await server.ask(LAST)).partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert lines[0] == b"HTTP/1.1 200 OK"
        assert [line.partition(b":")[0] for line in lines[1:]] == [b"Date", b"Server", b"Content-Length", b"Connection"]
        assert body == b"GET /last "
        assert server.requests == server.lost == 1

    @pytest.mark.parity("S59")
    async def test_kept_alive(self, loopback: Start) -> None:
        server = await loopback(echo)
        client = await server.open()
        for _ in range(3):
            client.send(GET)
            assert await client.read_response() == (200, b"GET / ")
        assert server.connection.is_idle()
        assert "idle" in repr(server.connection)
        client.close()

    async def test_byte_by_byte(self, loopback: Start) -> None:
        server = await loopback(echo)
        client = await server.open()
        for piece in bytewise(POST % 5 + b"hello"):
            client.send(piece)
            await asyncio.sleep(0)
        assert await client.read_response() == (200, b"POST / hello")
        client.close()

    async def test_streamed(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, [("X", "y")], length=None)
            assert exchange.head_sent
            assert exchange.bytes_sent == 0
            await exchange.write(b"ab")
            await exchange.write(bytearray(b"cd"))
            await exchange.write(memoryview(b"ef"))
            await exchange.drain()
            await exchange.finish({"T": "1"})
            assert exchange.finished
            assert exchange.status == 200
            assert exchange.bytes_sent > 100

        server = await loopback(service)
        answer = await server.ask(LAST)
        assert answer.endswith(b"\r\n\r\n2\r\nab\r\n2\r\ncd\r\n2\r\nef\r\n0\r\nT: 1\r\n\r\n")

    async def test_drain_sends_the_head(self, loopback: Start) -> None:
        gate = Gate()

        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=2)
            await exchange.drain()
            await gate.open.wait()
            await exchange.write(b"ok")
            await exchange.finish()

        server = await loopback(service)
        client = await server.open()
        client.send(GET)
        assert b"200 OK" in await client.read_head()
        gate.open.set()
        assert await client.reader.readexactly(2) == b"ok"
        client.close()

    async def test_head_request(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            if exchange.head.target == "/whole":
                exchange.respond(200, None, (), b"hello")
            else:
                exchange.send_head(200, None, (), length=5)
                await exchange.write(b"hello")
                await exchange.finish()

        server = await loopback(service)
        answer = await server.ask(b"HEAD /whole HTTP/1.1\r\nHost: a\r\n\r\n" + LAST.replace(b"GET", b"HEAD"))
        assert answer.count(b"Content-Length: 5\r\n") == 2
        assert b"hello" not in answer

    async def test_large_body(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"x" * 3_000_000)

        server = await loopback(service)
        assert len(await server.ask(LAST)) > 3_000_000

    async def test_facts_of_an_exchange(self, loopback: Start) -> None:
        seen: dict[str, Any] = {}

        async def service(exchange: Exchange) -> None:
            seen.update(
                task=exchange.task is asyncio.current_task(),
                peer=exchange.get_extra_info("peername")[0],
                default=exchange.get_extra_info("nonsense", 5),
                transport=exchange.transport is not None,
                body=exchange.body is EMPTY_PAYLOAD,
                text=repr(exchange),
                disconnected=exchange.is_disconnected(),
            )
            await asyncio.sleep(0)
            seen["later"] = exchange.task is asyncio.current_task()
            exchange.respond(200, None, (), b"")
            seen["done"] = repr(exchange)

        server = await loopback(service)
        client = await server.open()
        client.send(GET)
        await client.read_response()
        client.close()
        assert seen == {
            "task": True,
            "peer": "127.0.0.1",
            "default": 5,
            "transport": True,
            "body": True,
            "text": "<Exchange GET '/' open>",
            "disconnected": False,
            "later": True,
            "done": "<Exchange GET '/' finished>",
        }

    @pytest.mark.parity("S50")
    async def test_a_context_of_its_own(self, loopback: Start) -> None:
        variable = contextvars.ContextVar("variable", default="fresh")
        variable.set("server")

        async def service(exchange: Exchange) -> None:
            before = variable.get()
            variable.set("handler")
            exchange.respond(200, None, (), before.encode())

        server = await loopback(service)
        answer = await server.ask(GET + LAST)
        assert answer.count(b"server") == 2

    async def test_interim_responses(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.send_informational(103, [("Link", "x")])
            exchange.respond(200, None, (), b"")

        server = await loopback(service)
        assert (await server.ask(LAST)).startswith(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK")
        assert (await server.ask(b"GET / HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")

    async def test_server_header_may_be_left_out(self, loopback: Start) -> None:
        server = await loopback(echo, server_header="")
        assert b"Server:" not in await server.ask(LAST)

    @pytest.mark.hardening("H87", "H88")
    async def test_illegal_heads_write_nothing(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            for headers in ([("X", "a\r\nb")], [("X\n", "a")], [("Content-Length", "9")]):
                with pytest.raises(LocalProtocolError):
                    exchange.respond(200, None, headers, b"body")
            with pytest.raises(ValueError):
                exchange.send_head(200, "O\nK", (), length=0)
            with pytest.raises(LocalProtocolError):
                exchange.respond(204, None, (), b"body")
            exchange.respond(200, None, (), b"fine")

        server = await loopback(service)
        answer = await server.ask(LAST)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nfine")


class TestExpect:
    ASK = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"

    @pytest.mark.parity("S51")
    async def test_reading_sends_100(self, loopback: Start) -> None:
        server = await loopback(echo)
        client = await server.open()
        client.send(self.ASK + b"\r\n")
        assert await client.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        assert await client.read_response() == (200, b"POST / hello")
        client.send(GET)
        assert await client.read_response() == (200, b"GET / ")
        client.close()

    @pytest.mark.hardening("H81a")
    async def test_no_100_if_the_body_came_already(self, loopback: Start) -> None:
        server = await loopback(echo)
        answer = await server.ask(self.ASK + b"Connection: close\r\n\r\nhello")
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.endswith(b"POST / hello")

    @pytest.mark.hardening("H81a")
    async def test_a_final_answer_instead_closes(self, loopback: Start) -> None:
        """Nobody knows whether the body will come, so what follows must not be read as a request."""

        async def service(exchange: Exchange) -> None:
            exchange.respond(413, None, (), b"")

        server = await loopback(service)
        answer = await server.ask(self.ASK + b"\r\n")
        assert answer.count(b"HTTP/1.1") == 1
        assert b"Connection: close" in answer

    async def test_http_10_gets_none(self, loopback: Start) -> None:
        server = await loopback(echo)
        answer = await server.ask(self.ASK.replace(b"1.1", b"1.0") + b"\r\nhello")
        assert answer.startswith(b"HTTP/1.1 200 OK")

    async def test_by_hand_and_once(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.send_continue()
            exchange.send_continue()
            await echo(exchange)

        server = await loopback(service)
        client = await server.open()
        client.send(self.ASK + b"\r\n")
        await client.read_head()
        client.send(b"hello")
        assert await client.read_response() == (200, b"POST / hello")
        client.close()


class TestFailingServices:
    @pytest.mark.hardening("S22")
    async def test_raising(self, loopback: Start, caplog: pytest.LogCaptureFixture) -> None:
        async def service(exchange: Exchange) -> None:
            raise ValueError("broken")

        server = await loopback(service)
        answer = await server.ask(GET)
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"broken" not in answer
        assert b"Connection: close" in answer
        (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
        assert record.exc_info is not None
        number = answer.rpartition(b"Request id: ")[2].decode().strip()
        assert is_request_id(number)
        assert f"(request id {number})" in record.getMessage()

    async def test_returning_early(self, loopback: Start, caplog: pytest.LogCaptureFixture) -> None:
        async def service(exchange: Exchange) -> None:
            await asyncio.sleep(0)

        server = await loopback(service)
        assert (await server.ask(GET)).startswith(b"HTTP/1.1 500 ")
        assert "before it had finished" in caplog.text

    @pytest.mark.hardening("X16")
    @pytest.mark.parametrize("at_once", [True, False])
    async def test_cancelled_by_nobody(self, loopback: Start, caplog: pytest.LogCaptureFixture, at_once: bool) -> None:
        """Such as by waiting for another task, which was cancelled."""

        async def service(exchange: Exchange) -> None:
            if not at_once:
                await asyncio.sleep(0)
            raise asyncio.CancelledError

        server = await loopback(service)
        answer = await server.ask(GET)
        assert answer.startswith(b"HTTP/1.1 500 ")
        (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
        assert record.exc_info is not None

    async def test_cancelled_on_demand(self, loopback: Start, caplog: pytest.LogCaptureFixture) -> None:
        gate = Gate()
        server = await loopback(gate)
        client = await server.open()
        client.send(GET)
        await gate.entered.wait()
        assert gate.exchange is not None
        assert gate.exchange.task is not None
        gate.exchange.task.cancel()
        with contextlib.suppress(ConnectionResetError):
            assert await client.read_all() == b""
        assert not [r for r in caplog.records if r.levelno >= logging.ERROR]
        client.close()

    @pytest.mark.parametrize("leave", ["raise", "return", "short", "cancel", "reset"])
    async def test_after_the_head_the_connection_breaks(
        self, loopback: Start, caplog: pytest.LogCaptureFixture, leave: str
    ) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=10)
            await exchange.write(b"half")
            if leave == "raise":
                raise ValueError("broken")
            if leave == "short":
                await exchange.finish()
            if leave == "cancel":
                raise asyncio.CancelledError
            if leave == "reset":
                exchange.reset()

        server = await loopback(service)
        client = await server.open()
        client.send(GET)
        try:
            answer = await client.read_all()
        except ConnectionResetError:
            answer = b""
        assert b"0123456789" not in answer
        client.close()

    @pytest.mark.parity("S67")
    async def test_work_after_the_response(self, loopback: Start) -> None:
        gate = Gate()

        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"")
            gate.entered.set()
            await gate.open.wait()

        server = await loopback(service)
        client = await server.open()
        client.send(GET + LAST)
        await client.read_response()
        await gate.entered.wait()
        assert server.requests == 1
        gate.open.set()
        assert b"200 OK" in await client.read_all()
        client.close()


class TestUpgrade:
    class Next(asyncio.Protocol):
        def __init__(self) -> None:
            self.calls: list[object] = []
            self.lost = asyncio.Event()
            self.transport: asyncio.Transport | None = None

        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            self.calls.append("made")

        def data_received(self, data: bytes) -> None:
            self.calls.append(data)
            assert self.transport is not None
            self.transport.write(data.upper())

        def eof_received(self) -> bool:
            self.calls.append("eof")
            return False

        def pause_writing(self) -> None:
            self.calls.append("pause")

        def resume_writing(self) -> None:
            self.calls.append("resume")

        def connection_lost(self, exc: Exception | None) -> None:
            self.calls.append("lost")
            self.lost.set()

    ASK = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: Shout\r\n"

    async def test_handover(self, loopback: Start) -> None:
        protocol = self.Next()

        async def service(exchange: Exchange) -> None:
            assert exchange.head.upgrade == "shout"
            headers = [("Connection", "Upgrade"), ("Upgrade", "shout")]
            assert exchange.upgrade(protocol, headers=headers) is protocol.transport

        server = await loopback(service)
        client = await server.open()
        client.send(self.ASK + b"\r\nleft" + b"over")
        assert (await client.read_head()).startswith(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n")
        assert await client.reader.readexactly(8) == b"LEFTOVER"
        client.send(b"more")
        assert await client.reader.readexactly(4) == b"MORE"
        assert len(server.connections) == 1
        assert not server.connection.is_idle()
        client.writer.write_eof()
        await asyncio.wait_for(protocol.lost.wait(), 5)
        assert protocol.calls == ["made", b"leftover", b"more", "eof", "lost"]
        assert not server.connections
        client.close()

    async def test_backpressure_reaches_the_protocol(self, loopback: Start) -> None:
        protocol = self.Next()

        async def service(exchange: Exchange) -> None:
            exchange.upgrade(protocol, headers=()).write(b"x" * 10_000_000)

        server = await loopback(service)
        client = await server.open()
        client.send(self.ASK + b"\r\n")
        await client.read_head()
        await client.reader.readexactly(10_000_000)
        while "resume" not in protocol.calls:
            await asyncio.sleep(0.01)
        assert "pause" in protocol.calls
        client.close()

    @pytest.mark.parity("V47")
    @pytest.mark.hardening("H84", "H85", "H86")
    @pytest.mark.parametrize(
        "framed",
        [
            b"Content-Length: %d\r\n\r\n%s" % (len(GET), GET),
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(GET), GET),
        ],
    )
    async def test_declined_with_a_body_is_one_request(self, loopback: Start, framed: bytes) -> None:
        server = await loopback(echo)
        client = await server.open()
        client.send(self.ASK + framed)
        assert await client.read_response() == (200, b"GET / " + GET)
        client.send(LAST)
        assert (await client.read_all()).count(b"HTTP/1.1 200") == 1
        client.close()
        assert server.requests == 2

    @pytest.mark.hardening("H86")
    async def test_upgrade_before_the_body_came(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            with pytest.raises(LocalProtocolError):
                exchange.upgrade(self.Next(), headers=())
            exchange.respond(400, None, (), b"")

        server = await loopback(service)
        assert (await server.ask(self.ASK + b"Content-Length: 5\r\n\r\n", half_close=True)).startswith(b"HTTP/1.1 400")


class TestFiles:
    @pytest.mark.parity("S39")
    @pytest.mark.parametrize("length", [True, False])
    async def test_sendfile(self, loopback: Start, tmp_path: Path, length: bool) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"0123456789" * 200_000)

        async def service(exchange: Exchange) -> None:
            with path.open("rb") as file:
                exchange.send_head(200, None, (), length=1_500_000 if length else None)
                await exchange.sendfile(file, 5, 1_500_000)
                await exchange.finish()

        server = await loopback(service)
        answer = await server.ask(LAST.replace(b"1.1", b"1.1" if length else b"1.0"))
        assert answer.partition(b"\r\n\r\n")[2] == (b"5678901234" * 150_000)

    async def test_chunked(self, loopback: Start, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"hello")

        async def service(exchange: Exchange) -> None:
            with path.open("rb") as file:
                exchange.send_head(200, None, (), length=None)
                await exchange.sendfile(file, 1, 3)
                await exchange.finish()

        server = await loopback(service)
        assert (await server.ask(LAST)).endswith(b"3\r\nell\r\n0\r\n\r\n")

    async def test_head_and_short_file(self, loopback: Start, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"hello")
        failures: list[str] = []

        async def service(exchange: Exchange) -> None:
            with path.open("rb") as file:
                exchange.send_head(200, None, (), length=9)
                try:
                    await exchange.sendfile(file, 0, 9)
                except LocalProtocolError as error:
                    failures.append(error.message)
                    exchange.reset()
                    return
                await exchange.finish()

        server = await loopback(service)
        assert b"Content-Length: 9" in await server.ask(LAST.replace(b"GET", b"HEAD"))
        client = await server.open()
        client.send(LAST)
        try:
            await client.read_all()
        except ConnectionResetError:
            pass
        client.close()
        assert len(failures) == 1


class TestTls:
    async def test_request_file_and_close(self, loopback: Start, tmp_path: Path) -> None:
        authority = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        path = tmp_path / "file"
        path.write_bytes(b"x" * 700_000)

        async def service(exchange: Exchange) -> None:
            assert exchange.connection.is_secure()
            if exchange.head.method == "GET":
                with path.open("rb") as file:
                    exchange.send_head(200, None, (), length=700_000)
                    await exchange.sendfile(file, 0, 700_000)
                    await exchange.finish()
            else:
                exchange.respond(413, None, (), b"too large")

        server = await loopback(service, ssl=context)
        for request, size in ((LAST, 700_000), (POST % 1_000_000, 9)):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", server.port, ssl=trust, server_hostname="localhost"
            )
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Connection: close" in head
            assert len(await reader.readexactly(size)) == size
            writer.close()
            await writer.wait_closed()
