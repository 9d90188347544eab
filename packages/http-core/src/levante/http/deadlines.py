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
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Final

__all__ = [
    "DEADLINE_HEADER",
    "Deadline",
    "DeadlineExceeded",
    "current_deadline",
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


class Deadline:
    """One that is set by `with`: it counts while `holds()` says so, and the one around it counts as well. `when` is a
    time of `time.monotonic()`. `within` makes them; a subclass is for whoever knows more about its deadline.
    """

    __slots__ = ("_token", "outer", "when")

    def __init__(self, when: float) -> None:
        self.when = when

    def holds(self) -> bool:
        """Whether there still is something to be in time for."""
        return True

    def __enter__(self) -> None:
        self.outer = current_deadline.get()
        self._token = current_deadline.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        current_deadline.reset(self._token)


current_deadline: ContextVar[Deadline | None] = ContextVar("levante.http.deadlines", default=None)
"""What was set last in the current context."""


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
    deadline = current_deadline.get()
    if deadline is None:
        return None
    soonest = math.inf
    while deadline is not None:
        if deadline.holds():
            soonest = min(soonest, deadline.when)
        deadline = deadline.outer
    return None if soonest == math.inf else soonest - time.monotonic()


def within(seconds: float, *, holds: Callable[[], bool] | None = None) -> AbstractContextManager[None]:
    """What is done inside must be done in `seconds`; a deadline that is sooner already stays. With `holds` it counts
    only while that gives true: a limit on the time to an answer ends when the answer has begun. ValueError for a number
    that is not finite."""
    if not math.isfinite(seconds):
        raise ValueError(f"a deadline is a finite number of seconds away, got {seconds!r}")
    return _Within(time.monotonic() + seconds, holds)


class _Within(Deadline):
    """What `within` gives."""

    __slots__ = ("_holds",)

    def __init__(self, when: float, holds: Callable[[], bool] | None) -> None:
        super().__init__(when)
        self._holds = holds

    def holds(self) -> bool:
        return self._holds is None or self._holds()


@contextmanager
def no_deadline() -> Iterator[None]:
    """What is begun inside goes on without the deadline of the context: work that outlives the request it came from."""
    token = current_deadline.set(None)
    try:
        yield
    finally:
        current_deadline.reset(token)


def format_remaining(seconds: float) -> str:
    """`seconds` as they are sent: whole milliseconds, rounded down so that nobody is given more than there is."""
    return str(max(0, math.floor(seconds * 1000)))


def parse_remaining(text: str) -> float | None:
    """The seconds that a header field grants; None for what is no count of milliseconds."""
    text = text.strip(" \t")
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        return None
    return int(text) / 1000
