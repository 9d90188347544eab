"""How slowly a body may come: a rate that the peer has to keep up, on a clock that is handed in.

Without it a peer holds an exchange for hours with a byte now and then, each just before the limit on silence. The pace
is one deadline: it lies `grace` seconds ahead when the clock starts, moves on by the time that each received byte is
worth, and never lies further ahead than `reserve` seconds, so that a fast beginning does not buy a slow end. While we
are the ones who do not read, the clock stands still.
"""


class Pace:
    """Bytes a second that a peer must deliver; all times are in seconds."""

    __slots__ = ("_deadline", "_grace", "_rate", "_reserve")

    def __init__(self, rate: float, grace: float, reserve: float) -> None:
        self._rate = rate
        self._reserve = max(reserve, grace)
        self._grace = grace  # what is left of the time, while the clock stands still
        self._deadline = 0.0  # 0: the clock stands still

    def start(self, now: float) -> None:
        """Let the clock run, if it does not."""
        if self._deadline == 0.0:
            self._deadline = now + self._grace

    def stop(self, now: float) -> None:
        """Have the clock stand still, keeping what is left of the time."""
        if self._deadline:
            self._grace = max(self._deadline - now, 0.0)
            self._deadline = 0.0

    def take(self, count: int) -> None:
        """Count `count` bytes that came."""
        if self._deadline:
            self._deadline += count / self._rate
        else:
            self._grace += count / self._rate

    def time_left(self, now: float) -> float:
        """How long the peer may go on as it does; below 0 it has been too slow. To be asked while the clock runs."""
        self._deadline = min(self._deadline, now + self._reserve)
        return self._deadline - now
