"""`run_app` in programs of its own, because it owns the loop and the signals of its process."""

import asyncio
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.web.access_log import access_logger
from levante.web.addresses import Addresses

LOOP = os.environ.get("LEVANTE_TEST_LOOP", "asyncio")
ENVIRONMENT = {**os.environ, "LEVANTE_NO_UVLOOP": "0" if LOOP == "uvloop" else "1", "PYTHONUNBUFFERED": "1"}

PREAMBLE = """
import asyncio, socket, sys
from levante import web

sock = socket.create_server(("127.0.0.1", 0))
banner = lambda text: print("PORT", sock.getsockname()[1], text.splitlines()[0], flush=True)

async def hello(request):
    return web.Response(text="hello")

async def slow(request):
    print("ENTERED", flush=True)
    await asyncio.sleep(0.3)
    return web.Response(text="slow")

async def forever(request):
    print("ENTERED", flush=True)
    await asyncio.sleep(1000)

async def cleanup(app):
    print("CLEANUP", flush=True)

app = web.Application()
app.add_routes([web.get("/", hello), web.get("/slow", slow), web.get("/forever", forever)])
app.on_cleanup.append(cleanup)
"""


class Program:
    def __init__(self, code: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(code)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        self.port = 0

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ready(self) -> str:
        line = self.line()
        if not line.startswith("PORT"):
            self.process.kill()
            raise AssertionError(f"{line!r} {self.process.communicate()}")
        self.port = int(line.split()[1])
        return line

    def ask(self, target: str) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return sock

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@pytest.fixture
def program() -> Iterator[Any]:
    started: list[Program] = []

    def start(code: str = "web.run_app(app, sock=sock, print=banner)") -> Program:
        started.append(Program(code))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


def received(sock: socket.socket) -> bytes:
    data = b""
    with sock:
        while piece := sock.recv(10_000):
            data += piece
    return data


@pytest.mark.parity("S52", "S56")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_exits_with_status_0(program: Any, number: signal.Signals) -> None:
    running = program()
    assert "======== Running on http://127.0.0.1:" in running.ready()
    sock = running.ask("/slow")
    assert running.line() == "ENTERED"
    running.process.send_signal(number)
    answer = received(sock)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in answer
    assert answer.endswith(b"slow")
    code, out, err = running.end()
    assert (code, out.strip(), err) == (0, "CLEANUP", "")


@pytest.mark.parity("S56")
@pytest.mark.hardening("X2")
def test_a_second_signal_exits_at_once(program: Any) -> None:
    running = program()
    running.ready()
    sock = running.ask("/forever")
    assert running.line() == "ENTERED"
    running.process.send_signal(signal.SIGTERM)
    probe = time.monotonic()
    while True:
        try:
            socket.create_connection(("127.0.0.1", running.port), timeout=1).close()
        except OSError:
            break
        assert time.monotonic() - probe < 10
    start = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    code, _, _ = running.end()
    sock.close()
    assert code == 1
    assert time.monotonic() - start < 5


@pytest.mark.hardening("X2")
def test_a_signal_during_startup(program: Any) -> None:
    running = program(
        """
        async def start(app):
            print("STARTING", flush=True)
            await asyncio.sleep(1000)
        app.on_startup.append(start)
        web.run_app(app, sock=sock, print=banner)
        """
    )
    assert running.line() == "STARTING"
    running.process.send_signal(signal.SIGTERM)
    code, out, err = running.end()
    assert (code, out.strip(), err) == (0, "CLEANUP", "")


@pytest.mark.parity("S52")
def test_a_failed_startup_shows_its_traceback(program: Any) -> None:
    running = program(
        """
        async def start(app):
            1 / 0
        app.on_startup.append(start)
        web.run_app(app, sock=sock)
        """
    )
    code, out, err = running.end()
    assert code == 1
    assert out.strip() == "CLEANUP"
    assert "1 / 0" in err or "ZeroDivisionError" in err


@pytest.mark.parity("S52")
@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("host='127.0.0.1', port=sock.getsockname()[1]", r"http://127\.0\.0\.1:\d+: Address already in use"),
        ("host='192.0.2.1', port=0", r"http://192\.0\.2\.1:0: Cannot assign requested address"),
        ("host='no-such.invalid'", r"http://no-such\.invalid:8080: .+"),
        ("path='/nowhere/at/all'", r"http://unix:/nowhere/at/all:: No such file or directory"),
    ],
)
def test_an_address_that_cannot_be_listened_at_is_told_in_one_line(program: Any, where: str, told: str) -> None:
    running = program(f"web.run_app(app, {where}, print=banner)")
    code, out, err = running.end()
    assert (code, out.strip()) == (1, "CLEANUP")
    assert re.fullmatch(f"cannot listen at {told}\n", err)


