"""Several processes at one port: real ones, started as a user starts them."""

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from processes import free_port, wait_until
from servers import ENVIRONMENT, Connection, Load, Program, get, is_running

pytestmark = pytest.mark.slow

APPLICATION = """
import asyncio, logging, os, time
from levante import web

async def pid(request):
    return web.Response(text=str(os.getpid()))

async def slow(request):
    logging.getLogger("shop").warning("ENTERED")
    await asyncio.sleep(0.5)
    return web.Response(text="slow")

async def forever(request):
    logging.getLogger("shop").warning("ENTERED")
    await asyncio.sleep(1000)

async def block(request):
    time.sleep(1000)

async def cleanup(app):
    logging.getLogger("shop").warning("CLEANUP")

def make(argv=None):
    app = web.Application()
    app.add_routes([web.get("/", pid), web.get("/slow", slow), web.get("/forever", forever), web.get("/block", block)])
    app.on_cleanup.append(cleanup)
    return app
"""

UNMEASURED = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
"""Measuring coverage would make a start half as long again."""

Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `shop.py` with two workers: by command line, or by a program that calls `run_app`."""
    started: list[Program] = []
    (tmp_path / "shop.py").write_text(APPLICATION)

    def run(
        *arguments: str, program: str | None = None, workers: int = 2, environment: dict[str, str] | None = None
    ) -> Program:
        if program is None:
            command = ["-m", "levante.web", "-H", "127.0.0.1", "-w", str(workers), *arguments]
        else:
            (tmp_path / "program.py").write_text(textwrap.dedent(program))
            command = ["program.py"]
        started.append(Program([sys.executable, *command], cwd=tmp_path, environment=environment))
        return started[-1]

    yield run
    for each in started:
        each.close()


def serving(program: Program, *, count: int = 2) -> list[int]:
    """The processes that have said that they serve, when there are `count`."""
    program.wait_for(r"worker (\d+) serves", count=count)
    return [int(pid) for _, pid in program.found(r"worker (\d+) serves")]


def shared_sockets(*pids: int) -> set[str]:
    """The sockets that all of these processes have."""
    return set.intersection(*(set(open_files(pid)) for pid in pids))


def open_files(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield str(link.readlink())
        except FileNotFoundError:
            pass  # closed meanwhile


def seconds_to_import(folder: Path) -> float:
    """How long it takes now to start Python and import the application."""
    began = time.monotonic()
    command = [sys.executable, "-c", "import shop, levante.web.worker_main"]
    subprocess.run(command, cwd=folder, check=True, env={**ENVIRONMENT, **UNMEASURED, "PYTHONPATH": str(folder)})
    return time.monotonic() - began


@pytest.mark.parity("U10", "S63")
def test_two_processes_serve_until_a_signal(start: Start) -> None:
    port = free_port()
    program = start("-P", str(port), "shop:make")
    program.wait_for(rf"Running on http://127\.0\.0\.1:{port} with 2 workers")
    pids = serving(program)
    found: set[str] = set()
    wait_until("both have answered", lambda: found.add(get(port)[1]) or found == {str(pid) for pid in pids})
    program.send(signal.SIGTERM)
    assert program.end() == 0
    assert len(program.found("CLEANUP")) == 2
    assert not any(is_running(pid) for pid in pids)


@pytest.mark.parity("U10", "S56")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_requests_complete(start: Start, number: signal.Signals) -> None:
    port = free_port()
    program = start("-P", str(port), "shop:make")
    serving(program)
    connection = Connection(port)
    connection._sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    program.wait_for("ENTERED")
    program.send(number)
    answer = connection._stream.read()
    connection.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"slow")
    assert program.end() == 0


@pytest.mark.parity("U10")
@pytest.mark.hardening("X2")
def test_a_second_signal_ends_all_at_once(start: Start) -> None:
    port = free_port()
    program = start("-P", str(port), "shop:make")
    pids = serving(program)
    connection = Connection(port)
    connection._sock.sendall(b"GET /forever HTTP/1.1\r\nHost: a\r\n\r\n")
    program.wait_for("ENTERED")
    program.send(signal.SIGTERM)
    program.wait_for(r"worker \d+ ended")  # the idle one
    began = time.monotonic()
    program.send(signal.SIGTERM)
    assert program.end() == 1
    assert time.monotonic() - began < 5
    connection.close()
    assert not any(is_running(pid) for pid in pids)


@pytest.mark.hardening("X2")
def test_a_signal_before_anybody_serves(start: Start, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import time\nprint('IMPORTED\\n', end='', flush=True)\ntime.sleep(1000)")
    program = start("-P", str(free_port()), "shop:make")
    program.wait_for("IMPORTED", count=2)
    pids = [int(pid) for _, pid in program.found(r"worker (\d+) starts")]
    program.send(signal.SIGINT)
    assert program.end() == 0
    assert not any(is_running(pid) for pid in pids)


@pytest.mark.parity("U10")
@pytest.mark.hardening("X5")
def test_a_killed_worker_is_replaced(start: Start, tmp_path: Path) -> None:
    port = free_port()
    program = start("-P", str(port), "shop:make", environment=UNMEASURED)
    victim, other = serving(program)
    with Load(port, clients=4) as load:
        mine: list[Connection] = []

        def connected_to_other() -> bool:
            mine.append(Connection(port))
            return mine[-1].get()[1] == str(other)

        wait_until("a connection to the other worker", connected_to_other)
        kept = mine[-1]
        seconds = []
        for kills in range(3):
            began = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            when, replacement = program.wait_for(r"worker (\d+) serves", count=3 + kills)
            seconds.append(when - began)
            victim = int(replacement)
            assert kept.get()[1] == str(other)
            # A second, where the machine is not so busy that Python alone needs most of one.
            if seconds[-1] < max(1.0, 3 * seconds_to_import(tmp_path)):
                break
        else:
            pytest.fail(f"replacing a worker took {seconds} seconds")
        for connection in mine:
            connection.close()
    assert is_running(other)
    assert len(program.found("killed by SIGKILL")) == len(seconds)
    assert all("Reset" in failure or "BrokenPipe" in failure for failure in load.failures)  # and nobody was refused
    assert len(load.failures) <= 4 * len(seconds)


@pytest.mark.parity("U10")
@pytest.mark.hardening("X4")
def test_rolling_restarts_under_load_fail_no_request(start: Start) -> None:
    port, rolls = free_port(), 20
    program = start("-P", str(port), "shop:make")
    listening = shared_sockets(program.process.pid, *serving(program))
    with Load(port, clients=8, rate=200) as load:
        for roll in range(1, rolls + 1):
            program.send(signal.SIGHUP)
            program.wait_for(r"worker (\d+) serves", count=2 + 2 * roll)
        last = {pid for _, pid in program.found(r"worker (\d+) serves")[-2:]}
        wait_until("the last generation answers", lambda: last & set(load.answers))
    assert load.failures == []
    inherited = shared_sockets(program.process.pid, *(int(pid) for pid in last))
    assert [name for name in listening & inherited if name.startswith("socket:")]
    begun = [when for when, _ in program.found(r"worker (\d+) serves")]
    ended = [when for when, _ in program.found(r"worker \d+ ended \(exit status 0\)")]
    assert all(successor < predecessor for successor, predecessor in zip(begun[2:], ended, strict=False))
    assert len(load.answers) > rolls  # nearly every process had its turn
    program.send(signal.SIGTERM)
    assert program.end() == 0


@pytest.mark.parity("U10")
def test_a_rolling_restart_loads_new_code(start: Start, tmp_path: Path) -> None:
    port = free_port()
    program = start("-P", str(port), "shop:make")
    serving(program)
    (tmp_path / "shop.py").write_text(APPLICATION.replace("str(os.getpid())", "'new code'"))
    program.send(signal.SIGHUP)
    wait_until("new code everywhere", lambda: all(get(port)[1] == "new code" for _ in range(10)))


@pytest.mark.hardening("X6")
def test_what_cannot_start_is_given_up(start: Start, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("raise RuntimeError('broken at import')")
    program = start("-P", str(free_port()), "shop:make")
    assert program.end() == 3
    delays = [float(delay) for _, delay in program.found(r"next one starts in ([\d.]+) s")]
    assert sorted(set(delays)) == [0.1, 0.2, 0.4, 0.8, 1.6]
    assert len(program.found("giving up")) == 1
    starts = [when for when, _ in program.found("worker \\d+ starts")]
    assert starts[-1] - starts[0] >= 0.1 + 0.2 + 0.4 + 0.8
    assert len(starts) == 6  # the first attempt was two at once


@pytest.mark.hardening("X6")
def test_old_workers_go_on_when_new_ones_cannot_start(start: Start, tmp_path: Path) -> None:
    port = free_port()
    program = start("-P", str(port), "shop:make")
    pids = serving(program)
    (tmp_path / "shop.py").write_text("raise RuntimeError('broken at import')")
    with Load(port, clients=2, rate=50) as load:
        program.send(signal.SIGHUP)
        program.wait_for("the old ones go on")
    assert load.failures == []
    assert all(is_running(pid) for pid in pids)
    (tmp_path / "shop.py").write_text(APPLICATION)
    program.send(signal.SIGHUP)
    serving(program, count=4)
    program.send(signal.SIGTERM)
    assert program.end() == 0


@pytest.mark.hardening("X6")
def test_a_worker_that_hangs_shows_where_and_is_replaced(start: Start) -> None:
    port = free_port()
    program = start(
        program=f"""
        import logging
        from levante import web
        if __name__ == "__main__":
            logging.basicConfig(level=logging.INFO)
            web.run_app("shop:make", workers=2, host="127.0.0.1", port={port}, watchdog_timeout=2.0)
        """
    )
    serving(program)
    connection = Connection(port)
    connection._sock.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
    program.wait_for("has been blocked for")
    program.wait_for(r'shop\.py", line \d+ in block')
    serving(program, count=3)
    program.wait_for("killed by SIGABRT")
    connection.close()
    assert get(port)[0] == 200


@pytest.mark.parity("U10")
def test_workers_end_with_their_supervisor(start: Start) -> None:
    port = free_port()
    program = start("-P", str(port), "shop:make")
    pids = serving(program)
    connection = Connection(port)
    connection._sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    program.wait_for("ENTERED")
    program.process.kill()
    assert connection._stream.read().endswith(b"slow")
    connection.close()
    wait_until("the workers have ended", lambda: not any(is_running(pid) for pid in pids))
    program.wait_for("CLEANUP", count=2)


@pytest.mark.parity("U10", "S52")
def test_a_program_with_its_own_functions_tls_and_unix_socket(start: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "pem")
    path = tmp_path / "socket"
    program = start(
        program=f"""
        import logging, ssl
        from levante import web
        import shop

        async def make():
            logging.basicConfig(level=logging.INFO)
            return shop.make()

        def tls():
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain("pem")
            return context

        if __name__ == "__main__":
            web.run_app(make, workers=2, path={str(path)!r}, ssl_context=tls)
            print("AFTER", path_is_left := __import__("os").path.exists({str(path)!r}), flush=True)
        """
    )
    program.wait_for(rf"Running on https://unix:{path}: with 2 workers")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(str(path))
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")
    program.send(signal.SIGTERM)
    assert program.end() == 0
    program.wait_for("AFTER False")


@pytest.mark.parity("U10")
def test_the_program_of_the_deployment_guide(start: Start) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "how-to" / "deploy.md").read_text()
    (text,) = re.findall(r"```python\n(from levante import web\n.*?)```", guide, re.DOTALL)
    port = free_port()
    assert "workers=4" in text
    assert "port=8080" in text
    program = start(program=text.replace("port=8080", f"port={port}"))
    program.wait_for(rf"Running on http://127\.0\.0\.1:{port} with 4 workers")
    assert get(port) == (200, "hello")
    program.send(signal.SIGTERM)
    assert program.end() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("shop.make(), workers=2", "TypeError: each worker makes an application of its own"),
        ("lambda: shop.make(), workers=2, port=0", "TypeError: workers import what they are given"),
        ("shop.make, workers=0", "ValueError: workers is at least 1"),
        ("shop.make, workers=2, ssl_context=ssl.create_default_context()", "TypeError: an SSLContext cannot"),
        ("shop.make, workers=2, handle_signals=False", "ValueError: workers are processes"),
        ("shop.make, workers=2, host='192.0.2.1'", "cannot listen at http://192.0.2.1:8080: Cannot assign"),
        ("shop.make, workers=2, path='/nowhere/at/all'", "cannot listen at http://unix:/nowhere/at/all:: No such"),
    ],
)
def test_what_cannot_be(start: Start, arguments: str, words: str) -> None:
    program = start(program=f"import ssl\nfrom levante import web\nimport shop\nweb.run_app({arguments})")
    assert program.end() == 1
    assert words in program.log


def test_a_program_that_is_not_guarded(start: Start) -> None:
    program = start(program="from levante import web\ndef make(): ...\nweb.run_app(make, workers=2, port=0)")
    assert program.end() == 3
    assert "if __name__ == '__main__':" in program.log
