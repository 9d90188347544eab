"""Log lines that a peer or a fault could cause thousands of times a second: at most one a second for each kind, with
the number of those that were left out. A log that fills the disk is an outage of its own. Where a loop runs, the last
of those that were left out is told with their number when its second is over, so that no count waits for the next
fault.
"""

import asyncio
import logging
import time
from collections.abc import Callable

INTERVAL = 1.0
"""Seconds between two lines of one kind."""

_NOTHING: tuple[int, str, tuple[object, ...]] = (0, "", ())


class SampledLog:
    """A logger for lines of which one a second tells enough. `clock` gives monotonic seconds."""

    __slots__ = ("_clock", "_last", "_left_out", "_logger", "_timers")

    def __init__(self, logger: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._last: dict[str, float] = {}
        self._left_out: dict[str, tuple[int, str, tuple[object, ...]]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def tell(self, kind: str, message: str, *args: object, exc_info: BaseException | None = None) -> None:
        """Log a warning of a kind, or count it. Kinds are few, and never made of what a peer sent. `exc_info` is the
        error whose traceback belongs to the line; it is shown for those that are told at once.
        """
        now = self._clock()
        last = self._last.get(kind)
        if last is not None and now - last < INTERVAL:
            self._left_out[kind] = (self._left_out.get(kind, _NOTHING)[0] + 1, message, args)
            if kind not in self._timers:
                self._come_back(kind, INTERVAL - (now - last))
            return
        timer = self._timers.pop(kind, None)
        if timer is not None:
            timer.cancel()
        self._last[kind] = now
        self._write(message, args, self._left_out.pop(kind, _NOTHING)[0], exc_info)

    def tell_rest(self) -> None:
        """Log what was left out of each kind, before an end after which nobody would."""
        for kind in list(self._left_out):
            self._tell_last(kind)

    def _come_back(self, kind: str, delay: float) -> None:
        """Tell what is left out when it may be told, if there is a loop that does so."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._timers[kind] = loop.call_later(delay, self._tell_last, kind)

    def _tell_last(self, kind: str) -> None:
        timer = self._timers.pop(kind, None)
        if timer is not None:
            timer.cancel()
        count, message, args = self._left_out.pop(kind, _NOTHING)
        if count:
            self._last[kind] = self._clock()
            self._write(message, args, count - 1, None)

    def _write(self, message: str, args: tuple[object, ...], left_out: int, error: BaseException | None) -> None:
        if left_out:
            message, args = message + " (and %d more since the last line)", (*args, left_out)
        self._logger.warning(message, *args, exc_info=error)