@pytest.mark.parity("S52")
def test_leftover_tasks_are_cancelled(program: Any) -> None:
    running = program(
        """
        async def left():
            try:
                await asyncio.sleep(1000)
            finally:
                print("LEFT", flush=True)
        async def broken():
            try:
                await asyncio.sleep(1000)
            finally:
                raise RuntimeError("broken task")
        tasks = []
        async def start(app):
            tasks.append(asyncio.create_task(left()))
            tasks.append(asyncio.create_task(broken()))
            asyncio.get_running_loop().call_later(0.1, stop)
        def stop():
            raise web.GracefulExit
        app.on_startup.append(start)
        web.run_app(app, sock=sock, print=None)
        print("AFTER", flush=True)
        """
    )
    code, out, err = running.end()
    assert (code, out.split()) == (0, ["CLEANUP", "LEFT", "AFTER"])
    assert "broken task" in err


@pytest.mark.parity("S52")
def test_several_addresses_and_a_coroutine(program: Any, tmp_path: Path) -> None:
    path = tmp_path / "s"
    running = program(
        f"""
        async def make():
            return app
        web.run_app(make(), sock=[sock], path=[{str(path)!r}], host="127.0.0.1", port=0, print=banner, debug=True)
        """
    )
    line = running.ready()
    assert line.count("http://") == 3
    assert f"http://unix:{path}:" in line
    unix = socket.socket(socket.AF_UNIX)
    unix.settimeout(10)
    unix.connect(str(path))
    unix.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"hello" in received(unix)
    running.process.send_signal(signal.SIGTERM)
    code, _, err = running.end()
    assert code == 0
    assert "GET / HTTP/1.1" in err
    assert not path.exists()


@pytest.mark.parity("S52")
@pytest.mark.parametrize(
    ("host", "port", "others", "found"),
    [
        (None, None, False, [None]),
        (None, None, True, []),
        (None, 80, True, [None]),
        ("a", None, True, ["a"]),
        (["a", "b"], None, False, ["a", "b"]),
    ],
)
def test_the_hosts(host: Any, port: int | None, others: bool, found: list[str | None]) -> None:
    addresses = Addresses(host, port, None, None, 1, None, None)
    assert addresses.hosts(others=others) == found


def test_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEVANTE_NO_UVLOOP", raising=False)
    loop = web.new_event_loop()
    assert type(loop).__module__.startswith("uvloop")
    loop.close()
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = web.new_event_loop()
    assert not type(loop).__module__.startswith("uvloop")
    loop.close()
    monkeypatch.undo()
    monkeypatch.setenv("LEVANTE_NO_UVLOOP", "1")
    loop = web.new_event_loop()
    assert not type(loop).__module__.startswith("uvloop")
    loop.close()


def a_stopping_app(log: list[str]) -> web.Application:
    app = web.Application()

    async def start(app: web.Application) -> None:
        log.append(type(asyncio.get_running_loop()).__module__)

        def stop() -> None:
            raise web.GracefulExit

        asyncio.get_running_loop().call_later(0.05, stop)

    async def cleanup(app: web.Application) -> None:
        log.append("cleanup")

    app.on_startup.append(start)
    app.on_cleanup.append(cleanup)
    return app


@pytest.mark.parity("S52")
def test_in_this_process(tmp_path: Path) -> None:
    log: list[str] = []
    lines: list[str] = []
    loop = asyncio.new_event_loop()
    path = tmp_path / "s"
    web.run_app(a_stopping_app(log), path=path, loop=loop, print=lines.append, handle_signals=False)
    assert log == [type(loop).__module__, "cleanup"]
    assert loop.is_closed()
    assert lines == [f"======== Running on http://unix:{path}: ========\n(Press CTRL+C to quit)"]


@pytest.fixture
def quiet_access_log() -> Iterator[logging.Logger]:
    """The access logger, which `debug=True` makes talk, as it was afterwards."""
    yield access_logger
    access_logger.setLevel(logging.NOTSET)


@pytest.mark.parity("S52")
def test_in_this_process_with_several(monkeypatch: pytest.MonkeyPatch, quiet_access_log: logging.Logger) -> None:
    log: list[str] = []
    monkeypatch.setenv("LEVANTE_NO_UVLOOP", "1")

    async def make() -> web.Application:
        return a_stopping_app(log)

    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    web.run_app(make(), sock=sockets, host=["127.0.0.1"], port=0, print=None, debug=True, handle_signals=False)
    assert log[-1] == "cleanup"
    assert quiet_access_log.level == logging.DEBUG
    web.run_app(a_stopping_app(log), sock=socket.create_server(("127.0.0.1", 0)), print=None, handle_signals=False)


def test_unknown_arguments_raise() -> None:
    with pytest.raises(TypeError, match="nonsense"):
        web.run_app(web.Application(), nonsense=1, loop=asyncio.new_event_loop())


def test_tasks_that_end_badly_are_told(caplog: pytest.LogCaptureFixture) -> None:
    app = a_stopping_app([])
    tasks = []

    async def broken() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            raise RuntimeError("broken task")

    async def start(app: web.Application) -> None:
        tasks.append(asyncio.create_task(broken()))

    app.on_startup.append(start)
    web.run_app(app, sock=socket.create_server(("127.0.0.1", 0)), print=None, loop=asyncio.new_event_loop())
    assert "broken task" in caplog.text
