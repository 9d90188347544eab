"""The heartbeat's schedule, on a clock of the test's own."""

import pytest

from levante.ws.keepalive import KeepAlive, Verdict


@pytest.mark.hardening("W32")
@pytest.mark.parity("S41")
def test_a_silent_peer_is_pinged_and_then_dead() -> None:
    keepalive = KeepAlive(20.0, now=100.0)
    assert (keepalive.deadline, keepalive.answer_time) == (120.0, 10.0)
    assert keepalive.check(119.9) is Verdict.WAIT
    assert keepalive.check(120.0) is Verdict.PING
    assert keepalive.deadline == 130.0
    assert keepalive.check(129.9) is Verdict.WAIT
    assert keepalive.check(130.0) is Verdict.DEAD


@pytest.mark.parity("S41")
def test_anything_that_comes_starts_the_clock_anew() -> None:
    keepalive = KeepAlive(20.0, now=0.0)
    keepalive.received(5.0)
    assert keepalive.check(20.0) is Verdict.WAIT
    assert keepalive.check(25.0) is Verdict.PING
    keepalive.received(26.0)
    assert keepalive.check(35.0) is Verdict.WAIT
    assert keepalive.check(46.0) is Verdict.PING


@pytest.mark.parametrize("interval", [0, -1.0])
def test_intervals_that_make_no_sense(interval: float) -> None:
    with pytest.raises(ValueError, match="expected seconds above 0"):
        KeepAlive(interval, now=0.0)
