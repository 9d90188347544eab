import asyncio
import gc
import json
import socket
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from levante import web
from levante.http.errors import PeerDisconnected
from levante.web.sse import EventSourceResponse, sse_response

PATIENCE = 5.0

Body = Callable[[EventSourceResponse], Awaitable[None]]


async def piece(peer: Any) -> bytes:
    """The next chunk of a body; empty at its end."""
    async with asyncio.timeout(PATIENCE):
        size = int(await peer.reader.readline(), 16)
        data: bytes = await peer.reader.readexactly(size)
        await peer.reader.readexactly(2)
        return data


class Stream:
    """A stream of events that a peer reads, and the end of its handler."""

    def __init__(self, served: Any, peer: Any, answer: Any, ended: "asyncio.Future[str]") -> None:
        self.served, self.peer, self.answer = served, peer, answer
        self._ended = ended

    async def how_it_ended(self) -> str:
        return await asyncio.wait_for(self._ended, PATIENCE)


@pytest.fixture
def stream(serve: Any) -> Any:
    """`await stream(body, headers, **options)`: open one whose block is `body(response)`."""

    async def start(body: Body, headers: Any = (), method: str = "GET", server: Any = None, **options: Any) -> Stream:
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def handler(request: web.Request) -> web.StreamResponse:
            how = "raised"
            try:
                async with sse_response(request, **options) as response:
                    how = "interrupted"
                    await body(response)
                    how = "done"
                return response
            except BaseException:
                how = "raised"
                raise
            finally:
                if not ended.done():
                    ended.set_result(how)

        app = web.Application()
        app.router.add_route("*", "/", handler)
        served = await serve(app, **(server or {}))
        peer = await served.connect()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        await peer.send(f"{method} / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        return Stream(served, peer, await peer.head(), ended)

    return start


async def forever(_: EventSourceResponse) -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parity("L15")
async def test_events(stream: Any) -> None:
    async def body(response: EventSourceResponse) -> None:
        await response.send("one")
        await response.send("two\nlines\r\nand\rmore", id="5", event="news", retry=100)
        await response.send("")
        await response.send("a\u2028b")
        await response.send_json({"a": 1}, event="data")
        await response.send_json([1], dumps=lambda data: json.dumps(data).encode())
        await response.send_comment("a\nb")

    opened = await stream(body, sep="\n")
    assert opened.answer.status == 200
    assert opened.answer.headers["Content-Type"] == "text/event-stream"
    assert opened.answer.headers["Cache-Control"] == "no-cache"
    assert opened.answer.headers["X-Accel-Buffering"] == "no"
    assert await piece(opened.peer) == b"data: one\n\n"
    news = b"id: 5\nevent: news\ndata: two\ndata: lines\ndata: and\ndata: more\nretry: 100\n\n"
    assert await piece(opened.peer) == news
    assert await piece(opened.peer) == b"data: \n\n"
    assert await piece(opened.peer) == "data: a\u2028b\n\n".encode()
    assert await piece(opened.peer) == b'event: data\ndata: {"a": 1}\n\n'
    assert await piece(opened.peer) == b"data: [1]\n\n"
    assert await piece(opened.peer) == b": a\n: b\n\n"
    assert await piece(opened.peer) == b""
    assert await opened.how_it_ended() == "done"
    assert (await opened.peer.request("HEAD", "/")).status == 200  # the connection is kept


@pytest.mark.parity("L15")
@pytest.mark.parametrize("sep", ["\r\n", "\r", "\n"])
async def test_the_head_and_events_leave_at_once(stream: Any, sep: str) -> None:
    go = asyncio.Event()

    async def body(response: EventSourceResponse) -> None:
        await go.wait()
        await response.send("x", id="1")
        await forever(response)

    opened = await stream(body, sep=sep)
    assert opened.answer.status == 200
    go.set()
    assert (await piece(opened.peer)).decode() == f"id: 1{sep}data: x{sep}{sep}"


@pytest.mark.parity("L15")
async def test_headers_of_ones_own(stream: Any) -> None:
    opened = await stream(forever)
    assert opened.answer.headers["Cache-Control"] == "no-cache"
    response = EventSourceResponse(headers={"Cache-Control": "no-store", "Content-Type": "text/plain"})
    assert response.headers["Cache-Control"] == "no-store"
    assert response.content_type == "text/event-stream"


@pytest.mark.parity("L15")
async def test_pings(stream: Any) -> None:
    opened = await stream(forever, ping_interval=0.01)
    assert await piece(opened.peer) == b": ping\r\n\r\n"
    assert await piece(opened.peer) == b": ping\r\n\r\n"


@pytest.mark.parity("L15")
async def test_no_pings(stream: Any) -> None:
    go = asyncio.Event()

    async def body(response: EventSourceResponse) -> None:
        assert response.ping_interval is None
        await go.wait()
        await response.send("x")

    opened = await stream(body, ping_interval=None)
    go.set()
    assert await piece(opened.peer) == b"data: x\r\n\r\n"


@pytest.mark.parity("L15")
@pytest.mark.parametrize(("value", "error"), [("1", TypeError), (True, TypeError), (0, ValueError), (-1, ValueError)])
def test_ping_intervals(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="ping_interval"):
        EventSourceResponse(ping_interval=value)


@pytest.mark.parity("L15")
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"id": "a\nb"}, ValueError),
        ({"id": "a\rb"}, ValueError),
        ({"id": "a\0b"}, ValueError),
        ({"event": "a\nb"}, ValueError),
        ({"event": "a\rb"}, ValueError),
        ({"retry": "5"}, TypeError),
        ({"retry": True}, TypeError),
        ({"retry": -1}, ValueError),
    ],
)
async def test_what_cannot_be_sent(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        await EventSourceResponse().send("x", **options)


@pytest.mark.parity("L15")
async def test_before_it_is_open() -> None:
    response = EventSourceResponse()
    assert not response.is_connected()
    response.stop_streaming()
    response.interrupt()
    with pytest.raises(RuntimeError, match="not open"):
        await response.send("x")
    with pytest.raises(RuntimeError, match="not open"):
        await response.wait()
    with pytest.raises(RuntimeError, match="not open"):
        _ = response.last_event_id
    with pytest.raises(RuntimeError, match="not open"):
        async with response:
            pass
    with pytest.raises(RuntimeError, match="before prepare"):
        await response.write_eof()
    with pytest.raises(ValueError, match="sep is"):
        EventSourceResponse(sep="\n\n")


@pytest.mark.parity("L15")
async def test_the_last_event_id(stream: Any) -> None:
    async def body(response: EventSourceResponse) -> None:
        await response.send(repr(response.last_event_id))

    opened = await stream(body, [("Last-Event-ID", "7")])
    assert await piece(opened.peer) == b"data: '7'\r\n\r\n"
    opened = await stream(body)
    assert await piece(opened.peer) == b"data: None\r\n\r\n"


@pytest.mark.parity("L15")
async def test_methods(stream: Any) -> None:
    opened = await stream(forever, method="POST")
    assert (opened.answer.status, opened.answer.headers["Allow"]) == (405, "GET,HEAD")
    opened = await stream(forever, method="POST", allow_all_methods=True)
    assert opened.answer.status == 200
    opened = await stream(forever, method="HEAD")
    assert opened.answer.headers["Content-Type"] == "text/event-stream"
    assert (await opened.peer.request("HEAD", "/")).status == 200


# The end.


@pytest.mark.parity("L15")
@pytest.mark.parametrize("way", ["close", "reset"])
async def test_a_client_that_goes_away_interrupts_the_block(stream: Any, way: str) -> None:
    opened = await stream(forever)
    if way == "close":
        await opened.peer.close()
    else:
        opened.peer.reset()
    assert await opened.how_it_ended() == "interrupted"


@pytest.mark.parity("L15")
async def test_the_end_is_not_an_error(stream: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def body(response: EventSourceResponse) -> None:
        while True:
            await response.send("x" * 1000)

    opened = await stream(body)
    await piece(opened.peer)
    opened.peer.reset()
    assert await opened.how_it_ended() == "interrupted"
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


@pytest.mark.parity("L15")
async def test_an_error_in_the_block_is_one(stream: Any) -> None:
    async def body(response: EventSourceResponse) -> None:
        await response.send("x")
        raise KeyError("broken")

    opened = await stream(body)
    assert await piece(opened.peer) == b"data: x\r\n\r\n"
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError, ValueError)):
        await piece(opened.peer)
    assert await opened.how_it_ended() == "raised"


