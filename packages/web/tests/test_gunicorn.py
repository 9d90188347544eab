"""The worker classes under real gunicorn, started as a user starts it."""

import os
import signal
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
import trustme
from processes import free_port, wait_until
from servers import LOOP, Connection, Load, Program, get, is_running

from levante import web
from levante.web.access_log import ACCESS_LOG_FORMAT
from levante.web.worker import GunicornUVLoopWebWorker, GunicornWebWorker, access_log_format

pytestmark = pytest.mark.slow

APPLICATION = """
import asyncio, logging, os, sys, time
from levante import web

async def pid(request):
    return web.Response(text=str(os.getpid()))

async def loop(request):
    return web.Response(text=type(asyncio.get_running_loop()).__module__)

async def slow(request):
    print("ENTERED", flush=True)
    await asyncio.sleep(0.5)
    return web.Response(text="slow")

async def forever(request):
    print("ENTERED", flush=True)
    await asyncio.sleep(1000)

async def child(request):
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(7)")
    return web.Response(text=str(await process.wait()))

async def block(request):
    time.sleep(1000)

async def cleanup(app):
    print("CLEANUP", flush=True)

app = web.Application()
app.add_routes([web.get("/", pid), web.get("/loop", loop), web.get("/slow", slow), web.get("/forever", forever)])
app.add_routes([web.get("/child", child), web.get("/block", block)])
app.on_cleanup.append(cleanup)

async def factory():
    return app

async def runner_factory():
    return web.AppRunner(app, server_header="from a runner")

def nothing():
    return None

async def broken(app):
    raise RuntimeError("broken at startup")

unstartable = web.Application()
unstartable.on_startup.append(broken)
"""

CLASSES = {"asyncio": "levante.web.GunicornWebWorker", "uvloop": "levante.web.GunicornUVLoopWebWorker"}

Start = Callable[..., Program]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Start]:
    """gunicorn with one worker on `port`, unless the arguments say otherwise."""
    started: list[Program] = []
    (tmp_path / "shop.py").write_text(APPLICATION)

    def run(*arguments: str, target: str = "shop:app") -> Program:
        command = [sys.executable, "-m", "gunicorn", "-k", CLASSES[LOOP], "-b", f"127.0.0.1:{port}"]
        command += ["--worker-tmp-dir", str(tmp_path), *arguments, target]
        started.append(Program(command, cwd=tmp_path))
        return started[-1]

    yield run
    for each in started:
        each.close()


def serving(program: Program, *, count: int = 1) -> list[int]:
    """The workers that have begun, when there are `count` and the port answers."""
    program.wait_for(r"Booting worker with pid: (\d+)", count=count)
    return [int(pid) for _, pid in program.found(r"Booting worker with pid: (\d+)")]


@pytest.mark.parity("S64")
@pytest.mark.parametrize("target", ["shop:app", "shop:factory", "shop:runner_factory"])
def test_targets(start: Start, port: int, target: str) -> None:
    program = start(target=target)
    pids = serving(program)
    assert get(port)[1] == str(pids[0])
    assert get(port, "/loop")[1].startswith(LOOP)
    with urlopen(f"http://127.0.0.1:{port}/") as answer:
        assert (answer.headers["Server"] == "from a runner") is (target == "shop:runner_factory")
    program.send(signal.SIGTERM)
    assert program.end() == 0
    assert len(program.found("CLEANUP")) == 1


@pytest.mark.parity("S64")
@pytest.mark.parametrize("target", ["shop:nothing()", "shop:unstartable"])
def test_what_cannot_start_ends_gunicorn(start: Start, target: str) -> None:
    program = start(target=target)
    assert program.end() == (3 if "unstartable" in target else 4)
    assert len(program.found("Booting worker")) == 1


@pytest.mark.parity("S64")
def test_a_target_that_is_no_application_ends_gunicorn(start: Start) -> None:
    program = start(target="shop:nothing")
    assert program.end() == 3
    assert "gunicorn's target is a web.Application" in program.log
    assert len(program.found("Booting worker")) == 1


@pytest.mark.parity("S64", "S56")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_requests_complete(start: Start, port: int, number: signal.Signals) -> None:
    program = start()
    serving(program)
    connection = Connection(port)
    connection._sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    program.wait_for("ENTERED")
    program.send(number)
    assert connection._stream.read().endswith(b"slow")
    connection.close()
    assert program.end() == 0
    program.wait_for("CLEANUP")


