"""Deadlines that travel: through contexts, and as milliseconds in a header."""

import asyncio
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http import deadlines


def test_there_is_none_unless_somebody_sets_one() -> None:
    assert deadlines.remaining() is None
    with deadlines.within(5):
        assert 4 < (deadlines.remaining() or 0) <= 5
        with deadlines.within(50):
            assert (deadlines.remaining() or 0) <= 5
        with deadlines.within(1):
            assert (deadlines.remaining() or 0) <= 1
        assert (deadlines.remaining() or 0) > 4
        with deadlines.no_deadline():
            assert deadlines.remaining() is None
    assert deadlines.remaining() is None


def test_one_that_holds_no_more_is_none() -> None:
    waits = True
    with deadlines.within(50), deadlines.within(5, holds=lambda: waits):
        assert (deadlines.remaining() or 0) <= 5
        waits = False
        assert 40 < (deadlines.remaining() or 0) <= 50
    with deadlines.within(5, holds=lambda: waits):
        assert deadlines.remaining() is None


def test_one_that_has_passed_is_negative() -> None:
    with deadlines.within(-1):
        assert (deadlines.remaining() or 0) <= -1


@pytest.mark.parametrize("seconds", [math.inf, -math.inf, math.nan])
def test_a_deadline_is_finite(seconds: float) -> None:
    with pytest.raises(ValueError, match="finite"), deadlines.within(seconds):
        pass


async def test_tasks_inherit_it_and_can_shed_it() -> None:
    async def ask() -> float | None:
        return deadlines.remaining()

    with deadlines.within(5):
        inherited = asyncio.create_task(ask())
        with deadlines.no_deadline():
            free = asyncio.create_task(ask())
    assert await inherited is not None
    assert await free is None


@given(st.floats(min_value=0, max_value=9_000_000))
def test_over_the_wire_nothing_is_gained_and_at_most_a_millisecond_lost(seconds: float) -> None:
    received = deadlines.parse_remaining(deadlines.format_remaining(seconds))
    assert received is not None
    assert seconds - 0.0011 <= received <= seconds


def test_formats() -> None:
    assert deadlines.format_remaining(-3) == "0"
    assert deadlines.format_remaining(1.2345) == "1234"
    assert deadlines.parse_remaining(" 1500\t") == 1.5


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e3", "٣", "12345678901", "1 2", "0x10", "+5"])
def test_what_is_no_count_is_none(text: str) -> None:
    assert deadlines.parse_remaining(text) is None


def test_the_error_tells_how_late_and_what_to_do() -> None:
    error = pickle.loads(pickle.dumps(deadlines.DeadlineExceeded(0.25)))
    assert error.late == 0.25
    assert "0.250 s ago" in str(error)
    assert "no_deadline" in str(error)
    assert isinstance(error, TimeoutError)
