"""The driver of accepted connections, over real sockets."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from http_support.loopback import GET, LAST, POST, Gate, echo

from levante.http import (
    Exchange,
    ExchangeTimeout,
    IncompleteMessage,
    Limits,
    PayloadAccessError,
    PeerDisconnected,
    RemoteProtocolError,
    ServerTimeouts,
)

Start = Callable[..., Any]


class TestPipelining:
    @pytest.mark.parity("S60")
    @pytest.mark.hardening("H79")
    @pytest.mark.parametrize("count", [20, 1000])
    async def test_all_in_order(self, loopback: Start, count: int) -> None:
        server = await loopback(echo)
        requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(count))
        answer = await server.ask(requests + LAST)
        assert answer.count(b"200 OK") == count + 1
        places = [answer.index(b"GET /%d " % i) for i in range(count)]
        assert places == sorted(places)

    async def test_slow_handlers(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            await asyncio.sleep(0)
            exchange.respond(200, None, (), exchange.head.target.encode())

        server = await loopback(service)
        answer = await server.ask(GET * 3 + POST % 2 + b"xx" + LAST)
        assert answer.count(b"200 OK") == 5

    @pytest.mark.parity("S60", "V38")
    async def test_unparsed_requests_are_bounded(self, loopback: Start) -> None:
        """Many requests behind a stuck handler: reading stops; all are answered later."""
        gate = Gate()
        count = 20_000

        async def service(exchange: Exchange) -> None:
            if exchange.head.target == "/stuck":
                await gate(exchange)
            else:
                exchange.respond(204, None, (), b"")

        server = await loopback(service, server_header="", limits=Limits(max_requests=0))
        client = await server.open()
        client.send(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
        await gate.entered.wait()
        client.send(b"GET /x HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n" % (b"x" * 700) * count)
        stuck = -1
        while client.writer.transport.get_write_buffer_size() != stuck:
            stuck = client.writer.transport.get_write_buffer_size()
            await asyncio.sleep(0.05)
        assert stuck > 1_000_000
        assert server.connection.buffered() < 65_536 + 512 * 1024
        gate.open.set()
        client.send(LAST)
        answer = await client.read_all()
        assert answer.count(b"HTTP/1.1 204") == count + 1
        client.close()

    @pytest.mark.hardening("H80")
    async def test_a_good_one_before_a_bad_one(self, loopback: Start) -> None:
        server = await loopback(echo)
        answer = await server.ask(GET + b"GET / HTTP/1.1\r\n\r\n")
        assert answer.index(b"200 OK") < answer.index(b"400 Bad Request")

    @pytest.mark.hardening("H80")
    async def test_a_slow_good_one_before_a_bad_one(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            await asyncio.sleep(0.01)
            await echo(exchange)

        server = await loopback(service)
        answer = await server.ask(GET + b"\0\r\n")
        assert answer.index(b"200 OK") < answer.index(b"400 Bad Request")

    @pytest.mark.hardening("H78")
    async def test_garbage_behind_the_last_one(self, loopback: Start) -> None:
        server = await loopback(echo)
        answer = await server.ask(LAST + b"\0garbage\r\n\r\n")
        assert answer.count(b"HTTP/1.1") == 1


class TestBadRequests:
    @pytest.mark.parity("S61")
    @pytest.mark.parametrize(
        ("data", "status", "text"),
        [
            (b"GET / HTTP/1.1\r\n\r\n", 400, b"Host"),
            (b"\x16\x03\x01\x02\x00\x01", 400, b"TLS"),
            (b"GET /" + b"a" * 9000, 414, b"max_line_size"),
            (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000, 431, b"max_field_size"),
            (b"GET / HTTP/2.0\r\n\r\n", 505, b"HTTP/2.0"),
            (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, b"gzip"),
        ],
    )
    async def test_the_service_answers(self, loopback: Start, data: bytes, status: int, text: bytes) -> None:
        server = await loopback(echo)
        answer = await server.ask(data)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b"\r\nConnection: close\r\n" in answer
        assert text in answer

    async def test_the_head_is_synthetic(self, loopback: Start) -> None:
        seen = []

        async def service(exchange: Exchange) -> None:
            seen.append((exchange.head.method, exchange.head.target, exchange.error, exchange.keep_alive))
            raise exchange.error or AssertionError

        server = await loopback(service)
        assert (await server.ask(b"\0\r\n")).startswith(b"HTTP/1.1 400 ")
        method, target, error, keep_alive = seen[0]
        assert (method, target, keep_alive) == ("UNKNOWN", "/", False)
        assert isinstance(error, RemoteProtocolError)

    async def test_the_answer_survives_what_the_peer_still_sends(self, loopback: Start) -> None:
        """Closing at once would reset the connection and destroy the answer."""
        server = await loopback(echo)
        client = await server.open()
        client.send(b"\0\r\n")
        client.send(b"x" * 30_000)
        assert b"400 Bad Request" in await client.read_all()
        client.close()

    async def test_half_a_head_then_the_end(self, loopback: Start) -> None:
        server = await loopback(echo)
        assert await server.ask(b"GET / HT", half_close=True) == b""
        assert server.requests == 0

    async def test_nothing_at_all(self, loopback: Start) -> None:
        server = await loopback(echo)
        assert await server.ask(b"", half_close=True) == b""


class TestBodies:
    @pytest.mark.hardening("H67")
    async def test_body_with_get(self, loopback: Start) -> None:
        server = await loopback(echo)
        answer = await server.ask(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + LAST)
        assert b"GET / hello" in answer
        assert b"GET /last" in answer

    async def test_body_with_the_head_is_there_at_once(self, loopback: Start) -> None:
        seen = []

        async def service(exchange: Exchange) -> None:
            seen.append(exchange.body.read_nowait())
            exchange.respond(200, None, (), b"")

        server = await loopback(service)
        await server.ask(LAST.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"))
        assert seen == [b"hello"]

    @pytest.mark.hardening("H82")
    async def test_unread_small_body_is_drained(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"early")

        server = await loopback(service)
        client = await server.open()
        client.send(POST % 10_000)
        assert (await client.read_response())[0] == 200
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".ljust(10_000, b"."))
        client.send(LAST)
        answer = await client.read_all()
        assert answer.count(b"200 OK") == 1
        client.close()
        assert server.requests == 2

    @pytest.mark.hardening("H82")
    @pytest.mark.parity("S59")
    async def test_unread_large_body_closes(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"early")

        server = await loopback(service)
        answer = await server.ask(POST % 1_000_000 + GET)
        assert answer.count(b"200 OK") == 1
        assert b"Connection: close" in answer

    @pytest.mark.hardening("H66")
    async def test_a_refusal_that_is_streamed_announces_the_close(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.send_head(413, None, (), length=5)
            await exchange.write(b"large")
            await exchange.finish()

        server = await loopback(service)
        answer = await server.ask(POST % 1_000_000)
        assert b"\r\nConnection: close\r\n" in answer

    async def test_an_answer_that_is_streamed_while_its_body_comes_keeps_the_connection(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=exchange.head.content_length)
            async for piece in exchange.body.iter_any():
                await exchange.write(piece)
            await exchange.finish()

        server = await loopback(service)
        client = await server.open()
        for _ in range(2):
            client.send(POST % 200_000 + b"x" * 200_000)
            assert await client.read_response() == (200, b"x" * 200_000)
        client.close()

    @pytest.mark.hardening("H82")
    async def test_unread_large_chunked_body_closes(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"early")

        server = await loopback(service)
        client = await server.open()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.read_response()
        client.send(b"fffff\r\n" + b"x" * 200_000)
        assert await client.read_all() == b""
        client.close()

    async def test_malformed_unread_body_closes(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"early")

        server = await loopback(service)
        client = await server.open()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.read_response()
        client.send(b"zz\r\n")
        assert await client.read_all() == b""
        client.close()

    @pytest.mark.parity("S59")
    async def test_body_is_out_of_reach_afterwards(self, loopback: Start) -> None:
        bodies = []

        async def service(exchange: Exchange) -> None:
            bodies.append(exchange.body)
            exchange.respond(200, None, (), b"")

        server = await loopback(service)
        client = await server.open()
        client.send(POST % 5)
        await client.read_response()
        with pytest.raises(PayloadAccessError):
            await bodies[0].read()
        client.close()

    @pytest.mark.hardening("H68", "H75")
    async def test_malformed_body(self, loopback: Start) -> None:
        server = await loopback(echo)
        for body in (b"5\r\nhelloXX", b"zz\r\n"):
            answer = await server.ask(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            assert answer.startswith(b"HTTP/1.1 400 ")

    async def test_malformed_body_that_comes_later(self, loopback: Start) -> None:
        server = await loopback(echo)
        client = await server.open()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n")
        await server.made.wait()
        await asyncio.sleep(0.01)
        client.send(b"helloXX")
        assert (await client.read_all()).startswith(b"HTTP/1.1 400 ")
        client.close()

    @pytest.mark.hardening("H76")
    async def test_body_cut_short(self, loopback: Start) -> None:
        seen = []

        async def service(exchange: Exchange) -> None:
            try:
                await exchange.body.read()
            except IncompleteMessage as error:
                seen.append(error)
                raise

        server = await loopback(service)
        answer = await server.ask(POST % 9 + b"hello", half_close=True)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert len(seen) == 1

    async def test_backpressure(self, loopback: Start) -> None:
        """A handler that does not read stops the peer; when it reads, all comes through."""
        gate = Gate()

        async def service(exchange: Exchange) -> None:
            gate.entered.set()
            await gate.open.wait()
            size = 0
            async for piece in exchange.body.iter_any():
                size += len(piece)
            exchange.respond(200, None, (), str(size).encode())

        server = await loopback(service)
        client = await server.open()
        client.send(POST % 20_000_000)
        client.send(b"x" * 20_000_000)
        await gate.entered.wait()
        left = -1
        while client.writer.transport.get_write_buffer_size() != left:
            left = client.writer.transport.get_write_buffer_size()
            await asyncio.sleep(0.05)
        assert left > 1_000_000
        gate.open.set()
        assert await client.read_response() == (200, b"20000000")
        client.close()


class TestDisconnects:
    @pytest.mark.parity("S57")
    @pytest.mark.hardening("X14")
    async def test_handler_goes_on_by_default(self, loopback: Start) -> None:
        gate = Gate()
        outcome: list[object] = []

        async def service(exchange: Exchange) -> None:
            gate.entered.set()
            await exchange.disconnected()
            outcome.append(exchange.is_disconnected())
            await exchange.connection.wait_closed()
            await exchange.disconnected()
            outcome.append(exchange.transport)
            for attempt in (
                lambda: exchange.respond(200, None, (), b""),
                lambda: exchange.send_head(200, None, (), length=0),
            ):
                with pytest.raises(PeerDisconnected):
                    attempt()
            with pytest.raises(PeerDisconnected):
                await exchange.drain()
            gate.cancelled.set()
            raise PeerDisconnected("as usual")

        server = await loopback(service)
        client = await server.open()
        client.send(GET)
        await gate.entered.wait()
        client.reset()
        await asyncio.wait_for(gate.cancelled.wait(), 5)
        assert outcome == [True, None]

    @pytest.mark.parity("S57")
    @pytest.mark.hardening("X14")
    @pytest.mark.parametrize("how", ["close", "abort"])
    async def test_cancellation_on_wish(self, loopback: Start, how: str) -> None:
        gate = Gate()
        server = await loopback(gate, cancel_on_disconnect=True)
        client = await server.open()
        client.send(GET)
        await gate.entered.wait()
        getattr(client.writer.transport, how)()
        await asyncio.wait_for(gate.cancelled.wait(), 5)

    async def test_waiting_for_more_body(self, loopback: Start) -> None:
        failed = asyncio.Event()

        async def service(exchange: Exchange) -> None:
            with pytest.raises((PeerDisconnected, IncompleteMessage)):
                await exchange.body.read()
            failed.set()

        server = await loopback(service)
        client = await server.open()
        client.send(POST % 9)
        await server.made.wait()
        client.writer.transport.abort()
        await asyncio.wait_for(failed.wait(), 5)

    async def test_waiting_to_write(self, loopback: Start) -> None:
        gate = Gate()
        failed = asyncio.Event()

        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=None)
            gate.entered.set()
            with pytest.raises(PeerDisconnected):
                while True:
                    await exchange.write(b"x" * 1_000_000)
            with pytest.raises(PeerDisconnected):
                await exchange.write(b"")
            failed.set()

        server = await loopback(service)
        client = await server.open()
        client.send(GET)
        await gate.entered.wait()
        client.writer.transport.abort()
        await asyncio.wait_for(failed.wait(), 5)

    async def test_half_close_still_gets_its_answer(self, loopback: Start) -> None:
        gate = Gate()
        server = await loopback(gate)
        client = await server.open()
        client.send(GET)
        client.writer.write_eof()
        await gate.entered.wait()
        assert gate.exchange is not None
        await gate.exchange.disconnected()
        assert gate.exchange.transport is not None
        gate.open.set()
        answer = await client.read_all()
        assert answer.endswith(b"through")
        client.close()


class TestTimeouts:
    async def test_silent_from_the_beginning(self, loopback: Start) -> None:
        server = await loopback(echo, timeouts=ServerTimeouts(head=0.05))
        assert await server.ask(b"") == b""
        assert server.requests == 0

    async def test_slow_head(self, loopback: Start) -> None:
        server = await loopback(echo, timeouts=ServerTimeouts(head=0.05))
        client = await server.open()
        client.send(GET)
        await client.read_response()
        client.send(b"GET / HT")
        assert (await client.read_all()).startswith(b"HTTP/1.1 408 Request Timeout")
        client.close()

    @pytest.mark.parity("S59")
    async def test_idle_connection(self, loopback: Start) -> None:
        server = await loopback(echo, timeouts=ServerTimeouts(head=5, keepalive=0.05))
        client = await server.open()
        client.send(GET)
        await client.read_response()
        assert await client.read_all() == b""
        client.close()

    async def test_deadline_moves_with_each_request(self, loopback: Start) -> None:
        server = await loopback(echo, timeouts=ServerTimeouts(keepalive=1.5))
        client = await server.open()
        for _ in range(4):  # together longer than the deadline, which leaves a busy machine a second each time
            client.send(GET)
            await client.read_response()
            await asyncio.sleep(0.5)
        client.close()
        assert server.requests == 4

    async def test_slow_body(self, loopback: Start) -> None:
        seen = []

        async def service(exchange: Exchange) -> None:
            try:
                await exchange.body.read()
            except ExchangeTimeout as error:
                seen.append(error.phase)
                raise

        server = await loopback(service, timeouts=ServerTimeouts(body_idle=0.05, lingering=0.05))
        answer = await server.ask(POST % 5 + b"he")
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout")
        assert seen == ["body"]

    async def test_no_body_after_100(self, loopback: Start) -> None:
        server = await loopback(echo, timeouts=ServerTimeouts(body_idle=0.05, lingering=0.05))
        answer = await server.ask((POST % 5).replace(b"Host", b"Expect: 100-continue\r\nHost"))
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 Request Timeout")

    async def test_stalled_reader(self, loopback: Start) -> None:
        gate = Gate()

        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=None)
            with pytest.raises(PeerDisconnected):
                while True:
                    await exchange.write(b"x" * 1_000_000)
            gate.cancelled.set()

        server = await loopback(service, timeouts=ServerTimeouts(write=0.1))
        client = await server.open()
        client.writer.transport.pause_reading()
        client.send(GET)
        await asyncio.wait_for(gate.cancelled.wait(), 5)
        client.close()

    async def test_stalled_reader_of_a_finished_response(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"x" * 20_000_000)

        server = await loopback(service, timeouts=ServerTimeouts(write=0.1))
        client = await server.open()
        client.writer.transport.pause_reading()
        client.send(LAST)
        await server.made.wait()
        await asyncio.wait_for(server.connection.wait_closed(), 5)
        client.close()

    async def test_lingering_ends(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"early")

        server = await loopback(service, timeouts=ServerTimeouts(lingering=0.05))
        client = await server.open()
        client.send(POST % 1000)
        await client.read_response()
        assert await client.read_all() == b""
        client.close()

    async def test_all_off(self, loopback: Start) -> None:
        server = await loopback(echo, timeouts=ServerTimeouts(None, None, None, None, None))
        assert b"200 OK" in await server.ask(POST % 1 + b"x" + LAST)
        assert b"400 Bad" in await server.ask(b"\0\r\n")


class TestClosing:
    @pytest.mark.parity("S56")
    async def test_drain(self, loopback: Start) -> None:
        gate = Gate()
        server = await loopback(gate)
        busy = await server.open()
        busy.send(GET)
        await gate.entered.wait()
        connection = server.connection
        connection.close_when_idle()
        assert not connection.is_idle()
        gate.open.set()
        answer = await busy.read_all()
        assert b"Connection: close" in answer
        assert answer.endswith(b"through")
        busy.close()

    @pytest.mark.parity("S56")
    async def test_idle_connections_close_at_once(self, loopback: Start) -> None:
        server = await loopback(echo)
        client = await server.open()
        client.send(GET)
        await client.read_response()
        connection = server.connection
        connection.close_when_idle()
        await asyncio.wait_for(connection.wait_closed(), 5)
        await connection.wait_closed()
        assert "closed" in repr(connection)
        assert await client.read_all() == b""
        client.close()

    async def test_a_request_on_its_way_is_served(self, loopback: Start) -> None:
        server = await loopback(echo)
        client = await server.open()
        client.send(GET + b"GET / HTTP/1.1\r\n")
        await client.read_response()
        server.connection.close_when_idle()
        client.send(b"Host: a\r\n\r\n")
        assert b"Connection: close" in await client.read_all()
        client.close()

    @pytest.mark.parity("S56")
    @pytest.mark.parametrize("first", ["the answer", "the drain"])
    async def test_lingering_is_short(self, loopback: Start, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
        """A peer that neither reads nor closes must not hold up the end of the process."""

        async def service(exchange: Exchange) -> None:
            if first == "the drain":
                server.connection.close_when_idle()
            exchange.respond(408, None, (), b"")

        server = await loopback(service, timeouts=ServerTimeouts(lingering=60))
        client = await server.open()
        client.send(POST % 1_000_000)
        await client.read_all()
        (connection,) = server.connections
        connection.close_when_idle()
        await asyncio.wait_for(connection.wait_closed(), 5)
        client.close()

    async def test_drain_after_the_head_was_sent(self, loopback: Start) -> None:
        gate = Gate()

        async def service(exchange: Exchange) -> None:
            exchange.send_head(200, None, (), length=2)
            await exchange.drain()
            gate.entered.set()
            await gate.open.wait()
            await exchange.write(b"ok")
            await exchange.finish()

        server = await loopback(service)
        client = await server.open()
        client.send(GET)
        await gate.entered.wait()
        server.connection.close_when_idle()
        gate.open.set()
        assert (await client.read_all()).endswith(b"\r\n\r\nok")
        client.close()
