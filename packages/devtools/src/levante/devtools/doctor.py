"""`devtools doctor`: is this service fit to be developed and run. One line a check, with the cure of what is wrong. It
looks, and changes nothing. Exit status 0 when all is good, 1 when something is wrong, 2 when PATH is no service."""

import sys
from pathlib import Path

import click

from .checks import CHECKS, Mark, Verdict
from .facts import Facts
from .progress import mark

UNFIT = 1
SYMBOLS = {Mark.GOOD: ("✓", "+", "green"), Mark.BAD: ("✗", "x", "red"), Mark.NOTE: ("·", "-", "yellow")}
"""The mark of a line, what stands for it in a poor encoding, its colour."""


@click.command("doctor", short_help="Check a service: Python, settings, .env, database, migrations.")
@click.argument("path", default=".", type=click.Path(path_type=Path))
def doctor_command(path: Path) -> None:
    """Check the service in the folder PATH, and say how to cure what is wrong. Nothing is changed.

    Exit status: 0 when all is good, 1 when something is wrong, 2 when PATH is not a service.
    """
    if not (path / "pyproject.toml").is_file():
        raise click.UsageError(f"{path} has no pyproject.toml; expected the folder of a service")
    facts = Facts(path)
    found = []
    for check in CHECKS:
        for verdict in check(facts):
            click.echo(line(verdict))
            found.append(verdict.mark)
    wrong = found.count(Mark.BAD)
    click.echo("all is good" if not wrong else f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong")
    if wrong:
        raise SystemExit(UNFIT)


def line(verdict: Verdict) -> str:
    """`✗ what is wrong; cure: what to do`."""
    symbol, poor, colour = SYMBOLS[verdict.mark]
    shown = click.style(mark(symbol, sys.stdout.encoding, fallback=poor), fg=colour, bold=True)
    cure = f"; cure: {verdict.cure}" if verdict.cure else ""
    return f"  {shown} {verdict.text}{cure}"
