"""The command `devtools`: a click group that imports a subcommand only when it is called or asked for its help.

A usage error is one clear line on stderr and exit status 2 (click.UsageError), never a traceback.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

# Where each command lives: module and attribute, imported on use, so that `devtools version` imports no generator.
COMMANDS = {
    "runserver": ("levante.devtools.runserver", "runserver_command"),
    "new": ("levante.devtools.generate", "new_command"),
    "add": ("levante.devtools.generate", "add_group"),
    "routes": ("levante.devtools.routes", "routes_command"),
    "doctor": ("levante.devtools.doctor", "doctor_command"),
    "secrets": ("levante.devtools.secrets", "secrets_group"),
}


# Raised for a group that is called without a command, by click 8.2 and later.
NO_ARGUMENTS: tuple[type[Exception], ...] = tuple(filter(None, [getattr(click.exceptions, "NoArgsIsHelpError", None)]))


class LazyGroup(click.Group):
    """A group whose commands are named in `COMMANDS` and imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table, then those that are defined here."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None when there is none."""
        home = COMMANDS.get(cmd_name)
        if home is None:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(home[0]), home[1])
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:  # Any: click's own parameters, handed on
        """As click's; a usage error says one line."""
        with one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """As click's; a usage error of a subcommand says one line."""
        with one_line():
            return super().invoke(ctx)


@contextmanager
def one_line() -> Iterator[None]:
    """Let a usage error show its message alone, without the synopsis that click puts before it."""
    try:
        yield
    except NO_ARGUMENTS:  # shows the help
        raise
    except click.UsageError as error:
        error.ctx = None
        raise


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Develop a levante service: run it, make one, add to it."""


@main.command()
def version() -> None:
    """Print the versions of levante's packages and of Python."""
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    for name in ("devtools", "web", "client", "sessions", "ws", "http-core"):
        try:
            click.echo(f"levante-{name} {version_of(f'levante-{name}')}")
        except PackageNotFoundError:
            click.echo(f"levante-{name} is not installed")
    click.echo(f"Python {platform.python_version()}")
