"""What `devtools doctor` finds out about a service, each fact when it is first asked for. Nothing is changed on the
way: the service's code runs in processes that write no bytecode, a SQLite database is opened read-only, and migrations
are only run on a database of their own in a temporary folder."""

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from dotenv import dotenv_values
from pathspec import GitIgnoreSpec

from .discover import Target, TargetError, child_environment, service_target
from .migrations import ToolFailed, run_tool, upgrade_database
from .ports import holder, is_taken

PATIENCE = 20.0
"""Seconds that the service's code may take to load, or a database to answer; a service that imports much takes two."""

PORT = 8000
"""Where `devtools runserver` listens unless it is told otherwise."""

GIT_SAYS_NO = 1
"""Exit status of `git check-ignore` for a path that is not ignored; 128 where there is no repository."""

_REVISION = re.compile(r"^(\w+)(?: \(.*\))?$", re.MULTILINE)
_ERROR = re.compile(r"^[\w.]*(?:Error|Exception): .*$", re.MULTILINE)
_DIFFERENCES = "New upgrade operations detected: "


class CannotTell(Exception):
    """A fact that could not be found out; the text is the reason, in one line."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What the service's own code said: see `probe.examine`."""

    error: str
    problems: list[str]
    settings: Mapping[str, Any] | None  # Any: whatever type the service gives them


T = TypeVar("T")


class fact(Generic[T]):  # noqa: N801 - used as a decorator, as `property` is
    """A property that is found out once; that it cannot be found out is remembered as well."""

    def __init__(self, find: "Callable[[Facts], T]") -> None:
        self._find = find
        self.__doc__ = find.__doc__

    def __get__(self, facts: "Facts", _: type["Facts"]) -> T:
        name = self._find.__name__
        if name not in facts.found:
            try:
                facts.found[name] = self._find(facts)
            except CannotTell as reason:
                facts.found[name] = reason
        found = facts.found[name]
        if isinstance(found, CannotTell):
            raise found
        return cast("T", found)


