"""Steps that a person can watch: one line each, with a mark and the time it took when it is done."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

WIDTH = 56


class Step:
    """A step that runs; `result` replaces its text when it is done."""

    def __init__(self, text: str) -> None:
        self.result = text


@contextmanager
def step(text: str) -> Iterator[Step]:
    """Show that `text` is being done, then that it is done or failed."""
    stream = sys.stdout
    live = stream.isatty()
    if live:
        click.echo(f"  · {text} ...", nl=False)
        stream.flush()
    running = Step(text)
    start = time.perf_counter()
    back = "\r\x1b[K" if live else ""
    try:
        yield running
    except BaseException:
        click.echo(f"{back}  {mark('✗', stream.encoding, fallback='x')} {text}")
        raise
    seconds = time.perf_counter() - start
    click.echo(f"{back}  {mark('✓', stream.encoding, fallback='+')} {running.result:<{WIDTH}} {seconds:5.1f} s")


def mark(symbol: str, encoding: str | None, *, fallback: str) -> str:
    """The symbol, or what stands for it where the terminal's encoding lacks it."""
    try:
        symbol.encode(encoding or "ascii")
    except UnicodeEncodeError:
        return fallback
    return symbol
