"""How late the event loop is. Everything that waits in a process waits for its loop, and what blocks that (a long
calculation, a library that waits without telling) shows nowhere else: a timer that should have come by now tells it,
and does so as well when the question is the first thing that is done after a long block.
"""

import asyncio
import time
from typing import Final

INTERVAL: Final = 0.25
"""Seconds between two measurements: how long a lag is remembered when it is over, too."""


class LoopLag:
    """Measures the running loop between `start` and `stop`; before and after that there is no lag."""

    def __init__(self) -> None:
        self._due: float | None = None
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def seconds(self) -> float:
        """How late the last measurement came, or how late the next one is by now."""
        return 0.0 if self._due is None else max(self._last, time.monotonic() - self._due)

    def start(self) -> None:
        """Begin."""
        self._due = time.monotonic() + INTERVAL
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._measure)

    def stop(self) -> None:
        """End."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()

    def _measure(self) -> None:
        if self._due is not None:
            self._last = max(0.0, time.monotonic() - self._due)
            self.start()
