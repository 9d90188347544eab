"""`make soak` asks for everything, and tells growth from noise."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soak

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "soak.py"
MINUTES = 30
EVERY = 5  # seconds


def samples(
    *,
    minutes: float = MINUTES,
    mib: Callable[[float], float] = lambda minute: 40.0,
    fds: Callable[[float], int] = lambda minute: 16,
    tasks: Callable[[float], int] = lambda minute: 2,
) -> list[soak.Sample]:
    """What would be noted where the server has so much after so many minutes."""
    moments = [at / 60 for at in range(0, int(minutes * 60), EVERY)]
    return [soak.Sample(m * 60, int(mib(m) * soak.MIB), fds(m), tasks(m), 1000, 1) for m in moments]


def grows(mib_in_10_minutes: float) -> Callable[[float], float]:
    return lambda minute: 40 + mib_in_10_minutes * minute / 10


def test_what_stays_as_it_is_is_fine() -> None:
    assert soak.faults(samples()) == []


@pytest.mark.parametrize("minutes", [10, 30])
def test_memory_may_grow_by_half_a_mebibyte_in_ten_minutes(minutes: int) -> None:
    assert soak.faults(samples(minutes=minutes, mib=grows(0.49))) == []
    (line,) = soak.faults(samples(minutes=minutes, mib=grows(0.6)))
    assert line.startswith("memory grows by 0.60 MiB in 10 minutes")


def test_growth_in_the_warm_up_is_not_judged() -> None:
    assert soak.faults(samples(mib=lambda minute: 30 + 10 * min(minute, MINUTES * soak.WARM_UP))) == []


def test_slope_of_a_short_run_is_not_judged() -> None:
    assert soak.faults(samples(minutes=5, mib=grows(5))) == []


@pytest.mark.parametrize("minutes", [1, 30])
def test_descriptors_and_tasks_may_not_grow(minutes: int) -> None:
    def leak(minute: float) -> int:
        return 16 + int(minute * 4 / minutes)

    assert len(soak.faults(samples(minutes=minutes, fds=leak))) == 1
    (line,) = soak.faults(samples(minutes=minutes, tasks=leak))
    assert line.startswith("tasks grew from at most ")


def test_those_that_come_and_go_are_fine() -> None:
    assert (
        soak.faults(samples(fds=lambda minute: 16 + int(minute * 60) % 2, tasks=lambda minute: int(minute) % 5)) == []
    )


def test_a_wrong_answer_is_an_error() -> None:
    with pytest.raises(soak.SoakError, match="answered 'b'; expected 'a'"):
        soak.expect("a", "b")


def test_table_is_short_and_ends_with_the_last() -> None:
    noted = samples()
    lines = soak.table(noted).splitlines()
    assert 10 < len(lines) <= soak.SHOWN_ROWS + 1
    assert lines[-1].split()[0] == f"{noted[-1].at / 60:.2f}"


def test_three_seconds_of_it() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--minutes", "0.05"], capture_output=True, text=True, check=False, timeout=60
    )
    head, *rows, verdict = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert head.split() == ["minute", "requests", "MiB", "fds", "tasks", "objects"]
    assert len(rows) >= soak.MIN_SAMPLES
    assert int(rows[-1].split()[1]) >= soak.MIN_SAMPLES * soak.ROUND
    assert verdict.endswith("after the warm-up; not judged below 10 minutes")
