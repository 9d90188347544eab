import asyncio
import signal
from typing import Any

import pytest

from levante import web


@pytest.mark.parity("S53")
async def test_a_runner_runs_an_application() -> None:
    with pytest.raises(TypeError, match="Application"):
        web.AppRunner(5)  # type: ignore[arg-type]
    app = web.Application()
    runner = web.AppRunner(app)
    assert runner.app is app
    assert runner.server is None
    await runner.cleanup()
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None
    assert app.frozen
    await runner.cleanup()


@pytest.mark.parity("S53")
async def test_arguments_of_the_application_win() -> None:
    runner = web.AppRunner(web.Application(handler_args={"keepalive_timeout": 1}), keepalive_timeout=2)
    await runner.setup()
    assert runner.server is not None
    assert runner.server._timeouts.keepalive == 1
    await runner.cleanup()


@pytest.mark.parity("S53")
async def test_signals_raise_graceful_exit() -> None:
    runner = web.AppRunner(web.Application(), handle_signals=True)
    await runner.setup()
    loop = asyncio.get_running_loop()
    assert loop.remove_signal_handler(signal.SIGTERM)
    await runner.cleanup()
    assert not loop.remove_signal_handler(signal.SIGINT)
    assert web.GracefulExit().code == 1
    assert issubclass(web.GracefulExit, SystemExit)


async def test_a_failed_startup_is_cleaned_up() -> None:
    log: list[str] = []

    async def context(app: web.Application) -> Any:
        log.append("+")
        yield
        log.append("-")

    async def fail(app: web.Application) -> None:
        raise ZeroDivisionError

    app = web.Application()
    app.cleanup_ctx.append(context)
    app.on_startup.append(fail)
    runner = web.AppRunner(app)
    with pytest.raises(ZeroDivisionError):
        await runner.setup()
    await runner.cleanup()
    assert log == ["+", "-"]


