"""What a service's own tools do for the generator, each in a process of its own: alembic writes a migration from the
models and brings a database up to date, pytest runs the tests. Nothing of the caller's environment that names a
database or a key of another service is passed on."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

TOOL_TIMEOUT = 300.0
"""Seconds after which a tool is considered stuck: a fresh service's tests take five, a large one's a minute."""

_SETTINGS = frozenset({"LEVANTE_ENV", "ENV", "SECRET_KEYS", "SECRET_KEYS_FILE", "DATABASE_URL", "DATABASE_URL_FILE"})
_LAST_LINES = 40


class ToolFailed(Exception):
    """A tool ended with an error; the text ends with the last lines that it wrote."""


def write_migration(root: Path, message: str, *, database_url: str | None = None) -> Path:
    """Let alembic compare the models in `root` with a database at head and write what differs; gives back the new
    file.

    Without `database_url` the comparison is with a new SQLite database that has just been migrated, so that the
    developer's database is not touched and need not be up to date."""
    versions = root / "migrations" / "versions"
    versions.mkdir(exist_ok=True)
    before = set(versions.glob("*.py"))
    with tempfile.TemporaryDirectory(prefix="levante-migration-") as scratch:
        url = database_url or f"sqlite+aiosqlite:///{scratch}/scratch.db"
        if database_url is None and before:
            upgrade_database(root, database_url=url)
        run_tool(root, "alembic", "revision", "--autogenerate", "-m", message, environment={"DATABASE_URL": url})
    written = set(versions.glob("*.py")) - before
    if not written:
        raise ToolFailed(
            "alembic found no difference between the models and the database, so there is no migration to write"
        )
    return written.pop()


def upgrade_database(root: Path, *, database_url: str | None = None) -> None:
    """Bring the database up to date: `database_url`, or else the one of the service's `.env`."""
    run_tool(root, "alembic", "upgrade", "head", environment={"DATABASE_URL": database_url} if database_url else {})


def run_tests(root: Path) -> str:
    """Run the service's own tests; gives back pytest's summary, as `31 passed`."""
    output = run_tool(root, "pytest", "-q", "-p", "no:cacheprovider", environment={})
    found = re.search(r"\d+ passed[^\n]*?(?= in )", output)
    return found[0] if found else "no tests ran"


def run_tool(
    root: Path, tool: str, *arguments: str, environment: Mapping[str, str], patience: float = TOOL_TIMEOUT
) -> str:
    """Run `python -m tool` in the folder `root` and give back what it wrote; raises `ToolFailed`, after `patience`
    seconds at the latest."""
    inherited = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    # No bytecode is written: it would remember the path of the temporary folder that the service is made in.
    environment = {**inherited, "LEVANTE_ENV": "development", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    command = [sys.executable, "-m", tool, *arguments]
    try:
        done = subprocess.run(  # noqa: S603  # our own tools, no shell
            command,
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolFailed(f"{tool} {arguments[0]} did not end within {patience:g} s") from None
    if done.returncode:
        last = "\n".join(done.stdout.rstrip().splitlines()[-_LAST_LINES:])
        raise ToolFailed(f"{tool} {' '.join(arguments)} failed with exit status {done.returncode}:\n{last}")
    return done.stdout