@pytest.mark.parity("L15")
async def test_a_cancellation_of_somebody_else_stays_one(serve: Any) -> None:
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(0.01):
                async with sse_response(request) as response:
                    await forever(response)
        except TimeoutError:
            ended.set_result(response.is_connected())
            return response
        raise AssertionError("the time was not over")

    served = await serve(handler)
    peer = await served.connect()
    assert (await peer.request("GET", "/")).status == 200
    assert await ended is True


@pytest.mark.parity("L15", "S56")
async def test_shutdown_ends_streams_cleanly(stream: Any) -> None:
    opened = await stream(forever, server={"shutdown_timeout": 60.0})
    async with asyncio.timeout(PATIENCE):
        await opened.served.runner.cleanup()
    assert await opened.how_it_ended() == "interrupted"
    assert await piece(opened.peer) == b""
    assert await opened.peer.is_closed()


@pytest.mark.parity("L15", "U10")
async def test_a_server_that_retires_sends_clients_to_the_next(stream: Any) -> None:
    opened = await stream(forever)
    retiring = asyncio.create_task(opened.served.server.retire(60))
    assert await piece(opened.peer) == b""
    assert await opened.how_it_ended() == "interrupted"
    again = await opened.peer.request("GET", "/")
    assert (again.status, again.headers["Connection"], again.body) == (200, "close", b"")
    await asyncio.wait_for(retiring, PATIENCE)


