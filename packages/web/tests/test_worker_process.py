import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import wait_until

from levante.web import worker_process
from levante.web.worker_process import HUNG_UP, LENGTH, WorkerProcess, preparation


def test_this_interpreter_is_told_what_this_one_was_told(tmp_path: Path) -> None:
    code = "import levante.web.worker_process as w; print(*w._interpreter()[1:])"
    told = ["-E", "-s", "-OO", "-Werror::UserWarning", "-Xfaulthandler", "-Xutf8=1"]
    done = subprocess.run([sys.executable, *told, "-c", code], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(told)


def test_an_interpreter_that_does_not_know_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(RuntimeError, match=r"sys\.executable is empty"):
        worker_process._interpreter()


def test_what_cannot_be_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match=r"this cannot be imported.*'module:function'"):
        preparation(lambda: None, [])

    class Program:
        __spec__ = None

    monkeypatch.setitem(sys.modules, "__main__", Program)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a program that has no file"):
        preparation("__main__", [])


def a_worker(message: bytes) -> WorkerProcess:
    return WorkerProcess(message, [], generation=0, now=0.0)


def ended(worker: WorkerProcess) -> str:
    wait_until("it has ended", lambda: worker.poll() is not None)
    how = worker.poll()
    assert how is not None
    return how


def test_a_worker_without_a_supervisor(capfd: pytest.CaptureFixture[str]) -> None:
    worker = a_worker(b"")
    worker._sock.shutdown(socket.SHUT_WR)
    assert ended(worker) == "exit status 1"
    worker.retire(1.0, 1.0)  # too late, and no error
    assert worker.read(1.0) == HUNG_UP
    worker.close()
    assert "the supervisor is gone" in capfd.readouterr().err


def test_a_worker_that_is_told_nonsense(capfd: pytest.CaptureFixture[str]) -> None:
    import pickle

    message = pickle.dumps("nonsense")
    worker = a_worker(LENGTH.pack(len(message)) + message)
    assert ended(worker) == "exit status 1"
    worker.close()
    assert "expected a Preparation from the supervisor, got 'nonsense'" in capfd.readouterr().err


@pytest.mark.parity("U10")
def test_how_it_ended() -> None:
    worker = a_worker(b"")  # it waits for its orders
    assert worker.poll() is None
    worker.stop(signal.SIGTERM, 5.0, 1.0)
    assert (worker.state, worker.kill_at) == (worker.LEAVING, 6.0)
    assert ended(worker) == "killed by SIGTERM"
    worker.kill()  # too late, and no error
    worker.wait()
    worker.close()

    class Ended:
        def poll(self) -> int:
            return -60

    process: Any = Ended()
    worker._process = process
    assert worker.poll() == "killed by signal 60"


def test_a_process_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(BlockingIOError):  # and both ends are closed, or a warning would tell
        a_worker(b"")


def test_one_that_dies_before_its_orders_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "_interpreter", lambda: [sys.executable, "-c", "raise SystemExit(9)"])
    worker = a_worker(bytes(10_000_000))
    assert ended(worker) == "exit status 9"
    worker.close()
