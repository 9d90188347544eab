"""How much slower this machine is now than it would be with nothing else to do, so that a test may hold a bound in
seconds against what the machine allowed. A thread does the same small piece of work again and again, and compares the
time that passed with the processor time that the work took: the quotient is 1 where nobody else wants the processor.
"""

import threading
import time
from types import TracebackType

PIECE = 20_000  # steps: a millisecond or two, so that several other processes show
PAUSE = 0.05  # seconds between two pieces: the measuring itself has to be a small load
MARGIN = 2.0  # what a single piece of work cannot tell: others came in between of those that are measured


class Slowdown:
    """Measures while it is entered; `allows(seconds)` is the bound that is fair for what took place meanwhile."""

    def __init__(self) -> None:
        self.factor = 1.0
        """The greatest quotient so far."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def __enter__(self) -> "Slowdown":
        self._piece()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._piece()

    def allows(self, seconds: float) -> float:
        """`seconds` on an idle machine, and as many more as this one is slower."""
        return seconds * max(1.0, self.factor) * MARGIN

    def _measure(self) -> None:
        while not self._over.wait(PAUSE):
            self._piece()

    def _piece(self) -> None:
        passed, used = time.perf_counter(), time.thread_time()
        for _ in range(PIECE):
            pass
        passed, used = time.perf_counter() - passed, time.thread_time() - used
        self.factor = max(self.factor, passed / max(used, 1e-6))
