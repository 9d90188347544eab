"""What is asked of a service's own code, and how it is answered."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from levante.devtools.discover import Target
from levante.devtools.probe import examine

APP = "from levante.web import Application\n\n\nasync def create_app():\n    return Application()\n"
SETTINGS = """
class Wrong(Exception):
    problems = ["PORT: many", "KEYS: none"]

class Settings:
    database_url = "sqlite+aiosqlite:///var/shop.db"

    @classmethod
    def load(cls):
        {load}
"""


@pytest.fixture(autouse=True)
def _process_is_put_back(monkeypatch: pytest.MonkeyPatch):
    """The probe belongs to a process of its own: it imports the project."""
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def target(root: Path, *, app: str = APP, settings: str | None = None) -> Target:
    package = root / "probed"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "app.py").write_text(app)
    if settings is not None:
        (package / "settings.py").write_text(settings)
    return Target("probed", root, root, "probed.app", "create_app", service=True)


def test_all_is_well(tmp_path: Path) -> None:
    answer = examine(target(tmp_path, settings=SETTINGS.format(load="return cls()")))
    assert answer == {"error": "", "problems": [], "settings": {"database_url": "sqlite+aiosqlite:///var/shop.db"}}


def test_no_settings(tmp_path: Path) -> None:
    assert examine(target(tmp_path)) == {"error": "", "problems": [], "settings": {}}


def test_settings_are_wrong(tmp_path: Path) -> None:
    answer = examine(target(tmp_path, settings=SETTINGS.format(load="raise Wrong")))
    assert answer == {"error": "", "problems": ["PORT: many", "KEYS: none"], "settings": None}


def test_settings_keep_the_application_from_being_made(tmp_path: Path) -> None:
    app = "from .settings import Settings\n\n\ndef create_app():\n    Settings.load()\n"
    answer = examine(target(tmp_path, app=app, settings=SETTINGS.format(load="raise Wrong")))
    assert answer == {"error": "", "problems": ["PORT: many", "KEYS: none"], "settings": None}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (SETTINGS.format(load="return 1 / 0"), "ZeroDivisionError: division by zero (probed/settings.py:10)"),
        (
            "import nothing_of_that_name",
            "ModuleNotFoundError: No module named 'nothing_of_that_name' (probed/settings.py:1)",
        ),
    ],
)
def test_settings_break(tmp_path: Path, settings: str, problem: str) -> None:
    answer = examine(target(tmp_path, settings=settings))
    assert answer == {"error": "", "problems": [problem], "settings": None}


def test_application_breaks(tmp_path: Path) -> None:
    answer = examine(target(tmp_path, app="raise SystemExit('no')"))
    assert answer == {"error": "SystemExit: no (probed/app.py:1)", "problems": [], "settings": {}}


def test_interruption_is_not_an_answer(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        examine(target(tmp_path, app="raise KeyboardInterrupt"))


def test_answer_is_the_last_line_whatever_the_project_prints(tmp_path: Path) -> None:
    asked = json.dumps(target(tmp_path, app=f"print('hello', end='')\n{APP}").to_json())
    done = subprocess.run(
        [sys.executable, "-m", "levante.devtools.probe"], input=asked, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1])["error"] == ""
    assert "hello" in done.stderr
    assert not list(tmp_path.rglob("*.pyc"))
