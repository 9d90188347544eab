"""The pace that a body must keep, on clocks made of numbers."""

import pytest
from http_support.plain import plain

import levante.http.pace as compiled_or_plain

pytestmark = pytest.mark.hardening("X10")


@pytest.fixture(params=["as chosen", "plain"])
def pace(request: pytest.FixtureRequest) -> compiled_or_plain.Pace:
    """100 bytes a second, after 10 s, with a reserve of 30 s."""
    module = compiled_or_plain if request.param == "as chosen" else plain("http.pace")
    made: compiled_or_plain.Pace = module.Pace(100.0, 10.0, 30.0)
    return made


def test_grace_at_the_beginning(pace: compiled_or_plain.Pace) -> None:
    pace.start(1000.0)
    assert pace.time_left(1009.0) == pytest.approx(1.0)
    assert pace.time_left(1011.0) == pytest.approx(-1.0)


def test_bytes_earn_time(pace: compiled_or_plain.Pace) -> None:
    pace.start(1000.0)
    pace.take(500)
    assert pace.time_left(1000.0) == pytest.approx(15.0)


def test_a_fast_beginning_buys_no_slow_end(pace: compiled_or_plain.Pace) -> None:
    pace.start(1000.0)
    pace.take(1_000_000)
    assert pace.time_left(1001.0) == pytest.approx(30.0)
    assert pace.time_left(1032.0) == pytest.approx(-1.0)


def test_the_clock_stands_still_while_nobody_reads(pace: compiled_or_plain.Pace) -> None:
    pace.start(1000.0)
    pace.stop(1004.0)
    pace.stop(1005.0)
    pace.take(100)
    pace.start(2000.0)
    pace.start(2001.0)
    assert pace.time_left(2000.0) == pytest.approx(7.0)


def test_what_is_overdrawn_is_forgiven(pace: compiled_or_plain.Pace) -> None:
    """The one who stops the clock has found the peer good enough."""
    pace.start(1000.0)
    pace.stop(1020.0)
    pace.start(2000.0)
    assert pace.time_left(2000.0) == pytest.approx(0.0)
