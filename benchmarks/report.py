"""The table on the terminal and the JSON file: rows in the order of the workloads, levante's ratio to the best peer."""

import json
import platform
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from catalogue import FLOOR, IN_USE
from measure import Row
from workloads import WORKLOADS

PARSE = "parse"
PARSE_LIMIT = 1.2  # times httptools, which a parse of the head may take at most
IN_USE_LIMIT = 15_000  # instructions that routes, middlewares and a signal may add to a plain hello
FLOORS = (FLOOR.name,)  # no peers: they do less than the work
HEADINGS = ("instr.", "CPU us", "per second", "p50 us", "p99 us", "peak MiB", "KiB each")


@dataclass
class Report:
    """Everything that a run found out."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    def of(self, work: str) -> list[Row]:
        return [row for row in self.rows if row.work == work]


def facts(count: str, form: str) -> dict[str, str]:
    """What the figures depend on, and nothing that tells whose machine it was."""
    return {
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "system": platform.system(),
        "instructions counted by": count,
        "levante": form,
    }


def write(report: Report, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"facts": report.facts, "notes": report.notes, "rows": [asdict(row) for row in report.rows]}
    path.write_text(json.dumps(content, indent=1) + "\n")


def table(report: Report) -> str:
    lines = [", ".join(f"{name}: {value}" for name, value in report.facts.items())]
    for work in WORKLOADS:
        rows = report.of(work.key)
        if rows:
            lines += ["", heading(work.title), *(line(row) for row in rows)]
            lines += verdicts(rows)
    if any(row.load_bound for row in report.rows):
        lines += ["", ">: the subject waited for the load, so it may well serve more a second"]
    lines += [f"note: {note}" for note in report.notes]
    return "\n".join(lines)


def heading(title: str) -> str:
    return f"{title:<30}" + "".join(f"{name:>12}" for name in HEADINGS)


def line(row: Row) -> str:
    per_second = figure(row.per_second, "{:,.0f}")
    cells = [
        kilo(row.instructions),
        figure(row.cpu, "{:,.1f}"),
        f">{per_second}" if row.load_bound else per_second,
        figure(row.p50, "{:,.1f}"),
        figure(row.p99, "{:,.1f}"),
        figure(row.peak_mib, "{:,.1f}"),
        figure(row.kib_each, "{:,.1f}"),
    ]
    return f"  {row.subject:<28}" + "".join(f"{cell:>12}" for cell in cells)


def figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def kilo(value: float | None) -> str:
    return "-" if value is None else f"{value / 1000:,.1f}k"


def cost(row: Row) -> float | None:
    """The steadiest figure that a row has: memory where that is the work, else instructions, else CPU time."""
    return next((value for value in (row.kib_each, row.instructions, row.cpu) if value is not None), None)


def verdicts(rows: list[Row]) -> list[str]:
    """How levante stands to the best of the others, and at parsing to httptools, by which the limit goes."""
    ours = [row for row in rows if row.subject.startswith("levante")]
    others = [row for row in rows if row not in ours and row.subject not in FLOORS]
    if rows[0].work == PARSE:
        return parse_verdicts(ours, [row for row in others if row.subject == "httptools"])
    costs = [(value, row.subject) for row in others if (value := cost(row)) is not None]
    mine = cost(ours[0]) if ours else None
    if not costs or mine is None:
        return in_use_verdict(ours)
    best, name = min(costs)
    lines = [f"  = {mine / best:.2f} times the cost of {name}, the cheapest of the others"] if best > 0 else []
    return [*lines, *in_use_verdict(ours)]


def in_use_verdict(ours: list[Row]) -> list[str]:
    """What the framework costs, once it is used, above the plain hello."""
    used = next((row.instructions for row in ours if row.subject == IN_USE.name), None)
    plain = ours[0].instructions if ours else None
    if used is None or plain is None:
        return []
    more = f"{kilo(used - plain)} instructions above the plain one"
    return [f"  = {IN_USE.name}: {more} (at most {kilo(IN_USE_LIMIT)} is the aim)"]


def parse_verdicts(ours: list[Row], httptools: list[Row]) -> list[str]:
    if not httptools or httptools[0].p50 is None:
        return []
    reference = httptools[0]
    lines = []
    for row in ours:
        if row.p50 is None or reference.p50 is None:
            continue
        counted = ""
        if row.instructions is not None and reference.instructions is not None:
            counted = f", {row.instructions / reference.instructions:.2f} times its instructions"
        lines.append(f"  = {row.subject}: {row.p50 / reference.p50:.2f} times httptools' time{counted}")
    return [*lines, f"  (at most {PARSE_LIMIT} times its time is the aim)"]
