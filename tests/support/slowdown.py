"""How much slower this machine is now than it would be with nothing else to do, so that a test may hold a bound in
seconds against what the machine allowed. A process does the same piece of work now and then, and compares the time that
passed with the processor time that it took: the quotient is 1 where nobody else wants the processor. The system's own
count of who wants to run is the other witness, for a piece of work may be lucky.
"""

import os
import subprocess
import sys
from types import TracebackType

MARGIN = 2.0  # what the witnesses cannot tell: they did not run in the place of what is measured
WITNESS = """
import select, sys, time
while True:
    passed, used = time.perf_counter(), time.process_time()
    for _ in range(500_000):  # some 20 ms: more than the system lets anybody do at once when others wait
        pass
    print((time.perf_counter() - passed) / (time.process_time() - used), flush=True)
    if select.select([sys.stdin], [], [], 0.2)[0]:
        break
"""


class Slowdown:
    """Measures while it is entered; `allows(seconds)` is the bound that is fair for what took place meanwhile."""

    def __init__(self) -> None:
        self.factor = self._wanted()
        """How much slower, as far as is known."""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Slowdown":
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WITNESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is None:
            raise RuntimeError("a Slowdown that was not entered")
        said, _ = self._process.communicate()
        self.factor = max(self.factor, self._wanted(), *(float(line) for line in said.split()))

    def allows(self, seconds: float) -> float:
        """`seconds` on an idle machine, and as many more as this one is slower."""
        return seconds * self.factor * MARGIN

    @staticmethod
    def _wanted() -> float:
        return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