class Facts:
    """The service in the folder `root`, looked at lazily."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.found: dict[str, object] = {}

    def shown(self, *parts: str) -> str:
        """A path of the service as it can be typed here."""
        return os.path.relpath(self.root.joinpath(*parts))

    def make(self, verb: str) -> str:
        """A verb of the service's Makefile as it can be typed here."""
        return f"make {verb}" if self.root == Path.cwd() else f"make -C {self.shown()} {verb}"

    @fact
    def project(self) -> Mapping[str, Any]:  # Any: TOML
        """pyproject.toml; empty when it cannot be read, which `target` reports."""
        try:
            return tomllib.loads((self.root / "pyproject.toml").read_text("utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
            return {}

    @fact
    def target(self) -> Target:
        """The application that pyproject.toml names; raises CannotTell."""
        try:
            target = service_target(self.root)
        except TargetError as error:
            raise CannotTell(str(error)) from error
        if target is None:
            raise CannotTell("pyproject.toml names no application")
        return target

    @fact
    def package(self) -> Path:
        """The folder of the service's package; raises CannotTell."""
        return self.target.source.joinpath(*self.target.module.split(".")[:-1])

    @fact
    def probe(self) -> Probe:
        """What the service's code says when it is loaded; raises CannotTell."""
        try:
            environment = child_environment(self.target, os.environ)
        except TargetError as error:
            raise CannotTell(str(error)) from error
        try:
            done = subprocess.run(
                [sys.executable, "-m", "levante.devtools.probe"],
                cwd=self.root,
                env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
                input=json.dumps(self.target.to_json()),
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CannotTell(f"loading it did not end within {PATIENCE:g} s") from None
        last = done.stdout.rstrip().rpartition("\n")[2]
        if done.returncode or not last:
            raise CannotTell(f"loading it ended the process with status {done.returncode}")
        return Probe(**json.loads(last))

    @fact
    def settings(self) -> Mapping[str, Any]:
        """The settings that matter here; raises CannotTell when they do not load."""
        settings = self.probe.settings
        if settings is None:
            raise CannotTell("the settings do not load")
        return settings

    @fact
    def env_mode(self) -> int | None:
        """The permissions of `.env`; None when there is none."""
        try:
            return stat.S_IMODE((self.root / ".env").stat().st_mode)
        except FileNotFoundError:
            return None

    @fact
    def env_is_ignored(self) -> bool:
        """Whether git would leave `.env` out; where git cannot say, what `.gitignore` says."""
        try:
            status = subprocess.run(
                ["git", "check-ignore", "-q", ".env"],  # noqa: S607 - the user's git, wherever it is
                cwd=self.root,
                capture_output=True,
                check=False,
            ).returncode
        except FileNotFoundError:
            status = 128
        if status <= GIT_SAYS_NO:
            return status == 0
        file = self.root / ".gitignore"
        lines = file.read_text("utf-8").splitlines() if file.is_file() else []
        return GitIgnoreSpec.from_lines(lines).match_file(".env")

    @fact
    def env(self) -> Mapping[str, str | None]:
        """The variables of `.env`."""
        return self._variables(".env")

    @fact
    def example(self) -> Mapping[str, str | None] | None:
        """The variables of `.env.example`; None when there is none."""
        return self._variables(".env.example") if (self.root / ".env.example").is_file() else None

    def _variables(self, name: str) -> Mapping[str, str | None]:
        try:
            return dotenv_values(self.root / name, encoding="utf-8", interpolate=False)
        except (OSError, UnicodeDecodeError) as error:
            raise CannotTell(f"{name} cannot be read: {error}") from error

    @fact
    def database_url(self) -> str:
        """Where the data is; raises CannotTell, also for a service without a database."""
        url = self.settings.get("database_url")
        if not url:
            raise CannotTell("the settings name no database")
        return str(url)

    @fact
    def uses_sqlite(self) -> bool:
        """Whether the database is SQLite's."""
        return self.database_url.startswith("sqlite")

    @fact
    def sqlite_file(self) -> Path | None:
        """The file of the SQLite database; None when it lives in memory."""
        path = self.database_url.partition("://")[2].partition("/")[2].partition("?")[0]
        return None if path in {"", ":memory:"} else self.root / path

    @fact
    def revisions(self) -> frozenset[str]:
        """The migrations that the database says it has; raises CannotTell when it does not answer."""
        if not self.uses_sqlite:
            return self._alembic_revisions("current")
        file = self.sqlite_file
        if file is None or not file.is_file():
            raise CannotTell("no database is there yet" if file is None else f"{self.shown(str(file))} is not there")
        try:
            return sqlite_revisions(file)
        except sqlite3.Error as error:
            raise CannotTell(f"{self.shown(str(file))}: {error}") from error

    @fact
    def heads(self) -> frozenset[str]:
        """The newest migrations that the service has; raises CannotTell."""
        return self._alembic_revisions("heads")

    def _alembic_revisions(self, command: str) -> frozenset[str]:
        return frozenset(_REVISION.findall(self._alembic(command, database_url=self.database_url)))

    @fact
    def differences(self) -> list[str]:
        """What a migration for the models of now would do, as alembic names it: `add_column`; raises CannotTell.

        SQLite: the migrations are run on a new database. Otherwise the service's own is compared, for its migrations
        may not run on any other; it must be at head."""
        with tempfile.TemporaryDirectory(prefix="levante-doctor-") as scratch:
            url = self.database_url
            try:
                if self.uses_sqlite:
                    url = f"sqlite+aiosqlite:///{scratch}/scratch.db"
                    upgrade_database(self.root, database_url=url)
                self._alembic("check", database_url=url)
            except (CannotTell, ToolFailed) as error:
                _, found, operations = str(error).partition(_DIFFERENCES)
                if not found:
                    raise CannotTell(_in_one_line(error)) from error
                return re.findall(r"(?<!\w)\('([a-z_]+)'", operations) or [operations]
        return []

    def _alembic(self, command: str, *, database_url: str) -> str:
        try:
            return run_tool(
                self.root, "alembic", command, environment={"DATABASE_URL": database_url}, patience=PATIENCE
            )
        except ToolFailed as error:
            raise CannotTell(_in_one_line(error)) from error

    @fact
    def port_holder(self) -> str:
        """Who listens on the port that the development server wants; '' when nobody does."""
        return holder(PORT) if is_taken(PORT) else ""


def _in_one_line(error: Exception) -> str:
    """The last error that a tool showed, or else its last line: remarks on what to read may follow the error."""
    text = str(error).strip()
    named = _ERROR.findall(text)
    return named[-1] if named else text.rpartition("\n")[2]


def sqlite_revisions(file: Path) -> frozenset[str]:
    """The revisions in alembic's table; none when there is no such table. Raises sqlite3.Error.

    A reader of a database in WAL mode makes the files beside it unless they are there, so without them it is opened
    as one that cannot change."""
    in_use = all(file.with_name(file.name + suffix).exists() for suffix in ("-wal", "-shm"))
    uri = f"{file.resolve().as_uri()}?mode=ro{'' if in_use else '&immutable=1'}"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchall()
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall() if tables else []
    return frozenset(row[0] for row in rows)
