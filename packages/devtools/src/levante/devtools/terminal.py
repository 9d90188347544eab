"""What the parent shares with the terminal: status lines, the signals that come from its keys, its settings."""

import asyncio
import importlib.util
import os
import signal
from collections.abc import Callable
from types import FrameType

import click

HAS_TERMIOS = importlib.util.find_spec("termios") is not None
"""Windows has no terminal settings to restore."""
if HAS_TERMIOS:
    import termios

LABEL_WIDTH = 9


def echo(text: str) -> None:
    """A line on standard output. Where nobody reads it any more it is lost: a closed pipe must not stop the server."""
    try:
        click.echo(text)
    except OSError:
        pass


def say(label: str, text: str, *, colour: str = "green") -> None:
    """A status line: a coloured word, then the text."""
    echo(f"{click.style(f'{label:<{LABEL_WIDTH}}', fg=colour, bold=True)} {text}")


def mind_signals(act: Callable[[int], None]) -> None:
    """Call `act(number)` on the running loop for each SIGINT, SIGTERM and SIGHUP."""
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is None:
            continue
        if os.name == "posix":
            loop.add_signal_handler(number, act, int(number))
        else:
            signal.signal(number, _handler(loop, act))


def _handler(loop: asyncio.AbstractEventLoop, act: Callable[[int], None]) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act, number)

    return handle


class TerminalSettings:
    """The settings of the terminal on standard input, kept so that they can be put back."""

    def __init__(self) -> None:
        self._kept = termios.tcgetattr(0) if HAS_TERMIOS and os.isatty(0) else None

    def restore(self) -> None:
        """Put them back: a debugger that was killed at its prompt leaves the terminal without echo."""
        if self._kept is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self._kept)


def how_it_ended(status: int) -> str:
    """A process's end in words: 'exited with status 3', 'was killed by SIGSEGV'."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
