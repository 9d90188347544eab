"""Code of the application that raises, wherever it stands: X16. Each is told once, costs its own request, and nobody
else notices."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from levante import web
from levante.web import background
from levante.web.middlewares import handler_timeout, problem_details

SECRET = "on purpose"
NEIGHBOURS = 3


class OnPurposeError(Exception):
    """What the application raises here."""

    def __init__(self) -> None:
        super().__init__(SECRET)


async def before_headers(request: web.Request) -> web.Response:
    raise OnPurposeError


async def after_headers(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"x")  # with which the head goes out
    raise OnPurposeError


async def after_headers_with_length(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"half")
    raise OnPurposeError


async def in_a_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(3):
        await response.write(b"piece")
        await asyncio.sleep(0)
    raise OnPurposeError


async def in_middleware(request: web.Request) -> web.Response:
    return web.Response(text="the middleware raises behind it")


async def when_prepared(request: web.Request) -> web.Response:
    return web.Response(text="a signal handler raises")


async def swallowing(request: web.Request) -> web.Response:
    """Takes no notice of being cancelled the first time."""
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        request.app[SWALLOWED].append(request.path)
    await asyncio.sleep(1000)
    raise AssertionError


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


CLEAN = [before_headers, in_middleware, when_prepared]
BROKEN = [after_headers, after_headers_with_length, in_a_stream]
SWALLOWED = web.AppKey("SWALLOWED", list[str])


@web.middleware
async def raising(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    answer = await handler(request)
    if request.path == "/in_middleware":
        raise OnPurposeError
    return answer


async def prepared(request: web.Request, response: web.StreamResponse) -> None:
    if request.path == "/when_prepared" and response.status == 200:
        raise OnPurposeError


def application() -> web.Application:
    app = web.Application(middlewares=[raising])
    app[SWALLOWED] = []
    for handler in (*CLEAN, *BROKEN, swallowing, hello):
        app.router.add_get(f"/{handler.__name__}", handler)
    app.on_response_prepare.append(prepared)
    return app


def told(caplog: pytest.LogCaptureFixture) -> int:
    """How often the log tells of it."""
    return sum(SECRET in (record.exc_text or str(record.exc_info)) + record.getMessage() for record in caplog.records)


@pytest.mark.hardening("X16")
@pytest.mark.parametrize("handler", [*CLEAN, *BROKEN])
async def test_a_failure_costs_its_own_request_only(
    serve: Any, caplog: pytest.LogCaptureFixture, handler: Callable[..., object]
) -> None:
    served = await serve(application())
    neighbours = [await served.connect() for _ in range(NEIGHBOURS)]
    for peer in neighbours:
        assert (await peer.request("GET", "/hello")).text == "hello"
    peer = await served.connect()
    await peer.send(f"GET /{handler.__name__} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    heard = b""
    try:
        heard = await asyncio.wait_for(peer.reader.read(), 10)
    except ConnectionResetError:
        assert handler in BROKEN
    else:
        status = b"HTTP/1.1 500 " if handler in CLEAN else b"HTTP/1.1 200 "
        assert heard.startswith(status)
        assert heard.count(b"HTTP/1.1") == 1
    assert SECRET.encode() not in heard
    assert not heard.endswith(b"0\r\n\r\n")
    if handler in BROKEN:
        assert len(heard.partition(b"\r\n\r\n")[2]) < 100  # of a length that was announced, less came
    assert told(caplog) == 1
    for peer in neighbours:
        assert (await peer.request("GET", "/hello")).text == "hello"


@pytest.mark.hardening("X16")
async def test_a_background_task_that_raises_is_told_once(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    """One that is spawned by us, and one of asyncio's that nobody waits for."""

    async def job() -> None:
        raise OnPurposeError

    async def spawning(request: web.Request) -> web.Response:
        if request.path == "/ours":
            await background.spawn(request, job())
        else:
            asyncio.get_running_loop().create_task(job())
        return web.Response(text="spawned")

    app = application()
    background.setup(app)
    app.router.add_get("/{kind}", spawning)
    served = await serve(app)
    peer = await served.connect()
    for number, path in enumerate(("/ours", "/anybodys"), start=1):
        assert (await peer.request("GET", path)).text == "spawned"
        async with asyncio.timeout(10):
            while told(caplog) < number:
                await asyncio.sleep(0.01)
    for _ in range(3):
        assert (await peer.request("GET", "/hello")).text == "hello"
    assert told(caplog) == 2


