"""The clock of all deadlines: seconds that only ever grow, whatever happens to the time of day."""

import time

_monotonic = time.monotonic


def now() -> float:
    """Seconds since some moment in the past. Asked for directly: event loops hand the same out by a longer way."""
    return _monotonic()
