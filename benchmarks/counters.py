"""What a process and its children have cost, read from outside: CPU time, memory, instructions.

Instructions are user-space ones. perf counts them at full speed where the machine lets it; valgrind's callgrind counts
them anywhere by interpreting the program, fifty times slower, and the same each time. Both count one phase of a running
process, so starting up and warming up are left out.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

PERF = ("perf", "stat", "-x,", "-e", "instructions:u")
PERF_ENDS = 10.0  # seconds; it has nothing left to do but to print one line
PERF_ATTACHES = 0.3  # seconds; perf does not say when it has attached, and what it misses is a constant at most
TICKS = os.sysconf("SC_CLK_TCK")
SUMMARY = re.compile(r"^summary: (\d+)$", re.MULTILINE)


class Count(Enum):
    """How instructions are counted."""

    PERF = "perf"
    CALLGRIND = "callgrind"
    NONE = "none"


def why_no_perf() -> str | None:
    """The reason that perf cannot count user instructions here; None when it can."""
    if shutil.which("perf") is None:
        return "perf is not installed (Debian: linux-perf)"
    done = subprocess.run([*PERF, "true"], capture_output=True, text=True, check=False)
    first = (done.stderr.strip().splitlines() or ["it printed nothing"])[0].split(",")[0]
    return None if done.returncode == 0 and first.isdigit() else f"perf cannot count instructions here: {first}"


def has_callgrind() -> bool:
    return shutil.which("valgrind") is not None and shutil.which("vgdb") is not None


def process_tree(pid: int) -> list[int]:
    """`pid` and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += process_tree(int(child))
    return found


def cpu_seconds(pids: list[int]) -> float:
    """User and system time together."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def peak_memory(pids: list[int]) -> int:
    """The sum of the most that each has had resident, in bytes."""
    return sum(kibibytes(pid, "status", "VmHWM") for pid in pids)


def own_memory(pids: list[int]) -> int:
    """The proportional set size, in bytes: pages that are shared count by their share."""
    return sum(kibibytes(pid, "smaps_rollup", "Pss") for pid in pids)


def kibibytes(pid: int, file: str, field: str) -> int:
    match = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE)
    if match is None:
        raise SystemExit(f"no {field} in /proc/{pid}/{file}; expected a line of it, as Linux has")
    return int(match[1]) * 1024


class Tally:
    """The instructions of a phase; None where they were not counted."""

    instructions: int | None = None


@contextlib.contextmanager
def perf(pids: list[int]) -> Iterator[Tally]:
    """Count what the processes execute for the length of the block."""
    tally = Tally()
    command = [*PERF, "-p", ",".join(map(str, pids))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(PERF_ATTACHES)
        yield tally
        process.send_signal(signal.SIGINT)
        try:
            text = process.communicate(timeout=PERF_ENDS)[1].strip()
        except subprocess.TimeoutExpired:
            process.kill()
            raise SystemExit(f"perf did not end within {PERF_ENDS:g} s of SIGINT; use COUNT=callgrind") from None
    first = text.split(",")[0]
    if not first.isdigit():
        raise SystemExit(f"perf gave {text!r}; expected a count first")
    tally.instructions = int(first)


def under_callgrind(folder: Path) -> list[str]:
    """What goes before a command so that `callgrind` can count it; its files lie in `folder`."""
    options = ["-q", "--tool=callgrind", "--trace-children=yes", "--fair-sched=yes"]
    return ["valgrind", *options, f"--callgrind-out-file={folder}/%p.out", f"--vgdb-prefix={folder}/vgdb"]


@contextlib.contextmanager
def callgrind(pids: list[int], folder: Path) -> Iterator[Tally]:
    """Count what the processes, started by `under_callgrind(folder)`, execute for the length of the block."""
    tally = Tally()
    for pid in pids:
        tell(pid, folder, "zero")
    yield tally
    total = 0
    for pid in pids:
        tell(pid, folder, "dump")
        dump = max(folder.glob(f"{pid}.out.*"), key=lambda path: int(path.suffix[1:]))
        text = dump.read_text()
        found = [int(number) for number in SUMMARY.findall(text)]
        if not found:
            raise SystemExit(f"callgrind dumped {text[:200]!r}; expected a summary in it")
        total += sum(found)
    tally.instructions = total


def tell(pid: int, folder: Path, word: str) -> None:
    done = subprocess.run(
        ["vgdb", f"--vgdb-prefix={folder}/vgdb", f"--pid={pid}", word], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"vgdb {word} of process {pid} failed: {done.stderr.strip()}")