@pytest.mark.parity("S64")
def test_the_graceful_timeout_is_ours(start: Start, port: int) -> None:
    program = start("--graceful-timeout", "2")
    (pid,) = serving(program)
    connection = Connection(port)
    connection._sock.sendall(b"GET /forever HTTP/1.1\r\nHost: a\r\n\r\n")
    program.wait_for("ENTERED")
    program.send(signal.SIGTERM)
    assert program.end() == 0
    connection.close()
    program.wait_for("CLEANUP")  # it was not killed before
    assert not is_running(pid)


@pytest.mark.parity("S64")
def test_a_worker_is_replaced_after_max_requests(start: Start, port: int) -> None:
    program = start("--max-requests", "5")
    (first,) = serving(program)
    with Load(port, clients=2, rate=20) as load:
        serving(program, count=2)
        wait_until("another process answers", lambda: set(load.answers) - {str(first)})
    assert load.failures == []
    program.wait_for("max_requests reached")


@pytest.mark.parity("S64")
def test_a_reload_under_load_fails_no_request(start: Start, port: int) -> None:
    program = start("-w", "2")
    serving(program, count=2)
    with Load(port, clients=4, rate=100) as load:
        for roll in (1, 2):
            program.send(signal.SIGHUP)
            last = {str(pid) for pid in serving(program, count=2 + 2 * roll)[-2:]}
            wait_until("the new ones answer", lambda last=last: last & set(load.answers))  # type: ignore[misc]
    assert load.failures == []


@pytest.mark.parity("S64")
def test_a_worker_ends_with_its_master(start: Start) -> None:
    program = start()
    (pid,) = serving(program)
    wait_until("it serves", lambda: program.process.poll() is None)
    program.process.kill()
    wait_until("the worker has ended", lambda: not is_running(pid))
    program.wait_for("the master has changed")


@pytest.mark.parity("S64")
def test_children_of_handlers_are_waited_for(start: Start, port: int) -> None:
    serving(start())
    assert get(port, "/child") == (200, "7")


@pytest.mark.parity("S64")
def test_a_blocked_worker_is_replaced_by_gunicorn(start: Start, port: int) -> None:
    program = start("--timeout", "2")
    serving(program)
    connection = Connection(port)
    connection._sock.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
    serving(program, count=2)
    connection.close()
    assert get(port)[0] == 200


@pytest.mark.parity("S64")
def test_tls(start: Start, port: int, tmp_path: Path) -> None:
    authority = trustme.CA()
    cert = authority.issue_cert("localhost")
    cert.private_key_pem.write_to_path(tmp_path / "key")
    cert.cert_chain_pems[0].write_to_path(tmp_path / "cert")
    program = start("--certfile", str(tmp_path / "cert"), "--keyfile", str(tmp_path / "key"))
    (pid,) = serving(program)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with urlopen(f"https://localhost:{port}/", context=context) as answer:
        assert answer.read().decode() == str(pid)


@pytest.mark.parity("S64", "S62")
def test_the_access_log(start: Start, port: int) -> None:
    program = start("--access-logfile", "-")
    serving(program)
    get(port, "/loop")
    program.wait_for(r'^127\.0\.0\.1 \[.*\] "GET /loop HTTP/1\.1" 200 ')


@pytest.mark.parity("S64", "S62")
def test_no_access_log(start: Start, port: int) -> None:
    program = start()
    serving(program)
    get(port, "/loop")
    program.send(signal.SIGTERM)
    program.end()
    assert "GET /loop" not in program.log


@pytest.mark.parity("S64", "S62")
def test_access_log_formats(start: Start) -> None:
    assert access_log_format("%a %s") == "%a %s"
    gunicorns = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
    assert access_log_format(gunicorns) == ACCESS_LOG_FORMAT
    with pytest.raises(ValueError, match="gunicorn's style of access log formats is not supported"):
        access_log_format("%(h)s %(s)s")
    program = start("--access-logfile", "-", "--access-logformat", "%(h)s %(s)s")
    assert program.end() == 3
    assert "gunicorn's style of access log formats" in program.log


def test_the_classes_are_found_when_asked_for() -> None:
    assert web.GunicornWebWorker is GunicornWebWorker
    assert web.GunicornUVLoopWebWorker is GunicornUVLoopWebWorker
    with pytest.raises(AttributeError, match="no attribute 'GunicornNoWorker'"):
        web.GunicornNoWorker  # type: ignore[attr-defined]  # noqa: B018
    done = os.spawnv(
        os.P_WAIT,
        sys.executable,
        [sys.executable, "-c", "import sys, levante.web; raise SystemExit('gunicorn' in sys.modules)"],
    )
    assert done == 0
