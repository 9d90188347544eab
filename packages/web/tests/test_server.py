import asyncio
import gc
import logging
import weakref
from typing import Any

import pytest

from levante import web


@pytest.mark.parity("S58")
async def test_errors_become_statuses(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> Any:
        match request.path:
            case "/raise":
                exc = web.HTTPForbidden(headers={"X-A": "1"})
                exc.set_cookie("a", "1")
                raise exc
            case "/timeout":
                raise TimeoutError
            case "/none":
                return None
            case "/str":
                return "text"
            case "/returned":
                return web.HTTPFound("/")
        raise AssertionError

    served = await serve(handler)
    answer = await served.get("/raise")
    assert (answer.status, answer.headers["X-A"], answer.headers["Set-Cookie"]) == (403, "1", "a=1; Path=/")
    assert not caplog.records
    assert (await served.get("/timeout")).status == 504
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    for path, words in (("/none", "`return` missing"), ("/str", "expected a response"), ("/returned", "raise it")):
        caplog.clear()
        assert (await served.get(path)).status == 500
        assert words in caplog.text


@pytest.mark.parity("S58")
async def test_an_error_after_the_head_drops_the_connection(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        raise web.HTTPForbidden if request.path == "/http" else RuntimeError

    served = await serve(handler)
    for path in ("/http", "/other"):
        peer = await served.connect()
        await peer.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        data = b""
        try:
            while piece := await peer.reader.read(1000):
                data += piece
        except ConnectionResetError:
            pass
        assert b"0\r\n\r\n" not in data
        assert b"403" not in data


async def test_an_error_after_the_end_leaves_the_response_whole(serve: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.Response(text="whole")
        await response.prepare(request)
        await response.write_eof()
        raise RuntimeError

    assert (await (await serve(handler)).get("/")).text == "whole"


@pytest.mark.parity("S58")
@pytest.mark.hardening("X16")
async def test_a_handler_that_was_not_cancelled_is_answered_whatever_it_raises(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "levante.access")

    async def handler(request: web.Request) -> web.Response:
        if request.path == "/raise":
            raise asyncio.CancelledError
        task = asyncio.create_task(asyncio.sleep(1000))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task
        raise AssertionError

    served = await serve(handler, access_log=logging.getLogger("levante.access"))
    for path in ("/raise", "/await"):
        caplog.clear()
        assert (await served.get(path)).status == 500
        while len(caplog.records) < 2:
            await asyncio.sleep(0.01)
        error, line = caplog.records
        assert error.levelno == logging.ERROR
        assert error.getMessage().startswith(f"error handling <Request GET {path}>")
        assert f'"GET {path} HTTP/1.1" 500' in line.getMessage()


@pytest.mark.parity("S55")
async def test_a_server_without_an_application(serve: Any) -> None:
    kinds: list[type] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        kinds.append(type(request))
        if request.pre_handler_error is not None:
            return web.Response(status=request.pre_handler_error.status)
        return web.Response(text=request.path)

    server = web.Server(handler)
    served = await serve(server)
    assert served.server is server
    peer = await served.connect()
    assert (await peer.request("GET", "/a")).text == "/a"
    assert (await peer.request("GET", "/b")).text == "/b"
    assert server.requests_count == 2
    assert len(server.connections) == 1
    assert not server.draining
    await peer.send(b"nonsense\r\n\r\n")
    assert (await peer.answer()).status == 400
    assert kinds == [web.BaseRequest] * 3


@pytest.mark.parity("S53")
def test_unknown_arguments_raise() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        raise NotImplementedError

    with pytest.raises(TypeError, match="nonsense"):
        web.Server(handler, nonsense=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="nonsense"):
        web.AppRunner(web.Application(), nonsense=1)
    with pytest.raises(TypeError, match="nonsense"):
        web.AppRunner(web.Application(handler_args={"nonsense": 1}))


@pytest.mark.parity("S53", "S61")
async def test_limits_reach_the_parser(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    served = await serve(handler, max_line_size=100, max_field_size=100, max_headers=5, max_head_size=350)
    assert (await served.get("/" + "x" * 200)).status == 414
    assert (await served.get("/", X="x" * 200)).status == 431
    assert (await served.request("GET", "/", [(f"X-{n}", "1") for n in range(9)])).status == 431
    assert (await served.request("GET", "/", [(f"X-{n}", "1" * 90) for n in range(4)])).status == 431
    assert (await served.get("/")).status == 200


@pytest.mark.parity("S57")
async def test_a_handler_goes_on_without_its_client(serve: Any) -> None:
    started, finish, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        await finish.wait()
        done.set()
        return web.Response()

    served = await serve(handler)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(started.wait(), 5)
    peer.reset()
    while served.server.connections:
        await asyncio.sleep(0.01)
    finish.set()
    await asyncio.wait_for(done.wait(), 5)


@pytest.mark.parity("S57")
async def test_cancelling_a_handler_whose_client_is_gone(serve: Any) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    served = await serve(handler, handler_cancellation=True)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(started.wait(), 5)
    peer.reset()
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_slow_body_is_408(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        raise AssertionError

    served = await serve(handler, body_timeout=0.05)
    peer = await served.connect()
    await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
    assert (await peer.answer()).status == 408


@pytest.mark.parity("U15")
@pytest.mark.hardening("X10")
async def test_a_dripping_body_is_408(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        raise AssertionError

    served = await serve(handler, min_body_rate=5000.0, body_grace=0.1, body_timeout=5)
    peer = await served.connect()
    await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n")
    answer = asyncio.ensure_future(peer.answer())
    while not answer.done():
        await peer.send(b"x")
        await asyncio.wait((answer,), timeout=0.02)
    assert (await answer).status == 408


async def test_what_bounds_a_connection_reaches_it(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x")

    served = await serve(handler, max_connection_requests=2, min_write_rate=None)
    assert served.server._timeouts.min_write_rate is None
    peer = await served.connect()
    assert (await peer.request("GET", "/")).headers.get("Connection") is None
    assert (await peer.request("GET", "/")).headers.get("Connection") == "close"
    assert await peer.is_closed()


@pytest.mark.parity("S59")
async def test_keep_alive(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x")

    served = await serve(handler, keepalive_timeout=0.05)
    peer = await served.connect()
    await peer.request("GET", "/")
    await peer.request("GET", "/")
    assert await peer.is_closed()
    assert (await served.request("GET", "/", version="1.0")).headers.get("Connection") is None


@pytest.mark.parity("S59")
async def test_keep_alive_can_be_switched_off_and_left_without_end(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x")

    off = await (await serve(handler, keepalive_timeout=0)).connect()
    assert (await off.request("GET", "/")).headers.get("Connection") == "close"
    assert await off.is_closed()
    endless = await (await serve(handler, keepalive_timeout=None)).connect()
    for _ in range(2):
        assert (await endless.request("GET", "/")).headers.get("Connection") is None


@pytest.mark.parity("S60")
async def test_pipelining(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0)
        return web.Response(text=request.path)

    served = await serve(handler)
    peer = await served.connect()
    await peer.send(b"".join(f"GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for n in range(50)))
    assert [(await peer.answer()).text for _ in range(50)] == [f"/{n}" for n in range(50)]


async def test_requests_leave_nothing_behind(serve: Any) -> None:
    alive: weakref.WeakSet[web.Request] = weakref.WeakSet()

    async def handler(request: web.Request) -> web.Response:
        alive.add(request)
        if request.path == "/crash":
            raise web.HTTPForbidden
        return web.Response(text="x")

    served = await serve(handler)
    for path in ["/", "/crash"] * 20:
        await served.get(path)
    gc.collect()
    assert len(alive) < 5


async def test_going_away_is_only_a_debug_line(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "levante.server")
    entered, leave = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        entered.set()
        await leave.wait()
        if request.path == "/raise":
            raise web.HTTPForbidden
        if request.path == "/read":
            await request.read()
        return web.Response(text="nobody reads this")

    served = await serve(handler)
    for path in ("/", "/raise", "/read"):
        entered.clear()
        leave.clear()
        caplog.clear()
        peer = await served.connect()
        await peer.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n".encode())
        await asyncio.wait_for(entered.wait(), 5)
        peer.reset()
        while served.server.connections:
            await asyncio.sleep(0.01)
        leave.set()
        while not caplog.records:
            await asyncio.sleep(0.01)
        assert "went away" in caplog.text
        assert {record.levelno for record in caplog.records} == {logging.DEBUG}
