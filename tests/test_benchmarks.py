"""The benchmark measures every piece of work with levante, counts, and lets no wrong answer pass."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import counters
import pytest
import workloads
from catalogue import FLOOR, IN_USE, SUBJECTS
from load import Budget, Connection, Generator, WrongAnswer
from measure import Plan, count_instructions
from measure import Row as MeasuredRow
from report import Report, table

ROOT = Path(__file__).resolve().parent.parent
GREETED = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n8\r\n, world!\r\n0\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
# As perf does, it hears SIGINT also where that was ignored before it began, as in a background job.
PERF = f"""#!{sys.executable}
import signal, sys
if sys.argv[-1] == "true":
    print("1,,instructions:u", file=sys.stderr)
    sys.exit()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
signal.sigwait([signal.SIGINT])
print("123456,,instructions:u,1,100.00,,", file=sys.stderr)
"""


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_a_quick_run_measures_all_that_levante_does(tmp_path: Path) -> None:
    done = bench("--quick", "--count", "none", "--results", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "latest.json").read_text())["rows"]
    expected = {(work, each.name) for each in SUBJECTS if each.peer == "levante" for work in each.works}
    assert {(row["work"], row["subject"]) for row in rows} == expected
    assert {row["work"] for row in rows} == {work.key for work in workloads.WORKLOADS}
    for row in rows:
        is_idle = row["work"].startswith("idle")
        assert is_idle == (row["kib_each"] is not None)
        figures = [] if is_idle else ["per_second"]
        assert [name for name in [*figures, "p50", "p99", "peak_mib"] if not row[name] > 0] == []
        assert f"  {row['subject']:<28}" in done.stdout


@pytest.mark.parametrize("choice", [["--only", "hello tea"], ["--peers", "nobody"]])
def test_an_unknown_name_is_refused_with_the_known_ones(choice: list[str]) -> None:
    done = bench(*choice)
    assert done.returncode != 0
    assert "expected some of" in done.stderr


def test_an_interrupted_run_reports_what_it_has(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--quick", "--count", "none"]
    command += ["--only", "hello", "--results", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "everything on" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert "interrupted" in output
    assert "levante" in {row["subject"] for row in json.loads((tmp_path / "latest.json").read_text())["rows"]}


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """The port of a server that gives the answers in turn, one to whatever comes, and closes."""

    def serve() -> None:
        connection, _ = listener.accept()
        with closing(connection):
            for answer in answers:
                connection.recv(65536)
                connection.sendall(answer)
            connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def load(port: int, key: str, count: int) -> int:
    work = next(each for each in workloads.WORKLOADS if each.key == key)
    with closing(Connection(port, work.is_right, is_websocket=work.is_websocket)) as connection:
        return Generator([connection], work.request).run(Budget(count, 10)).count


def test_right_answers_are_counted_in_each_framing() -> None:
    with answering(GREETED, GREETED, GREETED) as port:
        assert load(port, "hello-2", 3) == 3
    with answering(CHUNKED) as port:
        assert load(port, "hello-2", 1) == 1
    with answering(SWITCHED, b"\x81\x40" + b"levante " * 8) as port:
        assert load(port, "ws-64", 1) == 1


@pytest.mark.parametrize(
    ("key", "answers"),
    [
        ("hello-2", [GREETED.replace(b"200 OK", b"404 No")]),
        ("hello-2", [GREETED.replace(b"world", b"globe")]),
        ("hello-2", [GREETED + b"!"]),
        ("hello-2", [CHUNKED.replace(b"world", b"globe")]),
        ("hello-2", [GREETED, GREETED + b"!"]),
        ("hello-2", [GREETED, GREETED.replace(b"200 OK", b"500 No")]),
        ("hello-2", [GREETED]),
        ("json", [GREETED.replace(b"Hello, world!", b'{"id":4711.0}')]),
        ("ws-64", [GREETED]),
        ("ws-64", [SWITCHED, b"\x81\x40" + b"llevante" * 8]),
        ("ws-64", [SWITCHED, b"\x88\x02\x03\xe8"]),
    ],
)
def test_a_wrong_answer_ends_the_run(key: str, answers: list[bytes]) -> None:
    with answering(*answers) as port, pytest.raises(WrongAnswer):
        load(port, key, 2)


@pytest.mark.skipif(not counters.has_callgrind(), reason="valgrind is not installed")
def test_callgrind_counts_the_instructions_of_a_request_alone() -> None:
    """A bare protocol takes about 5,000, start-up some hundred million; a longer request adds a few at most."""
    works = [work for work in workloads.WORKLOADS if work.key in FLOOR.works]
    counted = count_instructions(Plan(Path(sys.executable), counted_share=0.1), FLOOR, works)
    assert counted.keys() == set(FLOOR.works)
    assert 2_500 < counted["hello-2"] < 15_000
    assert counted["hello-13"] == pytest.approx(counted["hello-2"], rel=0.3)


def test_perf_counts_a_phase_of_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    perf = tmp_path / "perf"
    perf.write_text(PERF)
    perf.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(counters, "PERF_ATTACHES", 2.0)  # a Python that stands in for it takes longer to begin
    assert counters.why_no_perf() is None
    with counters.perf([os.getpid()]) as tally:
        assert tally.instructions is None
    assert tally.instructions == 123456


def test_what_is_missing_for_counting_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not installed" in str(counters.why_no_perf())
    assert not counters.has_callgrind()
    python = shutil.which(sys.executable)
    assert python is not None
    done = bench("--quick", "--only", "hello-2", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "no instructions are counted" in done.stdout


def test_the_table_compares_levante_with_the_best_peer_and_not_with_the_floor() -> None:
    rows = [
        MeasuredRow("hello-2", name, instructions=count)
        for name, count in (("levante", 30e3), ("slow", 90e3), ("fast", 20e3), (FLOOR.name, 5e3))
    ]
    assert "1.50 times the cost of fast" in table(Report(rows))
    rows = [MeasuredRow("parse", name, p50=time) for name, time in (("levante", 3.0), ("httptools", 2.0), ("h11", 1.0))]
    assert "levante: 1.50 times httptools' time" in table(Report(rows))


def test_the_table_says_what_the_framework_adds_to_hello() -> None:
    rows = [
        MeasuredRow("hello-2", name, instructions=count) for name, count in (("levante", 30e3), (IN_USE.name, 42e3))
    ]
    assert "levante, in use: 12.0k instructions above the plain one (at most 15.0k is the aim)" in table(Report(rows))
    for row in rows:
        row.instructions = None
    assert "above the plain one" not in table(Report(rows))
