"""`devtools runserver` as a user has it: a process, a folder of files, a browser's requests."""

import asyncio
import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from levante.devtools import runserver
from levante.devtools.launch import Launcher
from levante.devtools.ports import bind

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="drives processes by POSIX signals"),
]

# An upper bound for a loaded machine; every wait ends as soon as what it waits for is there.
PATIENCE = 30.0
# What the issue asks of an edit, seconds.
RELOAD_TARGET = 1.5

APP = """
import asyncio, os
from levante.web import Application, Response, StreamResponse, WebSocketResponse

async def hello(request):
    return Response(text=f"one {os.getpid()} {os.environ.get('COLOUR')} {os.environ['LEVANTE_ENV']}")

async def page(request):
    return Response(text="<html><body>page</body></html>", content_type="text/html")

async def slow(request):
    open("slow.started", "w").close()
    await asyncio.sleep(1)
    return Response(text="slow but complete")

async def stuck(request):
    stream = StreamResponse(headers={"Content-Type": "text/event-stream"})
    await stream.prepare(request)
    while True:
        await stream.write(b"data: tick\\n\\n")
        await asyncio.sleep(0.05)

async def chat(request):
    socket = WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket

async def die(request):
    os._exit(7)

async def fail(request):
    return 1 / 0

def create_app():
    app = Application()
    app.router.add_get("/", hello)
    for handler in (page, slow, stuck, chat, die, fail):
        app.router.add_get("/" + handler.__name__, handler)
    return app
"""


class Run:
    """A running `devtools runserver`: its output as lines, and requests to it."""

    def __init__(self, path: Path, *options: str, **environment: str) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        command = [sys.executable, "-m", "levante.devtools", "runserver", str(path), *options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **environment},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)", self.wait_line("http://"))[1])
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_line(self, text: str) -> str:
        def found() -> str | None:
            return next((line for line in self.lines if text in line), None)

        with self._news:
            self._news.wait_for(lambda: self._ended or found(), PATIENCE)
            line = found()
        if line is None:
            raise AssertionError(f"no line with {text!r} in {self.lines}")
        return line

    def get(self, path: str = "/", **headers: str) -> str:
        return self.ask(path, **headers)[1]

    def ask(self, path: str = "/", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def wait_text(self, text: str, path: str = "/", **headers: str) -> float:
        """Ask until `text` is in the answer; the seconds that it took."""
        began = time.monotonic()
        while text not in (answer := self.get(path, **headers)):
            if time.monotonic() - began > PATIENCE:
                raise AssertionError(f"{text!r} did not come; last came {answer!r}; lines {self.lines}")
        return time.monotonic() - began

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self.process.stdout.close()
        return status


class Socket:
    """A WebSocket by hand: handshake and small frames of text."""

    def __init__(self, port: int, path: str) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._file = self._sock.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self._sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        status = self._file.readline()
        if b" 101 " not in status:
            raise AssertionError(f"the handshake was answered by {status!r}")
        while self._file.readline() != b"\r\n":
            pass

    def receive(self) -> tuple[int, bytes]:
        """Operation code and payload of the next frame (up to 125 bytes)."""
        first, size = self._file.read(2)
        return first & 0x0F, self._file.read(size)

    def close(self) -> None:
        self._file.close()
        self._sock.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.levante]\napp = "tiny.app:create_app"\n')
    package = tmp_path / "src" / "tiny"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def start() -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(path: Path, *options: str, **environment: str) -> Run:
        runs.append(Run(path, "--port", "0", *options, **environment))
        return runs[-1]

    yield begin
    for run in runs:
        run.end()


def edit(project: Path, old: str, new: str, name: str = "app.py") -> None:
    file = project / "src" / "tiny" / name
    text = file.read_text()
    if old not in text:
        raise AssertionError(f"{old!r} is not in {file}")
    file.write_text(text.replace(old, new))


@pytest.mark.parity("L9")
@pytest.mark.parametrize("launcher", ["fork", "spawn"])
def test_saved_file_is_answered_anew(project: Path, start, launcher: str) -> None:
    run = start(project, LEVANTE_DEV_LAUNCHER=launcher)
    assert run.get().startswith("one ")
    took = []
    for old, new in [("one", "two"), ("two", "ten"), ("ten", "six")]:  # the same size, within the same second
        edit(project, f'f"{old} ', f'f"{new} ')
        took.append(run.wait_text(f"{new} "))
    print(f"{launcher}: answered anew after {', '.join(f'{seconds:.3f}' for seconds in took)} s")
    if launcher == "fork":
        assert min(took) < RELOAD_TARGET
    assert run.end() == 0


