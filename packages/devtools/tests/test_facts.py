"""What is found out about a service: the time limit, and a database that is looked at without being changed."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from levante.devtools import facts
from levante.devtools.facts import CannotTell, Facts, sqlite_revisions
from levante.devtools.migrations import ToolFailed

PROJECT = '[tool.levante]\napp = "shop.app:create_app"\n'


def service(root: Path, app: str) -> Facts:
    package = root / "src" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "app.py").write_text(app)
    (root / "pyproject.toml").write_text(PROJECT)
    return Facts(root)


def test_code_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "PATIENCE", 0.5)
    there = service(tmp_path, "import time\ntime.sleep(60)\n")
    with pytest.raises(CannotTell, match=r"did not end within 0\.5 s"):
        _ = there.probe


def test_env_that_cannot_be_read(tmp_path: Path) -> None:
    there = service(tmp_path, "")
    (tmp_path / ".env").write_bytes(b"\xff\xfe")
    with pytest.raises(CannotTell, match="cannot be read"):
        _ = there.probe


def test_service_without_settings_or_database(tmp_path: Path) -> None:
    there = service(tmp_path, "from levante.web import Application\n\n\ndef create_app():\n    return Application()\n")
    assert there.settings == {}
    with pytest.raises(CannotTell, match="name no database"):
        _ = there.database_url


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite+aiosqlite:///var/shop.db", "var/shop.db"),
        ("sqlite+aiosqlite:////srv/shop.db?timeout=3", "/srv/shop.db"),
        ("sqlite+aiosqlite://", None),
    ],
)
def test_file_of_a_sqlite_database(tmp_path: Path, url: str, file: str | None) -> None:
    there = Facts(tmp_path)
    there.found["database_url"] = url
    assert there.sqlite_file == (None if file is None else there.root / file)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_database_is_read_without_a_trace(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "a base?.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        assert sqlite_revisions(file) == frozenset()
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0007')")
        connection.commit()
        assert sqlite_revisions(file) == {"0007"}  # in use: with WAL, this is not in the file yet
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert sqlite_revisions(file) == {"0007"}
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert list(before) == [file]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "Traceback\nasyncpg.NoSuchError: gone\n[SQL: x]\n(Background on this error at: y)",
            "asyncpg.NoSuchError: gone",
        ),
        ("alembic heads failed:\nFAILED: no such folder", "FAILED: no such folder"),
    ],
)
def test_reason_is_what_the_tool_ended_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, reason: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ToolFailed(said)

    monkeypatch.setattr(facts, "run_tool", fail)
    there = Facts(tmp_path)
    there.found["database_url"] = "postgresql+asyncpg://here/shop"
    with pytest.raises(CannotTell) as caught:
        _ = there.heads
    assert str(caught.value) == reason
