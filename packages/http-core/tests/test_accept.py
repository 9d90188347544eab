"""The driver of accepted connections, over real sockets: what the peer sends."""

import asyncio
import os
import time
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
    RemoteProtocolError,
    ServerTimeouts,
)
from levante.http.limits import MAX_BACK_TO_BACK

Start = Callable[..., Any]


def _send_for(client: Any, request: bytes, seconds: float) -> int:
    """Send `request` again and again, past the event loop; how many bytes that were."""
    endpoint = client.writer.get_extra_info("socket")
    block = memoryview(request * 4000)
    sent = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            sent += os.write(endpoint.fileno(), block[sent % len(request) :])
        except BlockingIOError:
            time.sleep(0.001)
    return sent


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

    @pytest.mark.parity("S60", "V38")
    @pytest.mark.parametrize("reads", [True, False])
    async def test_unparsed_requests_are_bounded_behind_none(self, loopback: Start, reads: bool) -> None:
        """A peer that sends faster than we answer, or does not read the answers: reading stops as well."""
        request = b"GET / HTTP/1.1\r\nHost: a\r\nA: %s\r\n\r\n" % (b"x" * 200)
        body = b"" if reads else b"x" * 10_000

        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), body)

        server = await loopback(service, server_header="", limits=Limits(max_requests=0))
        client = await server.open()
        sending = asyncio.get_running_loop().run_in_executor(None, _send_for, client, request, 1.0)
        if not reads:
            client.writer.transport.pause_reading()
        most = 0
        while not sending.done():
            if reads:
                await client.reader.read(1 << 20)
            else:
                await asyncio.sleep(0.005)
            most = max(most, server.connection.buffered())
        assert await sending > 1_000_000
        assert most < 65_536 + 2 * 256 * 1024
        client.reset()

    async def test_the_loop_has_its_turn(self, loopback: Start) -> None:
        """However much has come meanwhile, no more than MAX_BACK_TO_BACK for each time that something came."""
        server = await loopback(echo)
        client = await server.open()
        client.send(GET)
        await client.read_response()
        connection = server.connection
        for _ in range(20):
            connection.data_received(GET * 100)
        before = server.requests
        assert before <= 1 + 20 * MAX_BACK_TO_BACK
        await asyncio.sleep(0)
        assert server.requests - before <= 2 * MAX_BACK_TO_BACK
        client.send(LAST)
        assert (await client.read_all()).count(b"200 OK") == 2001
        client.close()

    async def test_none_is_served_on_a_transport_that_closes(self, loopback: Start) -> None:
        async def service(exchange: Exchange) -> None:
            exchange.respond(200, None, (), b"")
            if exchange.transport is not None:
                exchange.transport.close()

        server = await loopback(service)
        client = await server.open()
        client.send(GET * 20)
        await client.read_all()
        assert server.requests == 1
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
    @pytest.mark.hardening("H91")
    @pytest.mark.parametrize(
        ("data", "status", "text"),
        [
            (b"GET / HTTP/1.1\r\n\r\n", 400, b"Host"),
            (b"\x16\x03\x01\x02\x00\x01", 400, b"TLS"),
            (b"GET /" + b"a" * 9000, 414, b"max_line_size"),
            (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000, 431, b"max_field_size"),
            (b"GET / HTTP/2.0\r\n\r\n", 505, b"HTTP/2.0"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, b"HTTP/2.0"),
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

    @pytest.mark.hardening("X10")
    @pytest.mark.parametrize("first", [b"", GET])
    async def test_drips_do_not_prolong_a_head(self, loopback: Start, first: bytes) -> None:
        server = await loopback(echo, timeouts=ServerTimeouts(head=0.3, lingering=0.05))
        client = await server.open()
        if first:
            client.send(first)
            await client.read_response()
        client.send(b"GET / HTTP/1.1\r\nX: ")
        answer = asyncio.ensure_future(client.read_all())
        async with asyncio.timeout(5):
            while not answer.done():
                client.send(b"a")
                await asyncio.wait((answer,), timeout=0.02)
        assert (await answer).startswith(b"HTTP/1.1 408 Request Timeout")
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

    async def test_all_off(self, loopback: Start) -> None:
        server = await loopback(echo, timeouts=ServerTimeouts(None, None, None, None, None))
        assert b"200 OK" in await server.ask(POST % 1 + b"x" + LAST)
        assert b"400 Bad" in await server.ask(b"\0\r\n")


@pytest.mark.parity("U15")
@pytest.mark.hardening("X10")
class TestBodyRate:
    """The least that a peer must deliver; body_idle never passes here."""

    TIMES = ServerTimeouts(min_body_rate=5000.0, body_grace=0.2, body_idle=1.0, lingering=0.05)

    async def drip(self, server: Any, head: bytes, piece: bytes) -> bytes:
        """Send `piece` fifty times a second until there is an answer."""
        client = await server.open()
        client.send(head)
        answer = asyncio.ensure_future(client.read_all())
        while not answer.done():
            client.send(piece)
            await asyncio.wait((answer,), timeout=0.02)
        client.close()
        return await answer

    async def test_drip(self, loopback: Start) -> None:
        server = await loopback(echo, timeouts=self.TIMES)
        assert (await self.drip(server, POST % 1_000_000, b"x")).startswith(b"HTTP/1.1 408 Request Timeout")

    async def test_drip_after_a_fast_beginning(self, loopback: Start) -> None:
        server = await loopback(echo, timeouts=self.TIMES)
        answer = await self.drip(server, POST % 1_000_000 + b"x" * 100_000, b"x")
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout")

    @pytest.mark.parametrize("piece", [b"1\r\nx\r\n", b"1;a\r\nx\r\n"])
    async def test_drip_of_chunks(self, loopback: Start, piece: bytes) -> None:
        server = await loopback(echo, timeouts=self.TIMES)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert (await self.drip(server, head, piece)).startswith(b"HTTP/1.1 408 Request Timeout")

    async def test_drip_of_what_is_no_body(self, loopback: Start) -> None:
        """Bytes of a chunk extension are no progress."""
        server = await loopback(echo, timeouts=self.TIMES)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;"
        assert (await self.drip(server, head, b"a")).startswith(b"HTTP/1.1 408 Request Timeout")

    async def test_silence_without_a_limit_on_silence(self, loopback: Start) -> None:
        times = ServerTimeouts(min_body_rate=5000.0, body_grace=0.1, body_idle=None, lingering=0.05)
        server = await loopback(echo, timeouts=times)
        assert (await server.ask(POST % 100)).startswith(b"HTTP/1.1 408 Request Timeout")

    async def test_fast_enough(self, loopback: Start) -> None:
        server = await loopback(echo, timeouts=self.TIMES)
        client = await server.open()
        client.send(POST % 10_000)
        for _ in range(20):
            client.send(b"x" * 500)
            await asyncio.sleep(0.02)
        assert (await client.read_response())[0] == 200
        client.close()

    async def test_our_own_slowness_is_not_the_peers(self, loopback: Start) -> None:
        entered = asyncio.Event()

        async def service(exchange: Exchange) -> None:
            entered.set()
            size = len(await exchange.body.read(1))
            await asyncio.sleep(1.0)
            async for piece in exchange.body.iter_any():
                size += len(piece)
            exchange.respond(200, None, (), str(size).encode())

        times = ServerTimeouts(min_body_rate=1_000_000.0, body_grace=0.2, body_idle=0.3)
        server = await loopback(service, timeouts=times, limits=Limits(read_bufsize=1000))
        client = await server.open()
        client.send(POST % 8_000_000)
        await entered.wait()  # the clock is running
        client.send(b"x" * 8_000_000)
        assert await client.read_response() == (200, b"8000000")
        client.close()

    async def test_off(self, loopback: Start) -> None:
        server = await loopback(echo, timeouts=ServerTimeouts(min_body_rate=None, body_grace=0.01))
        client = await server.open()
        client.send(POST % 5)
        for _ in range(5):
            client.send(b"x")
            await asyncio.sleep(0.02)
        assert (await client.read_response())[0] == 200
        client.close()
