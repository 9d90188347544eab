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


def test_unknown_command_is_one_line_and_status_2() -> None:
    done = CliRunner().invoke(main, ["nonsense"])
    assert done.exit_code == 2
    assert "No such command" in done.output.splitlines()[-1]


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
