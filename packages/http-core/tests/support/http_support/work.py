"""How much work a function does, counted so that neither the clock nor the load of the machine matters.

`counted()` traces the lines of Python that run in the plain form, which shows loops over what has been seen before; and
by tracemalloc, line by line, the bytes that each line allocated at most at once, which shows the copies that C makes
of a buffer (`buffer += data`, `buffer[n:]`, join, split). What neither can see are scans and shifts inside C without a
copy (find() from the beginning, a regular expression that goes back, pop(0)): for those `cpu_ratio()` compares the
processor time of eight times the input with that of one, which a busy machine stretches alike.
"""

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import levante.http

SOURCE = str(Path(levante.http.__file__).parent)

# Bytes that a line allocates for objects of its own, those of the trace included; added up over all lines they would
# hide the copies of a buffer, which are larger as soon as they matter.
SMALL = 400

# Below this many seconds for the larger input, a ratio says nothing, and nobody is hurt.
NEGLIGIBLE = 0.004

# How much more input cpu_ratio() gives the second time.
FACTOR = 8


class Work(NamedTuple):
    """Lines of Python that ran, and bytes that were allocated by lines that took more than SMALL at once."""

    lines: int
    allocated: int


class _Counter:
    """A trace function. `base` is the memory in use when the line at hand began."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.lines = 0
        self.allocated = 0
        self.base = 0

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        return self.line if frame.f_code.co_filename.startswith(self.prefix) else None

    def line(self, frame: FrameType, event: str, arg: object) -> Any:
        self.lines += 1
        self.settle()
        return self.line

    def settle(self) -> None:
        """Add what the line at hand has allocated, and begin the next one."""
        now, peak = tracemalloc.get_traced_memory()
        if peak - self.base > SMALL:
            self.allocated += peak - self.base
        self.base = now
        tracemalloc.reset_peak()


def counted(function: Callable[[], object], *, prefix: str = SOURCE) -> Work:
    """The work of `function` in code whose files begin with `prefix`."""
    counter = _Counter(prefix)
    collects, before = gc.isenabled(), sys.gettrace()
    gc.disable()
    tracemalloc.start(1)
    try:
        counter.base = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        sys.settrace(counter)
        try:
            function()
        finally:
            sys.settrace(before)
        counter.settle()
    finally:
        tracemalloc.stop()
        if collects:
            gc.enable()
    return Work(counter.lines, counter.allocated)


def cpu_ratio(prepare: Callable[[int], Callable[[], object]], size: int) -> float:
    """How many times the processor time of `size` the work on FACTOR times as much takes; 0.0 if that is negligible.

    The best of five for the small input, and of three for the large one.
    """
    large = _best(prepare(size * FACTOR), 3)
    return 0.0 if large < NEGLIGIBLE else large / _best(prepare(size), 5)


def _best(function: Callable[[], object], turns: int) -> float:
    collects = gc.isenabled()
    gc.disable()
    try:
        return min(_seconds(function) for _ in range(turns))
    finally:
        if collects:
            gc.enable()


def _seconds(function: Callable[[], object]) -> float:
    started = time.thread_time()
    function()
    return time.thread_time() - started