@pytest.mark.parity("L15", "S56")
async def test_a_stream_that_ends_by_itself_may_do_so_at_shutdown(stream: Any) -> None:
    go = asyncio.Event()

    async def body(response: EventSourceResponse) -> None:
        await go.wait()
        await response.send("the rest")

    opened = await stream(body, end_at_shutdown=False, server={"shutdown_timeout": 60.0})
    cleanup = asyncio.create_task(opened.served.runner.cleanup())
    async with asyncio.timeout(PATIENCE):
        while not opened.served.server.draining:
            await asyncio.sleep(0)
        go.set()
        await cleanup
    assert await piece(opened.peer) == b"data: the rest\r\n\r\n"
    assert await piece(opened.peer) == b""
    assert await opened.how_it_ended() == "done"


@pytest.mark.parity("L15", "S56")
async def test_a_stream_that_begins_during_the_shutdown(serve: Any) -> None:
    go, waiting = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        waiting.set()
        await go.wait()
        async with sse_response(request) as response:
            await forever(response)
        return response

    served = await serve(handler, shutdown_timeout=60.0)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await waiting.wait()
    served.server.pre_shutdown()
    go.set()
    answer = await peer.answer()
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parity("L15")
async def test_without_a_block(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    ended: asyncio.Future[EventSourceResponse] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = await sse_response(request)
        assert response.is_connected()
        await response.send("x")
        await response.wait()
        assert not response.is_connected()
        with pytest.raises(PeerDisconnected, match="has ended"):
            await response.send("late")
        ended.set_result(response)
        await response.send("late")
        return response

    served = await serve(handler)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await peer.head()
    await piece(peer)
    served.server.end_streams()
    assert await piece(peer) == b""
    await asyncio.wait_for(ended, PATIENCE)
    await peer.close()
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


@pytest.mark.parity("L15")
async def test_stop_streaming_does_not_interrupt(stream: Any) -> None:
    async def body(response: EventSourceResponse) -> None:
        response.stop_streaming()
        response.stop_streaming()
        await response.wait()

    opened = await stream(body)
    assert await piece(opened.peer) == b""
    assert await opened.how_it_ended() == "done"


@pytest.mark.parity("L15")
async def test_a_client_that_takes_nothing_is_dropped(stream: Any) -> None:
    async def body(response: EventSourceResponse) -> None:
        while True:
            await response.send("x" * 100_000)

    opened = await stream(body, send_timeout=0.2, server={"write_timeout": None, "min_write_rate": None})
    assert await opened.how_it_ended() == "interrupted"


@pytest.mark.parity("L15")
@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="a Linux option")
async def test_the_kernel_gives_up_dead_clients(stream: Any) -> None:
    seen: list[int] = []

    async def body(response: EventSourceResponse) -> None:
        assert response._request is not None
        sock = response._request.get_extra_info("socket")
        seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))

    opened = await stream(body, send_timeout=7)
    assert await piece(opened.peer) == b""
    assert seen == [7000]


