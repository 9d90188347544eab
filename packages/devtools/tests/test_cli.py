"""The command group: what it lists, what it imports, how it refuses."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from levante.devtools.cli import COMMANDS, main


def test_every_command_of_the_table_can_be_imported() -> None:
    context = click.Context(main)
    for name in COMMANDS:
        assert isinstance(main.get_command(context, name), click.Command)
    assert main.get_command(context, "nothing") is None


def test_help_lists_all_commands() -> None:
    shown = CliRunner().invoke(main, ["-h"]).output
    for name in (*COMMANDS, "version"):
        assert f"\n  {name} " in shown


def test_version_names_the_packages() -> None:
    done = CliRunner().invoke(main, ["version"])
    assert done.exit_code == 0
    assert "levante-devtools " in done.output
    assert f"Python {sys.version_info.major}." in done.output


def test_version_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert "levante-web is not installed" in CliRunner().invoke(main, ["version"]).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "Error: No such command 'nonsense'."),
        (["--nonsense"], "Error: No such option '--nonsense'."),
        (["routes", "--nonsense"], "Error: No such option '--nonsense'."),
        (["routes", "a", "b"], "Error: Got unexpected extra argument (b)"),
    ],
)
def test_usage_errors_are_one_line_and_status_2(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.output) == (2, f"{message}\n")


def test_no_command_shows_the_help() -> None:
    assert "runserver" in CliRunner().invoke(main, []).output


def test_module_is_the_command_and_imports_no_server() -> None:
    code = (
        "import sys; sys.argv = ['devtools', 'version']\n"
        "from levante.devtools.cli import main; main(standalone_mode=False)\n"
        "print([name for name in ('levante.web', 'watchfiles', 'cookiecutter') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    again = subprocess.run(
        [sys.executable, "-m", "levante.devtools", "version"], capture_output=True, text=True, check=True
    )
    assert again.stdout.startswith("levante-devtools ")
