"""Draw the JSON of a run as a PNG: one panel a piece of work, one bar a subject, the cheapest on top.

Run with the interpreter of the environment that has matplotlib: chart.py RESULTS.json CHART.png
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot
from workloads import WORKLOADS

COLUMNS = 3
PANEL = (6.2, 3.1)  # inches
OURS, OTHERS, FLOOR = "#c8452e", "#8aa4b8", "#d9d9d9"
MEASURES = (
    ("kib_each", "KiB each", 1.0),
    ("instructions", "thousand instructions", 1e-3),
    ("cpu", "CPU microseconds", 1.0),
)

Row = dict[str, Any]


def measure(rows: list[Row]) -> tuple[str, str, float]:
    """The steadiest measure that all rows have."""
    return next(each for each in MEASURES if all(row[each[0]] is not None for row in rows) or each is MEASURES[-1])


def colour(subject: str) -> str:
    if subject.startswith("levante"):
        return OURS
    return FLOOR if subject.startswith("floor") else OTHERS


def panel(axes: Any, title: str, rows: list[Row]) -> None:
    key, unit, factor = measure(rows)
    rows = sorted((row for row in rows if row[key] is not None), key=lambda row: -row[key])
    values = [row[key] * factor for row in rows]
    names = [row["subject"] for row in rows]
    bars = axes.barh(names, values, color=[colour(name) for name in names])
    axes.bar_label(bars, fmt="{:,.1f}", padding=3, fontsize=7)
    axes.set_title(f"{title}: {unit}", fontsize=9, loc="left")
    axes.tick_params(labelsize=7)
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)


def draw(content: dict[str, Any], target: Path) -> None:
    panels = [(work.title, [row for row in content["rows"] if row["work"] == work.key]) for work in WORKLOADS]
    panels = [(title, rows) for title, rows in panels if rows]
    lines = -(-len(panels) // COLUMNS)
    figure, grid = pyplot.subplots(lines, COLUMNS, figsize=(PANEL[0] * COLUMNS, PANEL[1] * lines), squeeze=False)
    places = grid.flatten()
    for axes, (title, rows) in zip(places, panels, strict=False):
        panel(axes, title, rows)
    for axes in places[len(panels) :]:
        axes.set_visible(False)
    facts = content["facts"]
    figure.suptitle(
        f"levante beside its peers, less is better (Python {facts['python']}, {facts['machine']})", fontsize=11
    )
    figure.tight_layout(rect=(0, 0, 1, 0.99))
    figure.savefig(target, dpi=100)


if __name__ == "__main__":
    mpl.use("agg")
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
