"""Log lines that anyone on the internet can cause: one of a kind at most once a minute, so that a flood of bad cookies
is no flood of logs. What was left out is counted and told with the next line. Kinds are a fixed few phrases of ours,
so the table cannot grow."""

import logging
import time
from typing import Final

LOG: Final = logging.getLogger("levante.sessions")
QUIET_SECONDS: Final = 60.0


class Notices:
    """Warnings, each kind at most once in QUIET_SECONDS."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._skipped: dict[str, int] = {}

    def warn(self, kind: str, message: str) -> None:
        """Log `message % kind` at warning level, unless one of this kind was logged a moment ago."""
        now = time.monotonic()
        if now - self._last.get(kind, -QUIET_SECONDS) < QUIET_SECONDS:
            self._skipped[kind] = self._skipped.get(kind, 0) + 1
            return
        self._last[kind] = now
        skipped = self._skipped.pop(kind, 0)
        if skipped:
            message += f"; {skipped} more of this kind since the last such line"
        LOG.warning(message, kind)
