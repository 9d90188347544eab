"""What the supervisor decides, on a clock, with workers that do as told. Real ones are in test_workers.py."""

import errno
import logging
import selectors
import signal
from typing import Any

import pytest

from levante import web
from levante.web import workers
from levante.web.leash import ALIVE, READY
from levante.web.worker_process import HUNG_UP
from levante.web.workers import BOOT_FAILED, Assignment, Supervisor


class FakeWorker:
    """A worker that says and does what the test wants."""

    STARTING, SERVING, LEAVING = "starting", "serving", "leaving"
    made: list["FakeWorker"]
    refusing = 0

    def __init__(self, message: bytes, sockets: object, *, generation: int, now: float) -> None:
        if FakeWorker.refusing:
            FakeWorker.refusing -= 1
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.generation = generation
        self.state = self.STARTING
        self.since = self.spawned = self.last_beat = now
        self.kill_at: float | None = None
        self.says = b""
        self.ended: str | None = None
        self.signals: list[int] = []
        self.retired = self.killed = self.is_late = False
        FakeWorker.made.append(self)
        self.pid = len(FakeWorker.made)

    def read(self, now: float) -> bytes:
        if self.says != HUNG_UP:
            self.last_beat = now
        return self.says

    def retire(self, now: float, within: float) -> None:
        self.state, self.retired, self.kill_at = self.LEAVING, True, now + within

    def stop(self, number: signal.Signals, now: float, within: float) -> None:
        self.state, self.kill_at = self.LEAVING, now + within
        self.signals.append(number)

    def kill(self) -> None:
        self.killed, self.kill_at = True, None

    def poll(self) -> str | None:
        return self.ended

    def close(self) -> None: ...


class FakeSelector:
    """Knows who is listened to."""

    def __init__(self) -> None:
        self.workers: list[Any] = []

    def register(self, worker: Any, events: int, data: Any) -> None:
        self.workers.append(worker)

    def unregister(self, worker: Any) -> None:
        self.workers.remove(worker)

    def get_map(self) -> dict[int, Any]:
        return {index: selectors.SelectorKey(None, index, 1, each) for index, each in enumerate(self.workers)}  # type: ignore[arg-type]


class Scene:
    """A supervisor of fake workers, on a clock that the test moves."""

    def __init__(self, *, watchdog: float | None = 30.0) -> None:
        self.now = 1000.0
        self.shown: list[str] = []
        self.selector: Any = FakeSelector()
        self.supervisor = Supervisor(
            b"", [], 2, shutdown_timeout=10.0, watchdog=watchdog, on_ready=lambda: self.shown.append("ready")
        )
        self.supervisor._last_turn = self.now
        self.supervisor._balance(self.now, self.selector)

    @property
    def workers(self) -> list[Any]:
        return self.supervisor._workers

    @property
    def made(self) -> list[FakeWorker]:
        return FakeWorker.made

    def turn(self, seconds: float = 0.0, *speakers: Any) -> None:
        """Time passes in steps of a second, in which those who serve give signs of life; then comes one turn."""
        while seconds > 1.0:
            self.now += 1.0
            seconds -= 1.0
            self.supervisor._turn(self.now, [], self.selector)
        self.now += seconds
        self.supervisor._turn(self.now, list(speakers), self.selector)

    def ready(self, *whom: FakeWorker) -> None:
        for worker in whom:
            worker.says = READY + ALIVE
        self.turn(0.1, *whom)

    def die(self, worker: FakeWorker, how: str = "exit status 1") -> None:
        worker.ended = how
        self.turn()

    def signal(self, number: int) -> None:
        self.supervisor._obey(number, self.now)
        self.turn()


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeWorker.made, FakeWorker.refusing = [], 0
    monkeypatch.setattr(workers, "WorkerProcess", FakeWorker)


def serving(**options: Any) -> Scene:
    scene = Scene(**options)
    scene.ready(*scene.made)
    return scene


@pytest.mark.parity("U10")
def test_it_is_ready_when_all_are(fakes: None) -> None:
    scene = Scene()
    assert len(scene.made) == 2
    scene.ready(scene.made[0])
    assert scene.shown == []
    scene.ready(scene.made[1])
    scene.turn(5.0)
    assert scene.shown == ["ready"]


@pytest.mark.hardening("X6")
def test_delays_grow_to_half_a_minute_while_others_serve(fakes: None, caplog: pytest.LogCaptureFixture) -> None:
    scene = serving(watchdog=None)
    delays = []
    for _ in range(12):
        began, count = scene.now, len(scene.made)
        scene.die(scene.made[-1])
        while len(scene.made) == count:
            scene.turn(0.05)
        delays.append(scene.now - began)
    expected = [0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0, 30.0]
    assert delays == pytest.approx(expected, abs=0.11)
    assert scene.supervisor._status is None
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 12


@pytest.mark.hardening("X6")
def test_five_failures_of_all_are_the_end(fakes: None) -> None:
    scene = Scene()
    attempts = 0
    while scene.supervisor._status is None:
        for worker in list(scene.workers):
            worker.ended = "exit status 1"
        scene.turn(0.1)
        attempts += 1
        count = len(scene.made)
        for _ in range(100):
            if len(scene.made) > count or scene.supervisor._status is not None:
                break
            scene.turn(0.1)
    assert (attempts, scene.supervisor._status) == (5, BOOT_FAILED)


