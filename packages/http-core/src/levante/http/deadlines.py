"""The moment by which the work at hand is no longer of use, carried in the context so that it reaches requests made
while a request is served. Whoever limits work says so with `within(seconds)`; whoever sends a request asks
`remaining()` and passes that on in a header. A deadline carried is only known: cancelling what runs late is the
business of whoever set it. Over the wire go the milliseconds that are left, never a time of day, for the clocks of two
machines differ; what the way takes is not counted.

There is no standard header. `DEADLINE_HEADER` is the one that Envoy, and with it most service meshes, documents and
sends on every request to an upstream: "the time in milliseconds the router expects the request to be completed". It
can be named otherwise wherever it is used.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple

__all__ = [
    "DEADLINE_HEADER",
    "DeadlineExceeded",
    "format_remaining",
    "no_deadline",
    "parse_remaining",
    "remaining",
    "within",
]

DEADLINE_HEADER: Final = "X-Envoy-Expected-Rq-Timeout-Ms"
"""Where the milliseconds that are left travel, unless another name is set."""

_MAX_DIGITS: Final = 10
"""Of the milliseconds in a header: 115 days; longer is nonsense, and int() is not fed what grows without end."""


class _Deadline(NamedTuple):
    """One that was set: it counts while `holds` says so, and the one around it counts as well."""

    when: float
    holds: Callable[[], bool] | None
    outer: "_Deadline | None"


_deadline: ContextVar[_Deadline | None] = ContextVar("levante.http.deadlines", default=None)


class DeadlineExceeded(TimeoutError):
    """The deadline of the work at hand has passed: `late` seconds ago."""

    def __init__(self, late: float) -> None:
        super().__init__(late)
        self.late = late

    def __str__(self) -> str:
        return (
            f"the deadline of the work at hand passed {self.late:.3f} s ago, so nothing new is begun for it; "
            "work that may take longer belongs inside no_deadline()"
        )


def remaining() -> float | None:
    """The seconds until the deadline of the current context, negative when it has passed; None when there is none."""
    deadline = _deadline.get()
    if deadline is None:
        return None
    soonest = math.inf
    while deadline is not None:
        if deadline.holds is None or deadline.holds():
            soonest = min(soonest, deadline.when)
        deadline = deadline.outer
    return None if soonest == math.inf else soonest - time.monotonic()


@contextmanager
def within(seconds: float, *, holds: Callable[[], bool] | None = None) -> Iterator[None]:
    """What is done inside must be done in `seconds`; a deadline that is sooner already stays. With `holds` it counts
    only while that gives true: a limit on the time to an answer ends when the answer has begun. ValueError for a number
    that is not finite."""
    if not math.isfinite(seconds):
        raise ValueError(f"a deadline is a finite number of seconds away, got {seconds!r}")
    token = _deadline.set(_Deadline(time.monotonic() + seconds, holds, _deadline.get()))
    try:
        yield
    finally:
        _deadline.reset(token)


@contextmanager
def no_deadline() -> Iterator[None]:
    """What is begun inside goes on without the deadline of the context: work that outlives the request it came from."""
    token = _deadline.set(None)
    try:
        yield
    finally:
        _deadline.reset(token)


def format_remaining(seconds: float) -> str:
    """`seconds` as they are sent: whole milliseconds, rounded down so that nobody is given more than there is."""
    return str(max(0, math.floor(seconds * 1000)))


def parse_remaining(text: str) -> float | None:
    """The seconds that a header field grants; None for what is no count of milliseconds."""
    text = text.strip(" \t")
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        return None
    return int(text) / 1000