def test_no_request_fails_while_servers_are_swapped(project: Path, start) -> None:
    run = start(project)
    stop, faults, counts = threading.Event(), [], []

    def ask_anew() -> None:
        while not stop.is_set():
            attempt(run.get)

    def ask_again() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", run.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            while not stop.is_set():
                connection.request("GET", "/")
                attempt(connection.getresponse().read)

    def attempt(ask: Callable[[], object]) -> None:
        try:
            ask()
            counts.append(1)
        except Exception as error:
            faults.append(repr(error))

    threads = [threading.Thread(target=work) for work in (ask_anew, ask_again)]
    for thread in threads:
        thread.start()
    for number in range(5):
        edit(project, f'f"{"one" if number == 0 else f"n{number}"} ', f'f"n{number + 1} ')
        run.wait_text(f"n{number + 1} ")
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert faults == []
    assert len(counts) > 20


def test_save_without_a_change_is_ignored(project: Path, start) -> None:
    run = start(project)
    before = run.get()
    file = project / "src" / "tiny" / "app.py"
    file.write_text(file.read_text())
    edit(project, "", "", name="__init__.py")
    (project / "src" / "tiny" / "late.css").write_text("a {}")
    run.wait_line("changed   late.css")  # whatever came before it was seen
    assert run.get() == before


@pytest.mark.parity("L9")
def test_syntax_error_shows_everywhere_and_heals(project: Path, start) -> None:
    run = start(project)
    edit(project, "def create_app()", "def create_app(:")
    run.wait_text("SyntaxError", Accept="text/html")
    status, shown = run.ask("/any/path", Accept="text/html")
    assert status == 500
    assert "src/tiny/app.py:" in shown
    assert "/_levante/livereload.js?boot=" in shown
    assert "src/tiny/app.py:" in run.wait_line("broken  ")
    edit(project, "def create_app(:", "def create_app()")
    run.wait_text("one ")
    assert run.end() == 0


def test_error_at_start_shows_and_heals(project: Path, start) -> None:
    edit(project, "app = Application()", "app = Application()\n    app.on_startup.append(refuse)")
    run = start(project)
    run.wait_line("NameError")
    edit(project, "def create_app()", "async def refuse(app):\n    raise LookupError('no table')\n\ndef create_app()")
    run.wait_text("LookupError: no table")
    edit(project, "raise LookupError('no table')", "pass")
    run.wait_text("one ")


def test_records_of_loading_have_the_form_of_later_ones(project: Path, start) -> None:
    edit(project, "import asyncio, os", "import asyncio, logging, os\nlogging.getLogger('shop').warning('loaded')")
    assert start(project).wait_line("loaded") == "WARNING shop: loaded"


@pytest.mark.parity("L9")
def test_open_tab_is_told_of_styles_and_reloads_for_a_new_server(project: Path, start) -> None:
    run = start(project)
    boot = re.search(r"livereload\.js\?boot=(\w+)", run.get("/page"))[1]
    tab = Socket(run.port, "/_levante/livereload")
    assert json.loads(tab.receive()[1]) == {"type": "hello", "boot": boot}
    pid = run.get().split()[1]
    (project / "src" / "tiny" / "site.css").write_text("a {}")
    assert json.loads(tab.receive()[1]) == {"type": "style", "names": ["site.css"]}
    (project / "src" / "tiny" / "page.html").write_text("<p>")
    assert json.loads(tab.receive()[1]) == {"type": "page"}
    assert run.get().split()[1] == pid
    edit(project, 'f"one ', 'f"two ')
    assert tab.receive()[0] == 8  # close
    tab.close()
    again = Socket(run.port, "/_levante/livereload")
    assert json.loads(again.receive()[1])["boot"] != boot
    again.close()


@pytest.mark.parity("L9")
def test_nothing_that_is_open_holds_a_reload_up(project: Path, start) -> None:
    run = start(project)
    chat = Socket(run.port, "/chat")
    events = socket.create_connection(("127.0.0.1", run.port), timeout=PATIENCE)
    events.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"event-stream" in events.recv(4096)
    edit(project, 'f"one ', 'f"two ')
    run.wait_text("two ")
    code, payload = chat.receive()
    assert (code, int.from_bytes(payload[:2])) == (8, 1012)
    chat.close()
    while events.recv(4096):
        pass
    events.close()
    assert run.end() == 0


