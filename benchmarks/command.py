"""Measure levante and its peers side by side, in one run: instructions, CPU time, requests a second, latency, memory.

Subjects are the programs of benchmarks/subjects/, run in an environment that is made for the Python that runs this
program; this process is the load. Instructions are stable on a noisy machine; the other figures are only to be compared
within one run. Linux only, for what is read from /proc. docs/how-to/measure.md says more.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import catalogue
import environment
import workloads
from counters import Count, has_callgrind, why_no_perf
from measure import Plan, by_clock, count_instructions
from programs import DidNotStart
from report import Report, facts, table, write

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
DESCRIPTORS = 10_500  # for ten thousand idle connections and what is open besides
QUICK_SECONDS = 0.05
QUICK_COUNTED = 0.01  # of the requests that are counted otherwise
QUICK_CONNECTIONS = 20


def main() -> int:
    options = arguments()
    works = workloads.chosen(words(options.only))
    subjects = catalogue.chosen(["levante"] if options.quick else words(options.peers))
    raise_descriptors()
    report = Report()
    count = how_to_count(options.count, report)
    python = Path(sys.executable) if options.quick else environment.ensure()
    plan = Plan(python, options.seconds, count)
    if options.quick:
        plan = Plan(python, QUICK_SECONDS, count, QUICK_COUNTED, QUICK_CONNECTIONS, one_process=True)
    report.facts = facts(count.value, form(python))
    started = time.monotonic()
    try:
        run(plan, report, subjects, works)
    except KeyboardInterrupt:
        report.notes.append("interrupted: the subjects that were still to come have no rows")
    progress("")
    print(table(report))
    print(f"({time.monotonic() - started:.0f} seconds)")
    if options.results is not None:
        save(report, options.results, python, with_chart=not options.quick)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="pieces of work, such as 'hello ws'; all where none is named")
    parser.add_argument("--peers", default="", help="peers beside levante, such as 'aiohttp granian'; all by default")
    parser.add_argument("--count", default="auto", choices=["auto", *(each.value for each in Count)])
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement by the clock")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder for the JSON and the chart")
    parser.add_argument("--quick", action="store_true", help="levante alone, in this environment, next to no load")
    return parser.parse_args()


def words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def raise_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), hard))


def how_to_count(wish: str, report: Report) -> Count:
    """perf where it counts, else callgrind where it is; the report says what is missing. A wish must be met."""
    refusal = why_no_perf() if wish in ("auto", "perf") else None
    if wish == "perf" and refusal is not None:
        raise SystemExit(refusal)
    if wish == "callgrind" and not has_callgrind():
        raise SystemExit("valgrind is not installed (Debian: valgrind)")
    if wish != "auto":
        return Count(wish)
    if refusal is None:
        return Count.PERF
    if has_callgrind():
        report.notes.append(f"{refusal}; valgrind's callgrind counts instructions instead")
        return Count.CALLGRIND
    report.notes.append(f"{refusal}, nor is valgrind installed: no instructions are counted, the rest stands")
    return Count.NONE


def form(python: Path) -> str:
    code = "import levante.http as http; print('compiled' if http.is_compiled() else 'plain')"
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def run(plan: Plan, report: Report, subjects: list[catalogue.Subject], works: list[workloads.Workload]) -> None:
    for subject in subjects:
        mine = [work for work in works if work.key in subject.works]
        if not mine:
            continue
        progress(f"  {subject.name}: {' '.join(work.key for work in mine)}")
        try:
            measure_subject(plan, report, subject, mine)
        except DidNotStart as error:
            if subject.peer == "levante":
                raise SystemExit(f"{subject.name} did not start: {error}") from error
            report.notes.append(f"{subject.name} did not start, and has no rows: {error}")


def measure_subject(plan: Plan, report: Report, subject: catalogue.Subject, works: list[workloads.Workload]) -> None:
    rows = {row.work: row for row in by_clock(plan, subject, works)}
    counted = [work for work in works if work.kind is not workloads.Kind.IDLE]
    if plan.count is Count.CALLGRIND and counted:
        for key, instructions in count_instructions(plan, subject, counted).items():
            rows[key].instructions = instructions
    report.rows.extend(rows.values())


def progress(line: str) -> None:
    """What is being measured: on a terminal a line that is written over, and cleared by an empty one."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line[:100]}", end="", file=sys.stderr, flush=True)
    elif line:
        print(line, file=sys.stderr, flush=True)


def save(report: Report, folder: Path, python: Path, *, with_chart: bool) -> None:
    target = folder / "latest.json"
    write(report, target)
    print(f"{os.path.relpath(target)}", end="")
    if with_chart:
        chart = folder / "latest.png"
        subprocess.run([str(python), str(HERE / "chart.py"), str(target), str(chart)], check=True)
        print(f", {os.path.relpath(chart)}", end="")
    print()
