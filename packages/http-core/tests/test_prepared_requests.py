"""Requests whose head is prepared once and sent often, and the time that one whole exchange may take."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from levante.http import (
    Connection,
    DecodedStream,
    DialedConnection,
    ExchangeTimeout,
    HttpVersion10,
    IllegalCharacter,
    LocalProtocolError,
    PreparedRequest,
    ResponseHead,
    Role,
    StreamReader,
    body_decoder,
    prepare_request,
)
from levante.http.fieldnames import CONTENT_ENCODING, SET_COOKIE

HOST = [("Host", "a")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]
# Seconds: short enough for a test, long enough for a loaded machine to notice that it has not passed.
SHORT = 0.2


@pytest.mark.parametrize(
    ("method", "headers", "length"),
    [
        ("GET", HOST, 0),
        ("POST", HOST, 0),
        ("POST", HOST, 5),
        ("PUT", [*HOST, ("Content-Length", "5")], 5),
        ("PUT", [*HOST, ("Transfer-Encoding", "chunked")], 5),
        ("DELETE", [*HOST, ("Connection", "close")], 0),
    ],
)
def test_a_prepared_head_is_the_head_that_would_be_sent(
    method: str, headers: list[tuple[str, str]], length: int
) -> None:
    prepared = prepare_request(method, "/x", headers)
    for _ in range(2):
        plain, client = Connection(Role.CLIENT), Connection(Role.CLIENT)
        assert client.send_prepared(prepared, length) == plain.send_request(method, "/x", headers, length)
        assert client.keep_alive == plain.keep_alive
        assert client.send_data(b"x" * length) == plain.send_data(b"x" * length)
        assert client.end() == plain.end()


def test_a_body_of_another_length_changes_the_framing_only() -> None:
    prepared = prepare_request("POST", "/", HOST)
    heads = [Connection(Role.CLIENT).send_prepared(prepared, length) for length in (3, 12, 3)]
    assert heads == [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length for length in (3, 12, 3)]


def test_a_prepared_head_takes_another_target_and_more_fields() -> None:
    prepared = prepare_request("GET", "/x", [*HOST, ("A", "b")], HttpVersion10)
    other = prepared.with_target("/y?z").with_fields([("C", "\xe4"), ("D", "e")], len("Host: a\r\n"))
    for _ in range(2):
        sent = Connection(Role.CLIENT).send_prepared(other)
        assert sent == "GET /y?z HTTP/1.0\r\nHost: a\r\nC: \xe4\r\nD: e\r\nA: b\r\n\r\n".encode()
    assert Connection(Role.CLIENT).send_prepared(prepared) == b"GET /x HTTP/1.0\r\nHost: a\r\nA: b\r\n\r\n"
    assert repr(other) == "<PreparedRequest GET /y?z>"


def test_an_added_body_is_framed_behind_added_fields() -> None:
    prepared = prepare_request("POST", "/", HOST).with_fields([("A", "b")], len("Host: a\r\n"))
    assert Connection(Role.CLIENT).send_prepared(prepared, 3) == (
        b"POST / HTTP/1.1\r\nHost: a\r\nA: b\r\nContent-Length: 3\r\n\r\n"
    )


@pytest.mark.hardening("C60")
@pytest.mark.parametrize("target", ["", "/ ", "/\r\n", "/\x00", "/#", "/\xe4"])
def test_no_target_leaves_its_line(target: str) -> None:
    with pytest.raises(IllegalCharacter, match="illegal target"):
        prepare_request("GET", "/x", HOST).with_target(target)


@pytest.mark.hardening("C60")
@pytest.mark.parametrize(("name", "value"), [("A", "b\r\nC: d"), ("A", "\x00"), ("A b", "c"), ("", "c"), ("A:", "c")])
def test_no_added_field_leaves_its_line(name: str, value: str) -> None:
    with pytest.raises(IllegalCharacter):
        prepare_request("GET", "/x", HOST).with_fields([(name, value)], 0)


@pytest.mark.hardening("C60")
@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "Connection", "Upgrade", "Expect", "TRANSFER-ENCODING"]
)
def test_what_frames_or_routes_is_not_added(name: str) -> None:
    value = "chunked" if name.lower() == "transfer-encoding" else "1"
    with pytest.raises(LocalProtocolError, match="cannot be added"):
        prepare_request("POST", "/x", HOST).with_fields([("A", "b"), (name, value)], 0)


def test_a_prepared_head_for_a_switch_of_protocols_is_noted() -> None:
    prepared = prepare_request("GET", "/", [*HOST, ("Connection", "Upgrade"), ("Upgrade", "x")])
    client = Connection(Role.CLIENT)
    client.send_prepared(prepared)
    client.end()
    client.receive_data(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    client.next_event()
    assert client.is_switched()


def test_what_cannot_be_sent_cannot_be_prepared() -> None:
    with pytest.raises(IllegalCharacter):
        prepare_request("GET", "/ x", HOST)
    with pytest.raises(IllegalCharacter):
        prepare_request("GET", "/", [*HOST, ("X", "a\r\nb")])
    with pytest.raises(LocalProtocolError, match="Host"):
        prepare_request("GET", "/", ())


def test_what_cannot_be_sent_with_this_length_is_refused_when_sent() -> None:
    client = Connection(Role.CLIENT)
    with pytest.raises(LocalProtocolError, match="Content-Length 5 for a body of 4"):
        client.send_prepared(prepare_request("PUT", "/", [*HOST, ("Content-Length", "5")]), 4)
    plain = prepare_request("PUT", "/", [*HOST, ("Expect", "100-continue")], HttpVersion10)
    with pytest.raises(LocalProtocolError, match="Expect"):
        Connection(Role.CLIENT).send_prepared(plain, 4)


def test_nothing_is_sent_prepared_out_of_turn() -> None:
    client = Connection(Role.CLIENT)
    prepared = prepare_request("GET", "/", HOST)
    client.send_prepared(prepared)
    with pytest.raises(LocalProtocolError, match="BODY"):
        client.send_prepared(prepared)


def test_a_prepared_request_says_what_it_is() -> None:
    prepared = prepare_request("GET", "/x", HOST)
    assert isinstance(prepared, PreparedRequest)
    assert repr(prepared) == "<PreparedRequest GET /x>"


@pytest.fixture
async def dial() -> AsyncIterator[Callable[[Play], Any]]:
    """Dials a server that plays what a test says."""
    endings: list[Any] = []

    async def start(play: Play) -> DialedConnection:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await play(reader, writer)
            except ConnectionError:
                pass  # the client has left
            finally:
                writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        factory: Any = DialedConnection
        _, connection = await asyncio.get_running_loop().create_connection(factory, "127.0.0.1", port)
        endings.append((connection, server))
        return connection

    yield start
    for connection, server in endings:
        connection.abort()
        await connection.wait_closed()
        server.close()


async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(OK)


async def say_the_half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await reader.read()


async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def test_ask_sends_all_and_can_be_asked_again(dial: Callable[[Play], Any]) -> None:
    connection = await dial(answer_all)
    prepared = prepare_request("GET", "/", HOST)
    for _ in range(3):
        exchange = connection.ask(prepared, total_timeout=60.0, read_timeout=60.0)
        waiter = exchange.answer()
        assert waiter is not None
        await waiter
        assert exchange.answer() is None
        assert exchange.final_head().status == 200
        assert await exchange.body.read() == b"ok"
        assert connection.is_reusable()


async def test_only_one_waits_for_an_answer(dial: Callable[[Play], Any]) -> None:
    exchange = (await dial(say_nothing)).ask(prepare_request("GET", "/", HOST))
    waiter = exchange.answer()
    with pytest.raises(RuntimeError, match="only one may"):
        exchange.answer()
    waiter.cancel()
    assert exchange.answer() is not None


async def test_no_answer_within_the_whole_time(dial: Callable[[Play], Any]) -> None:
    exchange = (await dial(say_nothing)).ask(prepare_request("GET", "/", HOST), total_timeout=SHORT)
    with pytest.raises(ExchangeTimeout) as caught:
        await exchange.response()
    assert caught.value.phase == "total"
    assert exchange.connection.is_closing()


async def test_half_an_answer_within_the_whole_time(dial: Callable[[Play], Any]) -> None:
    exchange = (await dial(say_the_half)).ask(prepare_request("GET", "/", HOST), total_timeout=SHORT, read_timeout=60.0)
    await exchange.response()
    with pytest.raises(ExchangeTimeout) as caught:
        await exchange.body.read()
    assert caught.value.phase == "total"


async def test_the_whole_time_counts_while_nobody_reads(dial: Callable[[Play], Any]) -> None:
    connection = await dial(say_the_half)
    exchange = connection.ask(prepare_request("GET", "/", HOST), total_timeout=SHORT, read_timeout=60.0)
    await exchange.response()
    connection.pause_reading()
    over = asyncio.Event()
    exchange.on_done(lambda _: over.set())
    await asyncio.wait_for(over.wait(), 10)
    assert isinstance(exchange.error, ExchangeTimeout)
    assert exchange.error.phase == "total"


async def test_silence_is_told_from_the_whole_time(dial: Callable[[Play], Any]) -> None:
    exchange = (await dial(say_the_half)).ask(prepare_request("GET", "/", HOST), total_timeout=60.0, read_timeout=SHORT)
    await exchange.response()
    with pytest.raises(ExchangeTimeout) as caught:
        await exchange.body.read()
    assert caught.value.phase == "read"


async def test_the_whole_time_can_be_set_later_and_ends_with_the_exchange(dial: Callable[[Play], Any]) -> None:
    connection = await dial(answer_all)
    exchange = connection.ask(prepare_request("GET", "/", HOST))
    exchange.expire_in(SHORT)
    await exchange.response()
    loop = asyncio.get_running_loop()
    later = loop.time() + 2 * SHORT
    passed = loop.create_future()
    loop.call_at(later, passed.set_result, None)
    await passed
    assert exchange.error is None
    assert connection.is_reusable()


async def test_the_whole_time_can_be_taken_back(dial: Callable[[Play], Any]) -> None:
    exchange = (await dial(say_the_half)).ask(prepare_request("GET", "/", HOST), total_timeout=SHORT)
    await exchange.response()
    exchange.expire_in(None)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(exchange.body.read(), 2 * SHORT)
    assert exchange.error is None


async def test_the_rest_of_a_body_is_there_or_not() -> None:
    body = StreamReader(None, 100)
    body.feed_data(b"some")
    assert body.rest() is None
    body.feed_data(b"thing")
    body.feed_eof()
    assert await body.read(2) == b"so"
    assert body.rest() == b"mething"
    assert body.rest() == b""
    assert body.at_eof()


async def test_the_rest_of_a_broken_body_is_its_error() -> None:
    body = StreamReader(None, 100)
    body.feed_data(b"some")
    body.feed_eof()
    body.set_exception(ExchangeTimeout("read"))
    with pytest.raises(ExchangeTimeout):
        body.rest()


async def test_what_must_be_decoded_is_not_there() -> None:
    body = StreamReader(None, 100)
    body.feed_data(gzip.compress(b"text"))
    body.feed_eof()
    decoded = DecodedStream(body, body_decoder("gzip"), limit=100)
    assert decoded.rest() is None
    assert await decoded.read() == b"text"


def test_a_head_knows_what_is_asked_of_every_head() -> None:
    wire = b"HTTP/1.1 200 OK\r\nSET-cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Encoding: gzip\r\n\r\n"
    client = Connection(Role.CLIENT)
    client.send_request("GET", "/", HOST)
    client.end()
    client.receive_data(wire)
    for head in (
        client.next_event(),
        ResponseHead.build(200, "OK", [("set-cookie", "a=b"), ("content-encoding", "br")]),
    ):
        assert isinstance(head, ResponseHead)
        assert head.seen & SET_COOKIE
        assert head.seen & CONTENT_ENCODING
    assert not ResponseHead.build(200, "OK", [("Set-Cookies", "a=b")]).seen