def test_blocked_server_does_not_hold_a_reload_or_a_stop_up(project: Path, start) -> None:
    edit(project, "await asyncio.sleep(1)", "import time; time.sleep(600)")
    run = start(project)
    blocked = socket.create_connection(("127.0.0.1", run.port), timeout=PATIENCE)
    blocked.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_for_file(project / "slow.started")
    edit(project, "time.sleep(600)", "time.sleep(0)")
    run.wait_text("one ")
    blocked.settimeout(PATIENCE)
    with contextlib.suppress(ConnectionResetError):
        assert blocked.recv(100) == b""  # killed in the end
    blocked.close()
    assert run.end() == 0


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > deadline:
            raise AssertionError(f"{path} did not appear")
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_lets_a_slow_request_complete(project: Path, start, number: int) -> None:
    run = start(project)
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(run.get("/slow")))
    asking.start()
    wait_for_file(project / "slow.started")
    assert run.end(number) == 0
    asking.join(PATIENCE)
    assert answers == ["slow but complete"]


def test_second_signal_ends_at_once(project: Path, start) -> None:
    edit(project, "await asyncio.sleep(1)", "await asyncio.sleep(600)")
    run = start(project)
    with socket.create_connection(("127.0.0.1", run.port), timeout=PATIENCE) as held:
        held.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for_file(project / "slow.started")
        run.process.send_signal(signal.SIGINT)
        run.wait_line("stopping")
        assert run.end(signal.SIGINT) == 128 + signal.SIGINT


def test_environment_file_is_read_and_read_again(project: Path, start) -> None:
    (project / ".env").write_text("COLOUR=red\nLEVANTE_ENV=custom\n")
    run = start(project)
    assert run.get().split()[2:] == ["red", "custom"]
    (project / ".env").write_text("COLOUR=blue\n")
    run.wait_text("blue development")
    assert run.end() == 0


def test_process_that_dies_is_replaced_by_a_page_that_says_so(project: Path, start) -> None:
    run = start(project)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        run.get("/die")
    run.wait_text("exited with status 7")
    edit(project, "os._exit(7)", "os._exit(8)")
    run.wait_text("one ")
    assert run.end() == 0


def test_failing_request_shows_the_page(project: Path, start) -> None:
    run = start(project)
    status, shown = run.ask("/fail", Accept="text/html")
    assert status == 500
    assert "ZeroDivisionError" in shown
    assert "1 / 0" in shown
    run.wait_line("ZeroDivisionError")
    assert "<html" not in run.get("/fail", Accept="application/json")


def test_process_that_dies_while_it_loads_is_shown_too(project: Path, start) -> None:
    edit(project, "def create_app()", "os._exit(9)\n\ndef create_app()")
    run = start(project)
    assert "exited with status 9" in run.get()
    edit(project, "os._exit(9)", "pass")
    run.wait_text("one ")


def test_fork_server_that_is_killed_is_replaced(project: Path, start) -> None:
    edit(project, "{os.environ['LEVANTE_ENV']}", "{os.getppid()}")
    run = start(project)
    zygote = run.get().split()[-1]
    os.kill(int(zygote), signal.SIGKILL)
    run.wait_line("after a new start of the fork server")
    assert run.get().split()[-1] != zygote
    edit(project, 'f"one ', 'f"two ')
    run.wait_text("two ")
    assert run.end() == 0