class Slow:
    """A handler that is held until it is let go, and tells what happens to it."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.leave = asyncio.Event()
        self.cancelled = False

    async def __call__(self, request: web.Request) -> web.Response:
        self.entered.set()
        try:
            await self.leave.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return web.Response(text="slow")


@pytest.mark.parity("S56")
@pytest.mark.hardening("X1")
async def test_the_order_of_shutdown(serve: Any) -> None:
    log: list[str] = []
    slow = Slow()
    ports: list[int] = []

    async def shutdown(app: web.Application) -> None:
        log.append("shutdown")
        with pytest.raises(OSError, match=r".*"):
            await asyncio.open_connection("127.0.0.1", ports[0])
        slow.leave.set()

    async def cleanup(app: web.Application) -> None:
        log.append("cleanup" if slow.leave.is_set() else "too early")

    app = web.Application()
    app.router.add_get("/slow", slow)
    app.on_shutdown.append(shutdown)
    app.on_cleanup.append(cleanup)
    served = await serve(app)
    ports.append(served.port)
    idle, busy = await served.connect(), await served.connect()
    await idle.request("GET", "/nope")
    await busy.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(slow.entered.wait(), 5)
    closing = asyncio.create_task(served.runner.cleanup())
    assert await idle.is_closed()
    answer = await busy.answer()
    assert (answer.text, answer.headers["Connection"]) == ("slow", "close")
    await closing
    assert log == ["shutdown", "cleanup"]
    assert not slow.cancelled


@pytest.mark.hardening("X1")
async def test_a_request_that_crosses_the_end_on_an_idle_connection_is_answered(serve: Any) -> None:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    served = await serve(hello)
    peer = await served.connect()
    assert "Connection" not in (await peer.request("GET", "/")).headers
    peer.writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")  # sent, and not read by the server
    await served.runner.cleanup()
    answer = await peer.answer()
    assert (answer.text, answer.headers["Connection"]) == ("hello", "close")
    assert await peer.is_closed()


@pytest.mark.parity("S56")
@pytest.mark.hardening("X3")
async def test_what_does_not_end_is_cancelled(serve: Any) -> None:
    slow = Slow()
    served = await serve(slow, shutdown_timeout=0.05)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(slow.entered.wait(), 5)
    await asyncio.wait_for(served.runner.cleanup(), 5)
    assert slow.cancelled
    assert await peer.is_closed()


@pytest.mark.parity("S56")
async def test_a_handler_whose_client_is_gone_is_waited_for(serve: Any) -> None:
    slow = Slow()
    served = await serve(slow)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(slow.entered.wait(), 5)
    peer.reset()
    while served.server.connections:
        await asyncio.sleep(0.01)
    closing = asyncio.create_task(served.runner.cleanup())
    await asyncio.sleep(0)
    assert not closing.done()
    slow.leave.set()
    await asyncio.wait_for(closing, 5)
    assert not slow.cancelled


@pytest.mark.parity("S56")
@pytest.mark.hardening("X16")
async def test_a_handler_that_will_not_be_cancelled(
    serve: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def stubborn(request: web.Request) -> web.Response:
        entered.set()
        while not leave.is_set():
            try:
                await leave.wait()
            except asyncio.CancelledError:
                continue
        return web.Response()

    served = await serve(stubborn, shutdown_timeout=0.05)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(entered.wait(), 5)
    await asyncio.wait_for(served.runner.cleanup(), 5)
    assert "did not end in time" in caplog.text
    assert await peer.is_closed()
    leave.set()
    await asyncio.sleep(0)


UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parity("S56")
@pytest.mark.hardening("X1", "X3", "W23")
async def test_all_of_the_shutdown_has_one_deadline(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    slow = Slow()
    ended: list[str] = []

    async def live(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=1000)
        await socket.prepare(request)
        async for _ in socket:
            pass
        ended.append("live")
        return socket

    async def read(request: web.Request) -> web.Response:
        try:
            await request.read()
        finally:
            ended.append("read")
        raise AssertionError

    async def shutdown(app: web.Application) -> None:
        await asyncio.sleep(0.2)

    app = web.Application()
    app.add_routes([web.get("/live", live), web.post("/read", read), web.get("/slow", slow)])
    app.on_shutdown.append(shutdown)
    served = await serve(app, shutdown_timeout=1.0)
    silent, half, busy = [await served.connect() for _ in range(3)]
    await silent.send(UPGRADE)
    await silent.head()
    await half.send(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
    await busy.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(slow.entered.wait(), 5)
    loop = asyncio.get_running_loop()
    start = loop.time()
    closing = asyncio.create_task(served.runner.cleanup())
    assert (await silent.reader.readexactly(19))[2:] == b"\x03\xe9Server shutdown"
    assert loop.time() - start < 0.7  # beside the draining, not behind it
    await closing
    assert loop.time() - start < 1.5
    assert sorted(ended) == ["live", "read"]
    assert slow.cancelled
    # The half request and the slow one, and nothing that outlasts its being cancelled; the WebSocket ended by itself.
    assert caplog.messages == ["2 requests did not end before the server did: cancelled"]
    for peer in (silent, half, busy):
        assert await peer.is_closed()


@pytest.mark.parity("S56")
@pytest.mark.hardening("W23")
async def test_a_silent_websocket_does_not_hold_the_shutdown_up(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def live(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=1000)
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    monkeypatch.setattr("levante.web.open_connections.GOODBYE_TIMEOUT", 0.05)
    served = await serve(live, shutdown_timeout=1000)
    peer = await served.connect()
    await peer.send(UPGRADE)
    await peer.head()
    await asyncio.wait_for(served.runner.cleanup(), 5)


@pytest.mark.parity("S56")
async def test_without_a_timeout_nobody_waits() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        raise NotImplementedError

    server = web.Server(handler)
    await server.shutdown()
    assert server.draining


async def test_a_failing_shutdown_still_cleans_up(serve: Any) -> None:
    log: list[str] = []

    async def shutdown(app: web.Application) -> None:
        raise ZeroDivisionError

    async def cleanup(app: web.Application) -> None:
        log.append("cleanup")

    app = web.Application()
    app.on_shutdown.append(shutdown)
    app.on_cleanup.append(cleanup)
    runner = web.AppRunner(app)
    await runner.setup()
    with pytest.raises(ZeroDivisionError):
        await runner.cleanup()
    assert log == ["cleanup"]


async def test_a_site_that_cannot_be_stopped_does_not_stop_the_cleanup(monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned = []

    async def clean(_: web.Application) -> None:
        cleaned.append(True)

    app = web.Application()
    app.on_cleanup.append(clean)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stop = site.stop

    async def fail() -> None:
        await stop()
        raise PermissionError("not yours")

    monkeypatch.setattr(site, "stop", fail)
    with pytest.raises(PermissionError):
        await runner.cleanup()
    assert cleaned
