"""When to ping and when to give up, decided on a clock that is handed in; nothing here waits or sends.

A peer that sends anything is alive. One that has been silent for the interval is asked by a ping; one that stays
silent for half an interval more is dead. While this side is not reading, silence proves nothing, so the clock starts
anew when it reads again.
"""

from enum import Enum

__all__ = ["KeepAlive", "Verdict"]

# The share of the interval that a pinged peer has for its answer (aiohttp's rule).
_ANSWER_SHARE = 2.0


class Verdict(Enum):
    """What is to be done now."""

    WAIT = "wait"
    PING = "ping"
    DEAD = "dead"


class KeepAlive:
    """The schedule of one connection. `interval` in seconds; `now` is any monotonic clock, in seconds."""

    __slots__ = ("_deadline", "_interval", "_pinged")

    def __init__(self, interval: float, *, now: float) -> None:
        if interval <= 0:
            raise ValueError(f"got heartbeat {interval!r}; expected seconds above 0, or None for no heartbeat")
        self._interval = interval
        self._deadline = now + interval
        self._pinged = False

    @property
    def answer_time(self) -> float:
        """Seconds that a pinged peer has."""
        return self._interval / _ANSWER_SHARE

    @property
    def deadline(self) -> float:
        """When to ask `check` again."""
        return self._deadline

    def received(self, now: float) -> None:
        """The peer sent something, or this side began to read again."""
        self._pinged = False
        self._deadline = now + self._interval

    def check(self, now: float) -> Verdict:
        """What is due at `now`; after PING the deadline is that of the answer."""
        if now < self._deadline:
            return Verdict.WAIT
        if self._pinged:
            return Verdict.DEAD
        self._pinged = True
        self._deadline = now + self.answer_time
        return Verdict.PING