def test_library_with_a_thread_is_left_to_the_children(project: Path, start, tmp_path: Path) -> None:
    libraries = tmp_path / "libraries" / "site-packages"
    libraries.mkdir(parents=True)
    (libraries / "threaded_library.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    edit(project, "import asyncio, os", "import asyncio, os, threaded_library")
    run = start(project, PYTHONPATH=str(libraries))
    edit(project, 'f"one ', 'f"two ')
    run.wait_text("two ")
    assert run.end() == 0


def test_applications_description_is_read_again(project: Path, start) -> None:
    run = start(project)
    description = project / "pyproject.toml"
    description.write_text("[[[")
    run.wait_line("pyproject.toml cannot be read")
    assert run.get().startswith("one ")
    (project / "src" / "tiny" / "other.py").write_text(APP.replace('f"one ', 'f"other '))
    description.write_text('[tool.levante]\napp = "tiny.other:create_app"\n')
    run.wait_text("other ")
    assert run.end() == 0


def test_address_that_only_one_server_can_have_is_waited_for(project: Path, start) -> None:
    edit(project, "app = Application()", "app = Application()\n    app.cleanup_ctx.append(side_door)")
    side_door = """
async def side_door(app):
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", SIDE)
    yield
    server.close()

def create_app()"""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    edit(project, "def create_app()", side_door.replace("SIDE", str(port)))
    run = start(project)
    edit(project, 'f"one ', 'f"two ')
    run.wait_text("two ")
    assert run.end() == 0
    assert not any(line.startswith("broken") for line in run.lines)


def test_style_saved_while_broken_starts_anew(project: Path, start) -> None:
    edit(project, "def create_app():", "def create_app():\n    open('needed.html').close()")
    run = start(project)
    run.wait_line("FileNotFoundError")
    (project / "needed.html").write_text("<p>")
    run.wait_text("one ")


@pytest.mark.parity("L9")
def test_taken_port_is_named_and_passed_by(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = Run(project, "--port", str(port))
        try:
            assert re.search(rf"port {port} is taken by .+; serving on {run.port}$", run.wait_line("is taken by"))
            assert run.get().startswith("one ")
        finally:
            assert run.end() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere does not exist"),
        ([".", "--port", "70000"], "70000 is not in the range"),
        (["."], "no main.py or app.py"),
        ([".", "--nonsense"], "No such option"),
    ],
)
def test_usage_errors_are_one_line_and_status_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    command = [sys.executable, "-m", "levante.devtools", "runserver", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


class FailingLauncher(Launcher):
    """Starts nothing; reports what the test wants to happen at each step."""

    at_open: tuple[dict[str, str], ...] = ()
    at_start: tuple[dict[str, object], ...] = ()

    async def open(self, modules) -> None:
        for message in self.at_open:
            asyncio.get_running_loop().call_soon(self._report, self, message)

    def preload(self, modules) -> None:
        raise AssertionError

    def start(self, order, control) -> None:
        control.close()
        for message in self.at_start:
            asyncio.get_running_loop().call_soon(self._report, self, {**message, "child": order["child"]})

    def kill(self, child: int) -> None:
        self._report(self, {"event": "exit", "child": child, "status": -9})

    async def close(self) -> None:
        pass


async def run_with(project: Path, monkeypatch: pytest.MonkeyPatch, **steps: tuple) -> int:
    monkeypatch.setattr(runserver, "mind_signals", lambda act: None)
    monkeypatch.setattr(runserver, "launcher_class", lambda: type("Launched", (FailingLauncher,), steps))
    server = runserver.DevServer(project, bind("127.0.0.1", 0), livereload=True, verbose=False)
    async with asyncio.timeout(PATIENCE):
        return await server.run()


async def test_fork_server_that_cannot_live_ends_the_run(project: Path, monkeypatch, capsys) -> None:
    assert await run_with(project, monkeypatch, at_open=({"event": "gone"},)) == 1
    assert "the fork server ended twice" in capsys.readouterr().out


async def test_server_that_cannot_even_show_its_end_ends_the_run(project: Path, monkeypatch, capsys) -> None:
    assert await run_with(project, monkeypatch, at_start=({"event": "exit", "status": 3},)) == 1
    assert "the server process exited with status 3 twice" in capsys.readouterr().out


async def test_files_that_cannot_be_watched_end_the_run(project: Path, monkeypatch, capsys) -> None:
    async def no_watch(tree, stop):
        raise OSError("limit of watches reached")
        yield

    monkeypatch.setattr(runserver, "watch", no_watch)
    assert await run_with(project, monkeypatch) == 1
    assert "cannot be watched: limit of watches reached" in capsys.readouterr().out


async def test_slow_start_is_said(project: Path, monkeypatch, capsys) -> None:
    async def leave_later(tree, stop):
        await asyncio.sleep(0.05)
        raise OSError("enough")
        yield

    monkeypatch.setattr(runserver, "watch", leave_later)
    monkeypatch.setattr(runserver, "SLOW_START", 0.0)
    await run_with(project, monkeypatch)
    assert "takes longer than 0 s" in capsys.readouterr().out
