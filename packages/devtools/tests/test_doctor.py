"""`devtools doctor` as it is called: a line a check, the exit status, and nothing changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from levante.devtools.checks import CHECKS
from levante.devtools.cli import main
from levante.devtools.generate import write_environment
from levante.devtools.migrations import upgrade_database

STOREFRONT = Path(__file__).resolve().parents[3] / "services" / "storefront"
LEFT_OUT = shutil.ignore_patterns(".env", "var", "__pycache__", ".*_cache")


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the storefront in which nothing is wrong."""
    root = tmp_path_factory.mktemp("fit") / "storefront"
    shutil.copytree(STOREFRONT, root, ignore=LEFT_OUT)
    write_environment(root)
    upgrade_database(root)
    return root


@pytest.fixture(autouse=True)
def _no_other_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEVANTE_ENV", "ENV", "SECRET_KEYS", "DATABASE_URL", "PORT", "REPLICAS"):
        monkeypatch.delenv(name, raising=False)


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments])


def state(root: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_nothing_is_wrong_and_nothing_changes(fit: Path) -> None:
    before = state(fit)
    done = doctor(str(fit))
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "all is good")
    assert len(done.output.splitlines()) == len(CHECKS) + 1
    assert "✗" not in done.output
    assert state(fit) == before


def test_here_is_the_default(fit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fit)
    monkeypatch.setenv("PORT", "many")
    monkeypatch.setenv("POOL_SIZE", "none")
    done = doctor()
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert "  ✗ settings: PORT: Not a valid integer; cure: correct it in .env or in the environment" in lines
    assert "  ✗ settings: POOL_SIZE: Not a valid integer; cure: correct it in .env or in the environment" in lines
    assert lines[-1] == "2 things are wrong"


def test_fresh_clone_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(STOREFRONT, tmp_path / "clone", ignore=LEFT_OUT)
    monkeypatch.chdir(tmp_path)
    before = state(tmp_path)
    done = doctor("clone")
    wrong = [line for line in done.output.splitlines() if "✗" in line]
    assert done.exit_code == 1
    assert "cure: cp clone/.env.example clone/.env && chmod 600 clone/.env" in wrong[0]
    assert wrong[1].endswith("clone/var/storefront.db is not there; cure: make -C clone migrate")
    assert len(wrong) == 2
    assert state(tmp_path) == before
    assert not (tmp_path / "clone" / "var").exists()


@pytest.mark.parametrize(("path", "reason"), [("nowhere", "no pyproject.toml"), (".", "no pyproject.toml")])
def test_no_service_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, reason: str) -> None:
    monkeypatch.chdir(tmp_path)
    done = doctor(path)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert reason in done.stderr


def test_poor_terminal_gets_poor_marks(fit: Path) -> None:
    command = [sys.executable, "-m", "levante.devtools", "doctor", str(fit)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "REPLICAS": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "  + the settings load" in done.stdout
    assert "  x REPLICAS=2 with SQLite" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 thing is wrong"
