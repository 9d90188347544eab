"""Log lines that a peer or a fault could cause thousands of times a second: at most one a second for each kind, with
the number of those that were left out. A log that fills the disk is an outage of its own.
"""

import logging
import time
from collections.abc import Callable

INTERVAL = 1.0
"""Seconds between two lines of one kind."""


class SampledLog:
    """A logger for lines of which one a second tells enough. `clock` gives monotonic seconds."""

    __slots__ = ("_clock", "_last", "_left_out", "_logger")

    def __init__(self, logger: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def tell(self, kind: str, message: str, *args: object) -> None:
        """Log a warning of a kind, or count it. Kinds are few, and never made of what a peer sent."""
        now = self._clock()
        last = self._last.get(kind)
        if last is not None and now - last < INTERVAL:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._last[kind] = now
        left_out = self._left_out.pop(kind, 0)
        if left_out:
            self._logger.warning("%s (and %d more since the last line)", message % args, left_out)
        else:
            self._logger.warning(message, *args)
