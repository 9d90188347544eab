"""What a target is, how it says what it found, and the time that one input may take."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# CPU seconds for one input of a few KiB, walked through in half a dozen ways; real ones take milliseconds.
MAX_SECONDS = 3.0


class Finding(Exception):
    """A parser broke a promise that is not about its errors."""


@dataclass(frozen=True)
class Target:
    """One parser under test. `check` raises for bad behaviour; `words` are what a mutation may put into an input.

    The first byte of an input holds options (limits, roles, methods); `seeds` are whole inputs, with that byte.
    """

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[bytes, ...] = ()
    is_compiled: bool = False  # whether compiled code of ours runs, so that a sanitizer has something to look at

    def run(self, data: bytes) -> None:
        """Check one input, and the CPU time that it took."""
        started = time.process_time()
        self.check(data)
        seconds = time.process_time() - started
        if seconds > MAX_SECONDS:
            raise Finding(
                f"{self.name}: {len(data)} bytes took {seconds:.1f} s of CPU; at most {MAX_SECONDS} are allowed"
            )


def expect_equal(got: object, expected: object, what: str) -> None:
    """Raise a Finding that shows both sides unless they are equal."""
    if got != expected:
        raise Finding(f"{what}:\n  {got!r}\nis not\n  {expected!r}")


def expect(condition: bool, what: str) -> None:
    """Raise a Finding unless the condition holds."""
    if not condition:
        raise Finding(what)
