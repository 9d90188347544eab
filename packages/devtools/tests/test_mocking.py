"""Requests without a peer: what they show, and what they keep of the answer."""

import asyncio
import io
import zlib
from unittest import mock

import pytest

from levante.devtools import make_mocked_coro, make_mocked_request
from levante.http import HttpVersion10, StreamReader
from levante.web import AppKey, Application, HTTPRequestEntityTooLarge, Response, StreamResponse


@pytest.mark.parity("W14")
def test_request_shows_what_was_given_without_a_loop() -> None:
    app, key = Application(), AppKey("thing", str)
    app[key] = "held"
    request = make_mocked_request(
        "PUT", "/items/3?a=1", {"X-Seen": "yes"}, match_info={"id": "3"}, app=app, version=HttpVersion10, closing=True
    )
    assert (request.method, request.path, request.query["a"]) == ("PUT", "/items/3", "1")
    assert request.headers["X-Seen"] == "yes"
    assert request.match_info["id"] == "3"
    assert request.app[key] == "held"
    assert request.version == HttpVersion10
    assert not request.keep_alive
    assert request.remote == "127.0.0.1"
    assert request.scheme == "http"
    assert make_mocked_request("GET", "/", [("A", "1"), ("A", "2")], sslcontext=object()).scheme == "https"


@pytest.mark.parity("W14")
async def test_answer_is_kept_and_signals_are_sent() -> None:
    app, seen = Application(), []

    async def note(request, response) -> None:
        seen.append(response)

    app.on_response_prepare.append(note)
    request = make_mocked_request("GET", "/", app=app)
    response = Response(text="hello", headers={"X": "1"})
    await response.deliver(request)
    assert seen == [response]
    assert (request.exchange.status, request.exchange.sent, request.exchange.finished) == (200, b"hello", True)
    assert ("Content-Length", "5") in request.exchange.headers
    assert response.body_length == 5


async def test_short_way_of_a_plain_response_is_kept_too() -> None:
    request = make_mocked_request("GET", "/")
    await Response(body=b"x").deliver(request)
    assert (request.exchange.status, request.exchange.sent) == (200, b"x")


async def test_stream_is_kept() -> None:
    request = make_mocked_request("GET", "/")
    stream = StreamResponse()
    await stream.prepare(request)
    await stream.write(b"one")
    await stream.drain()
    await request.exchange.sendfile(io.BytesIO(b"0two"), 1, 3)
    await stream.write_eof()
    assert request.exchange.sent == b"onetwo"
    assert request.exchange.trailers is None
    assert request.exchange.task is asyncio.current_task()


async def test_peer_can_go() -> None:
    exchange = make_mocked_request("GET", "/").exchange
    exchange.send_continue()
    assert exchange.informational == [100]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(exchange.disconnected(), 0.01)
    exchange.reset()
    assert exchange.is_disconnected()
    await exchange.disconnected()


async def test_handler_of_the_mock_is_not_to_be_called() -> None:
    request = make_mocked_request("GET", "/")
    with pytest.raises(RuntimeError, match="call your handler with it"):
        await request.match_info.handler(request)


@pytest.mark.parity("W14")
async def test_the_payload_is_read_without_a_header_that_announces_it() -> None:
    def body(data: bytes) -> StreamReader:
        stream = StreamReader(None, 2**16)
        stream.feed_data(data)
        stream.feed_eof()
        return stream

    request = make_mocked_request("POST", "/", payload=body(b"data"))
    assert request.body_exists
    assert "Transfer-Encoding" not in request.headers
    assert await request.read() == b"data"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await make_mocked_request("POST", "/", form, payload=body(b"a=1")).post())["a"] == "1"
    coded = make_mocked_request("POST", "/", {"Content-Encoding": "deflate"}, payload=body(zlib.compress(b"data")))
    assert await coded.read() == b"data"
    with pytest.raises(HTTPRequestEntityTooLarge):
        await make_mocked_request("POST", "/", payload=body(b"data"), client_max_size=3).read()


@pytest.mark.parity("W14", "S19")
def test_the_transport_is_asked() -> None:
    transport = mock.Mock()
    transport.get_extra_info.side_effect = {"peername": ("10.0.0.1", 5), "sockname": ("::1", 80, 0, 0)}.get
    protocol = mock.Mock(transport=transport)
    for given in ({"transport": transport}, {"protocol": protocol}):
        request = make_mocked_request("GET", "/", **given)
        assert (request.remote, request.host, str(request.url)) == ("10.0.0.1", "[::1]", "http://[::1]/")
        assert request.transport is transport
        assert request.get_extra_info("nothing", 5) == 5
    assert request.protocol is protocol
    assert make_mocked_request("GET", "/", None).transport.is_closing() is False


@pytest.mark.parity("W14", "S19")
def test_what_aiohttps_requests_take() -> None:
    writer = mock.Mock()
    request = make_mocked_request("get", "/ñ?a=%2B&b=ñ", writer=writer, loop=None)
    assert request.method == "GET"
    assert request.writer is writer
    assert (request.path, request.raw_path, request.query["a"]) == ("/ñ", "/%C3%B1?a=%2B&b=%C3%B1", "+")


@pytest.mark.parity("W14")
async def test_a_coroutine_that_keeps_its_calls() -> None:
    returning, raising = make_mocked_coro("value"), make_mocked_coro(raise_exception=KeyError("x"))
    assert await returning(1, a=2) == "value"
    returning.assert_called_once_with(1, a=2)
    with pytest.raises(KeyError):
        await raising()