def test_a_long_life_forgives_earlier_failures(fakes: None) -> None:
    scene = serving(watchdog=None)
    for _ in range(3):
        scene.die(scene.made[-1])
        scene.turn(1.0)
        scene.ready(scene.made[-1])
    scene.turn(workers.STABLE + 1)
    scene.die(scene.made[-1], "killed by SIGSEGV")
    assert len(scene.workers) == 2  # at once


@pytest.mark.parity("U10")
@pytest.mark.hardening("X4")
def test_a_new_worker_is_ready_before_an_old_one_goes(fakes: None) -> None:
    scene = serving()
    first, second = scene.made
    scene.signal(signal.SIGHUP)
    assert len(scene.made) == 3
    assert not first.retired
    scene.ready(scene.made[2])
    assert (first.retired, second.retired) == (True, False)
    assert len(scene.made) == 4
    scene.ready(scene.made[3])
    assert second.retired
    for worker in (first, second):
        scene.die(worker, "exit status 0")
    scene.turn(5.0)
    assert len(scene.made) == 4


def test_a_second_reload_overtakes_the_first(fakes: None) -> None:
    scene = serving()
    scene.signal(signal.SIGHUP)
    hasty = scene.made[2]
    scene.signal(signal.SIGHUP)
    assert hasty.signals == [signal.SIGTERM]
    scene.die(hasty, "killed by SIGTERM")
    for index in (3, 4):
        scene.ready(scene.made[index])
    assert [worker.generation for worker in scene.workers if worker.state == "serving"] == [2, 2]


@pytest.mark.hardening("X6")
def test_a_reload_that_fails_half_way_leaves_all_that_serve(fakes: None) -> None:
    scene = serving(watchdog=None)
    scene.signal(signal.SIGHUP)
    scene.ready(scene.made[2])
    scene.die(scene.made[0], "exit status 0")
    for _ in range(5):
        scene.die(scene.made[-1])
        scene.turn(3.0)
    count = len(scene.made)
    scene.turn(60.0)
    assert len(scene.made) == count
    assert [worker.state for worker in scene.workers] == ["serving", "serving"]
    assert scene.supervisor._status is None


@pytest.mark.hardening("X6")
def test_who_begins_to_be_silent_is_told_of_once(fakes: None, caplog: pytest.LogCaptureFixture) -> None:
    scene = serving()
    late, talking = scene.made
    for times in (1, 2):
        for _ in range(10):
            talking.says = ALIVE
            scene.turn(1.0, talking)
        (worker,) = {record.args[0] for record in caplog.records if record.levelno == logging.WARNING}
        assert worker == late.pid
        assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == times
        late.says = ALIVE
        scene.turn(0.1, late)
    assert late.signals == []


@pytest.mark.hardening("X6")
def test_who_is_silent_is_replaced(fakes: None) -> None:
    scene = serving()
    silent, talking = scene.made
    for _ in range(31):
        talking.says = ALIVE
        scene.turn(1.0, talking)
    assert silent.signals == [signal.SIGABRT]
    assert talking.signals == []
    assert len(scene.made) == 3
    scene.turn(workers.DUMP_TIME + 1, talking)
    assert silent.killed


def test_nobody_is_silent_while_the_supervisor_sleeps(fakes: None) -> None:
    scene = serving()
    scene.now += 3600.0
    scene.turn()
    assert [worker.signals for worker in scene.made] == [[], []]


def test_no_watchdog(fakes: None) -> None:
    scene = serving(watchdog=None)
    scene.turn(3600.0)
    assert len(scene.made) == 2


@pytest.mark.hardening("X2")
def test_who_does_not_end_is_killed(fakes: None) -> None:
    scene = serving()
    scene.signal(signal.SIGHUP)
    scene.ready(scene.made[2])
    leaving = scene.made[0]
    scene.signal(signal.SIGTERM)
    assert [worker.signals for worker in scene.made] == [[], [15], [15], [15]]  # who is leaving is not cut short
    scene.signal(signal.SIGHUP)
    scene.turn(10.0 + workers.RETIRE_MARGIN + 1)
    assert all(worker.killed for worker in scene.made)
    assert scene.supervisor._status == 0
    scene.signal(signal.SIGCHLD)
    assert leaving.signals == []
    scene.signal(signal.SIGINT)
    assert scene.supervisor._status == 1
    assert leaving.signals == [15]


def test_who_hangs_up_is_not_listened_to(fakes: None) -> None:
    scene = serving()
    worker = scene.made[0]
    worker.says = HUNG_UP
    scene.turn(0.1, worker)
    assert worker not in scene.selector.workers
    assert worker in scene.workers
    scene.die(worker)
    assert len(scene.workers) == 2


@pytest.mark.hardening("X8")
def test_a_system_without_processes_left(fakes: None, caplog: pytest.LogCaptureFixture) -> None:
    scene = serving(watchdog=None)
    FakeWorker.refusing = 3
    scene.die(scene.made[0])
    scene.turn(5.0)
    assert len(scene.workers) == 2
    assert len([record for record in caplog.records if "no worker can be started" in record.getMessage()]) == 3
    assert 0.0 <= scene.supervisor._patience(scene.now) <= workers.LONGEST_WAIT


def test_not_without_posix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.os, "name", "nt")
    assignment = Assignment("shop:make", None, {}, debug=None, backlog=1)
    with pytest.raises(RuntimeError, match="workers=2 needs a POSIX system"):
        workers._check(assignment, 2)
    monkeypatch.undo()
    for app in (web.Application(), 5):
        with pytest.raises(TypeError, match="each worker makes an application of its own"):
            workers._check(Assignment(app, None, {}, debug=None, backlog=1), 2)
