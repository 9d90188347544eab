"""The fork server's loop, in this process: orders in, children out."""

import os
import signal
import socket
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

from levante.devtools.wire import Lines, encode  # noqa: E402 - the module below needs what Windows lacks
from levante.devtools.zygote import ThreadStarted, Zygote, load  # noqa: E402


@pytest.fixture
def ends():
    """(our end of the orders, our end of the reports, the zygote); signal handlers are put back."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD]
    kept = {number: signal.getsignal(number) for number in numbers}
    orders, their_orders = socket.socketpair()
    reports, their_reports = socket.socketpair()
    zygote = Zygote(their_orders, their_reports)
    yield orders, reports, zygote
    signal.set_wakeup_fd(-1)
    for number, handler in kept.items():
        signal.signal(number, handler)
    for sock in (orders, reports, their_orders, their_reports, zygote._wakeup, zygote._wakeup_writer):
        sock.close()


def test_end_of_the_orders_is_the_end(ends) -> None:
    orders, _, zygote = ends
    orders.sendall(encode({"order": "preload", "modules": ["json", "no_such_library"]}))
    orders.shutdown(socket.SHUT_WR)
    assert zygote.serve() is None


def test_fork_before_setup_is_a_fault(ends) -> None:
    orders, _, zygote = ends
    one, two = socket.socketpair()
    with one, two:
        socket.send_fds(orders, [encode({"order": "fork", "child": 1})], [two.fileno()])
        with pytest.raises(RuntimeError, match="'fork' before 'setup'"):
            zygote.serve()


def test_reports_to_a_parent_that_is_gone_are_lost(ends) -> None:
    _, reports, zygote = ends
    reports.close()
    zygote._send({"event": "exit"})


def test_thread_of_a_library_is_noticed(ends, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders, reports, zygote = ends
    (tmp_path / "thread_starter.py").write_text(
        "import threading\ndone = threading.Event()\nthread = threading.Thread(target=done.wait)\nthread.start()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    orders.sendall(encode({"order": "preload", "modules": ["thread_starter"]}))
    try:
        assert zygote.serve() is None
    finally:
        module = sys.modules.pop("thread_starter")
        module.done.set()
        module.thread.join()
    assert Lines().feed(reports.recv(1000)) == [{"event": "threaded", "module": "thread_starter"}]


def test_what_cannot_be_loaded_is_left_to_the_child(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaving_library.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    load("leaving_library")
    load("no.such.library")
    assert issubclass(ThreadStarted, RuntimeError)