@pytest.mark.hardening("X16")
async def test_a_handler_that_swallows_the_end_is_cut_at_the_deadline(serve: Any) -> None:
    """It was cancelled, ran on, and is dropped with its connection when the time for the shutdown is over."""
    app = application()
    served = await serve(app, shutdown_timeout=0.5)
    peer = await served.connect()
    await peer.send(b"GET /swallowing HTTP/1.1\r\nHost: a\r\n\r\n")
    while served.server.slots.running == 0:
        await asyncio.sleep(0.01)
    other = await served.connect()
    assert (await other.request("GET", "/hello")).text == "hello"
    tasks = {task for task in asyncio.all_tasks() if task.get_name() == "levante-request"}
    assert len(tasks) == 1
    await asyncio.wait_for(served.runner.cleanup(), 10)
    assert app[SWALLOWED] == ["/swallowing"]
    assert await peer.is_closed()
    for task in tasks:
        task.cancel()  # run_app does so with what is left
    await asyncio.wait(tasks)


@pytest.mark.hardening("X16")
@pytest.mark.parametrize("where", ["on_startup", "on_shutdown", "on_cleanup", "cleanup_ctx"])
async def test_a_lifespan_that_raises(serve: Any, where: str) -> None:
    """The error reaches whoever runs the application, and what else has to be cleaned up is; running requests end."""
    log: list[str] = []
    begun, leave = asyncio.Event(), asyncio.Event()

    async def fail(_: web.Application) -> None:
        leave.set()
        raise OnPurposeError

    async def broken_context(_: web.Application) -> Any:
        yield
        raise OnPurposeError

    async def context(_: web.Application) -> Any:
        log.append("begun")
        yield
        log.append("ended")

    async def waiting(request: web.Request) -> web.Response:
        begun.set()
        await leave.wait()
        return web.Response(text="waited")

    app = web.Application()
    app.cleanup_ctx.append(context)
    app.router.add_get("/", waiting)
    if where == "cleanup_ctx":
        app.cleanup_ctx.append(broken_context)
    else:
        getattr(app, where).append(fail)
    runner = web.AppRunner(app, shutdown_timeout=5.0)
    if where == "on_startup":
        with pytest.raises(OnPurposeError):
            await runner.setup()
        await runner.cleanup()
    else:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(begun.wait(), 10)
        if where != "on_shutdown":
            leave.set()
        with pytest.raises(OnPurposeError):
            await runner.cleanup()
        assert (await reader.read()).endswith(b"waited")
        writer.close()
    assert log == ["begun", "ended"]


async def fails_below(request: web.Request) -> web.Response:
    try:
        raise OnPurposeError
    except OnPurposeError as error:
        raise web.HTTPBadGateway from error


async def runs_out_of_time(request: web.Request) -> web.Response:
    async with asyncio.timeout(0):
        await asyncio.sleep(1000)
    raise AssertionError


async def is_too_slow(request: web.Request) -> web.Response:
    await asyncio.sleep(1000)
    raise AssertionError


async def says_so(request: web.Request) -> web.Response:
    raise web.HTTPServiceUnavailable


async def makes_it_the_client_s_fault(request: web.Request) -> web.Response:
    raise web.HTTPBadRequest from OnPurposeError()


@pytest.mark.hardening("X16", "S22")
@pytest.mark.parametrize("around", [[], [problem_details]], ids=["bare", "problems"])
@pytest.mark.parametrize(
    ("handler", "status", "where"),
    [
        (fails_below, 502, "fails_below"),
        (runs_out_of_time, 504, "runs_out_of_time"),
        (is_too_slow, 504, "is_too_slow"),
        (says_so, 503, None),
        (makes_it_the_client_s_fault, 400, None),
    ],
)
async def test_the_log_knows_why_it_was_5xx(
    serve: Any, caplog: pytest.LogCaptureFixture, handler: Any, status: int, where: str | None, around: list[Any]
) -> None:
    """Once a second for each kind, with the place in the code; what a handler says of its own accord is in the access
    log only, and so is what a client did wrong."""
    app = web.Application(middlewares=[*around, handler_timeout(0.1)])
    app.router.add_get("/", handler)
    served = await serve(app)
    for _ in range(3):
        assert (await served.get("/")).status == status
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == (0 if where is None else 1)
    for line in lines:
        assert line.exc_text is not None
        assert f"in {where}" in line.exc_text
        assert "request id" in line.getMessage()


@pytest.mark.hardening("S22")
async def test_why_a_request_was_refused_is_a_debug_line(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Whether it never was a request, or its body was none."""

    async def read(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    caplog.set_level(logging.DEBUG, "levante")
    served = await serve(read)
    for request, reason in (
        (b"GET / HTTP/1.1\r\n\r\n", "no Host header"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\xff\r\n", "chunk"),
    ):
        caplog.clear()
        peer = await served.connect()
        await peer.send(request)
        assert (await peer.answer()).status == 400
        (line,) = [record for record in caplog.records if record.name != "levante.access"]
        assert line.levelno == logging.DEBUG
        assert reason in line.getMessage()
