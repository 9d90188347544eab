"""The service's own tools, each in a process of its own."""

import subprocess
from pathlib import Path

import pytest

from levante.devtools import migrations
from levante.devtools.migrations import ToolFailed, run_tests, run_tool, write_migration


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module `tool` that can be run in it."""
    (tmp_path / "tool.py").write_text(
        "import os, sys\n"
        "if sys.argv[1] == 'fail': sys.exit('it broke')\n"
        "print(os.environ.get('DATABASE_URL'), os.environ.get('SECRET_KEYS'), os.environ['LEVANTE_ENV'])\n"
    )
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://other")
    monkeypatch.setenv("SECRET_KEYS", "other")
    monkeypatch.setenv("LEVANTE_ENV", "production")
    return tmp_path


def test_settings_of_another_service_are_not_passed_on(folder: Path) -> None:
    assert run_tool(folder, "tool", "say", environment={}) == "None None development\n"
    assert run_tool(folder, "tool", "say", environment={"DATABASE_URL": "ours"}) == "ours None development\n"


def test_failure_says_what_the_tool_said(folder: Path) -> None:
    with pytest.raises(ToolFailed, match="tool fail failed with exit status 1:\nit broke"):
        run_tool(folder, "tool", "fail", environment={})


def test_tool_that_hangs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("tool", 1)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(ToolFailed, match="did not end within"):
        run_tool(folder, "tool", "say", environment={})


def test_summary_of_the_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(migrations, "run_tool", lambda *_, **__: "....\n31 passed, 1 skipped in 2.31s\n")
    assert run_tests(tmp_path) == "31 passed, 1 skipped"
    monkeypatch.setattr(migrations, "run_tool", lambda *_, **__: "no tests ran in 0.01s\n")
    assert run_tests(tmp_path) == "no tests ran"


def test_nothing_to_migrate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    monkeypatch.setattr(migrations, "run_tool", lambda *_, **__: "")
    with pytest.raises(ToolFailed, match="no difference"):
        write_migration(tmp_path, "nothing")