@pytest.mark.parity("L15")
@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="a Linux option")
@pytest.mark.parametrize("send_timeout", [7, None])
async def test_what_the_kernel_was_told_before_holds_again(serve: Any, send_timeout: float | None) -> None:
    seen: list[int] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        sock = request.get_extra_info("socket")
        if request.path == "/first":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 9000)
            async with sse_response(request, send_timeout=send_timeout) as response:
                seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
            return response
        seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        return web.Response()

    app = web.Application()
    app.router.add_get("/{name}", handler)
    peer = await (await serve(app)).connect()
    for path in ("/first", "/second"):
        await peer.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert (await peer.answer()).status == 200
    assert seen == [7000 if send_timeout else 9000, 9000]


# Beside other things.


@pytest.mark.parity("L15")
async def test_a_stream_leaves_its_place(stream: Any) -> None:
    opened = await stream(forever, server={"max_in_flight": 1, "max_queued": 0})
    assert opened.served.server.slots.running == 0
    second = await opened.served.connect()
    await second.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await second.head()).status == 200


@pytest.mark.parity("L15")
async def test_compressed_events_leave_at_once(serve: Any) -> None:
    go = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = EventSourceResponse()
        response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(request)
        async with response:
            await response.send("one")
            await go.wait()
            await response.send("two")
        return response

    served = await serve(handler)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
    assert (await peer.head()).headers["Content-Encoding"] == "gzip"
    decoder = zlib.decompressobj(31)
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        text += decoder.decompress(await piece(peer))
    assert text == b"data: one\r\n\r\n"
    go.set()
    while not text.endswith(b"two\r\n\r\n"):
        text += decoder.decompress(await piece(peer))


@pytest.mark.parity("L15")
async def test_a_class_of_ones_own(serve: Any) -> None:
    class Counting(EventSourceResponse):
        async def count(self, number: int) -> None:
            await self.send(str(number), id=str(number))

    async def handler(request: web.Request) -> web.StreamResponse:
        async with sse_response(request, response_cls=Counting, sep="\n") as response:
            await response.count(5)
        return response

    assert (await (await serve(handler)).get("/")).body == b"id: 5\ndata: 5\n\n"
    with pytest.raises(TypeError, match="subclass of EventSourceResponse"):
        sse_response(None, response_cls=web.StreamResponse)  # type: ignore[arg-type, type-var]


@pytest.mark.parity("L15")
async def test_old_clients(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with sse_response(request) as response:
            await response.send("x")
        return response

    answer = await (await serve(handler)).request("GET", "/", version="1.0")
    assert answer.body == b"data: x\r\n\r\n"


async def test_a_block_that_fails_leaves_no_failing_task(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    streams: list[EventSourceResponse] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        async with sse_response(request) as stream:
            streams.append(stream)
            await stream.send("begun")
            raise web.HTTPBadRequest

    served = await serve(handler)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await peer.reader.read()
    await streams.pop().wait()
    await served.close()
    gc.collect()  # a task that failed unseen is told when it goes
    assert caplog.records == []
