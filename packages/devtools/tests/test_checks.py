"""Each check of `devtools doctor` on a copy of the storefront with one mistake planted: it is found, with its cure."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from levante.devtools import checks, facts, ports
from levante.devtools.checks import Check, Mark, Verdict
from levante.devtools.facts import CannotTell, Facts
from levante.devtools.generate import write_environment
from levante.devtools.migrations import upgrade_database

pytestmark = pytest.mark.slow

STOREFRONT = Path(__file__).resolve().parents[3] / "services" / "storefront"
PLAIN_URL = "DATABASE_URL=sqlite+aiosqlite:///var/storefront.db"
CLOSED_URL = "DATABASE_URL=postgresql+asyncpg://nobody@127.0.0.1:1/nothing"


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fit") / "storefront"
    shutil.copytree(STOREFRONT, root, ignore=shutil.ignore_patterns(".env", "var", "__pycache__", ".*_cache"))
    write_environment(root)
    upgrade_database(root)
    return root


@pytest.fixture
def service(fit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to plant mistakes in, in which the caller is."""
    root = tmp_path / "storefront"
    shutil.copytree(fit, root)
    monkeypatch.chdir(root)
    for name in ("LEVANTE_ENV", "ENV", "SECRET_KEYS", "DATABASE_URL", "PORT", "REPLICAS"):
        monkeypatch.delenv(name, raising=False)
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def judge(check: Check, root: Path) -> list[Verdict]:
    return list(check(Facts(root)))


def only(check: Check, root: Path) -> Verdict:
    (verdict,) = judge(check, root)
    return verdict


def key_line(root: Path) -> str:
    (line,) = [line for line in (root / ".env").read_text().splitlines() if line.startswith("SECRET_KEYS=")]
    return line


MISTAKES: dict[str, tuple[Check, Callable[[Path], object], str, str]] = {
    "older Python": (
        checks.python_version,
        lambda root: edit(root / "pyproject.toml", ">=3.11", ">=3.99"),
        "the service needs 3.99 or later",
        "python3.99",
    ),
    "no application named": (
        checks.application,
        lambda root: edit(root / "pyproject.toml", 'app = "storefront.app:create_app"', ""),
        "names no application",
        '[tool.levante] app = "PACKAGE.app:create_app"',
    ),
    "broken pyproject": (
        checks.application,
        lambda root: (root / "pyproject.toml").write_text("[tool"),
        "cannot be read",
        "pyproject.toml",
    ),
    "no such function": (
        checks.application,
        lambda root: edit(root / "pyproject.toml", ":create_app", ":make_app"),
        "has no 'make_app'",
        "correct it",
    ),
    "error in the application": (
        checks.application,
        lambda root: edit(root / "src/storefront/app.py", "ONE_YEAR = 365", "ONE_YEAR = nothing"),
        "NameError: name 'nothing' is not defined (src/storefront/app.py:",
        "correct it; `devtools runserver .` shows",
    ),
    "process ends": (
        checks.application,
        lambda root: edit(root / "src/storefront/app.py", "ONE_YEAR = 365", "import os; os._exit(3)\nONE_YEAR = 365"),
        "ended the process with status 3",
        "correct it",
    ),
    "wrong setting": (
        checks.settings,
        lambda root: edit(root / ".env", "POOL_SIZE=5", "POOL_SIZE=few"),
        "POOL_SIZE: Not a valid integer",
        "correct it in .env",
    ),
    "no .env": (checks.env_file, lambda root: (root / ".env").unlink(), ".env is missing", "cp .env.example .env"),
    "open .env": (checks.env_file, lambda root: (root / ".env").chmod(0o644), "mode 0644", "chmod 600 .env"),
    ".env is not ignored": (
        checks.env_is_ignored,
        lambda root: edit(root / ".gitignore", ".env\n", ""),
        "not ignored by git",
        "add the line .env to .gitignore",
    ),
    "no .gitignore": (
        checks.env_is_ignored,
        lambda root: (root / ".gitignore").unlink(),
        "not ignored by git",
        "add the line .env to .gitignore",
    ),
    "weak key": (
        checks.strong_key,
        lambda root: edit(root / ".env", key_line(root), "SECRET_KEYS=changeme"),
        "SECRET_KEYS in .env: ",
        "generate_key()",
    ),
    "no key": (
        checks.strong_key,
        lambda root: edit(root / ".env", key_line(root), ""),
        "SECRET_KEYS in .env is missing",
        "generate_key()",
    ),
    "key file is missing": (
        checks.strong_key,
        lambda root: edit(root / ".env", key_line(root), "SECRET_KEYS_FILE=nowhere"),
        "SECRET_KEYS_FILE in .env cannot be read",
        "generate_key()",
    ),
    ".env is no text": (
        checks.strong_key,
        lambda root: (root / ".env").write_bytes(b"\xff\xfe"),
        ".env cannot be read",
        "generate_key()",
    ),
    "key in the example": (
        checks.example_file,
        lambda root: edit(root / ".env.example", "SECRET_KEYS=\n", "SECRET_KEYS=abc\n"),
        ".env.example gives SECRET_KEYS a value",
        "empty it there",
    ),
    "no example": (checks.example_file, lambda root: (root / ".env.example").unlink(), "is missing", "write one"),
    "example is no text": (
        checks.example_file,
        lambda root: (root / ".env.example").write_bytes(b"\xff\xfe"),
        ".env.example cannot be read",
        "UTF-8",
    ),
    "no database": (
        checks.database,
        lambda root: (root / "var/storefront.db").unlink(),
        "var/storefront.db is not there",
        "make migrate",
    ),
    "database in memory": (
        checks.database,
        lambda root: edit(root / ".env", PLAIN_URL, "DATABASE_URL=sqlite+aiosqlite:///:memory:"),
        "no database is there yet",
        "make migrate",
    ),
    "no database file": (
        checks.database,
        lambda root: (root / "var/storefront.db").write_text("not a database " * 100),
        "file is not a database",
        "move that file away, then make migrate",
    ),
    "no server": (
        checks.database,
        lambda root: edit(root / ".env", PLAIN_URL, CLOSED_URL),
        "the database (PostgreSQL) does not answer: ",
        "start the server, or correct DATABASE_URL",
    ),
    "migration not run": (
        checks.migrations,
        lambda root: add_migration(root, "0002", after="0001"),
        "the database is at 0001, head is 0002",
        "make migrate",
    ),
    "empty database": (
        checks.migrations,
        lambda root: (root / "var/storefront.db").write_bytes(b""),
        "the database is at no migration, head is 0001",
        "make migrate",
    ),
    "two heads": (
        checks.migrations,
        lambda root: (add_migration(root, "0002", after="0001"), add_migration(root, "0003", after="0001")),
        "2 heads: 0002, 0003",
        "alembic merge heads",
    ),
    "broken migration": (
        checks.migrations,
        lambda root: (root / "migrations/versions/0002_broken.py").write_text("nonsense("),
        "the migrations cannot be read: SyntaxError",
        "correct migrations",
    ),
    "model without a migration": (
        checks.models,
        lambda root: edit(
            root / "src/storefront/models.py",
            "    in_stock: ",
            "    colour: Mapped[str] = mapped_column(String(20))\n    in_stock: ",
        ),
        "changes without a migration (add_column)",
        'make migration M="what changes", then make migrate',
    ),
    "migration that fails": (
        checks.models,
        lambda root: edit(
            root / "migrations/versions/0001_create_items.py",
            "def upgrade() -> None:",
            "def upgrade() -> None:\n    1 / 0",
        ),
        "cannot be compared with the migrations: ZeroDivisionError",
        "correct migrations",
    ),
    "copies with SQLite": (
        checks.replicas,
        lambda root: edit(root / ".env", "REPLICAS=1", "REPLICAS=3"),
        "REPLICAS=3 with SQLite",
        "DATABASE_URL=postgresql+asyncpg://",
    ),
    "database elsewhere": (
        checks.sqlite_place,
        lambda root: edit(root / ".env", PLAIN_URL, "DATABASE_URL=sqlite+aiosqlite:///data.db"),
        "the SQLite database is data.db, not below var/",
        "DATABASE_URL=sqlite+aiosqlite:///var/storefront.db",
    ),
    "database in memory, its place": (
        checks.sqlite_place,
        lambda root: edit(root / ".env", PLAIN_URL, "DATABASE_URL=sqlite+aiosqlite:///:memory:"),
        "in memory, and is lost",
        "DATABASE_URL=sqlite+aiosqlite:///var/storefront.db",
    ),
    "no templates": (
        checks.assets,
        lambda root: shutil.rmtree(root / "src/storefront/templates"),
        "src/storefront/templates is missing",
        "git checkout src/storefront/templates",
    ),
}


def add_migration(root: Path, revision: str, *, after: str) -> None:
    text = (
        f"revision = {revision!r}\ndown_revision = {after!r}\nbranch_labels = depends_on = None\n\n\n"
        "def upgrade() -> None:\n    pass\n\n\ndef downgrade() -> None:\n    pass\n"
    )
    (root / "migrations" / "versions" / f"{revision}_more.py").write_text(text)


@pytest.mark.parametrize("name", MISTAKES)
def test_planted_mistake_is_found_with_its_cure(service: Path, name: str) -> None:
    check, plant, finding, cure = MISTAKES[name]
    plant(service)
    verdict = only(check, service)
    assert verdict.mark is Mark.BAD
    assert finding in verdict.text
    assert cure in verdict.cure
    assert "\n" not in verdict.text + verdict.cure


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_fit_service_is_good(service: Path, check: Check) -> None:
    assert {verdict.mark for verdict in judge(check, service)} <= {Mark.GOOD, Mark.NOTE}


def test_all_settings_that_are_wrong_are_shown(service: Path) -> None:
    edit(service / ".env", "POOL_SIZE=5", "POOL_SIZE=few")
    edit(service / ".env", key_line(service), "SECRET_KEYS=changeme")
    assert [verdict.text[:21] for verdict in judge(checks.settings, service)] == [
        "settings: POOL_SIZE: ",
        "settings: SECRET_KEYS",
    ]


def test_key_of_a_file_and_a_ring_of_keys(service: Path) -> None:
    line = key_line(service)
    (service / "keys").write_text(line.removeprefix("SECRET_KEYS="))
    edit(service / ".env", line, "SECRET_KEYS_FILE=keys")
    assert only(checks.strong_key, service).text == "SECRET_KEYS in .env is strong"
    from levante.sessions import generate_key

    edit(service / ".env", "SECRET_KEYS_FILE=keys", f"SECRET_KEYS={generate_key()},{generate_key()}")
    assert only(checks.strong_key, service).text == "SECRET_KEYS in .env: 2 strong keys"


@pytest.mark.skipif(shutil.which("git") is None, reason="asks git")
def test_git_is_asked_where_there_is_a_repository(service: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=service, check=True)
    assert only(checks.env_is_ignored, service).mark is Mark.GOOD
    subprocess.run(["git", "add", "-f", ".env"], cwd=service, check=True)
    assert only(checks.env_is_ignored, service).mark is Mark.BAD


def test_no_git(service: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(service))
    assert only(checks.env_is_ignored, service).mark is Mark.GOOD


def test_without_an_application_nothing_else_is_judged(service: Path) -> None:
    edit(service / "pyproject.toml", 'app = "storefront.app:create_app"', "")
    for check in (
        checks.settings,
        checks.database,
        checks.migrations,
        checks.models,
        checks.replicas,
        checks.sqlite_place,
        checks.assets,
    ):
        verdict = only(check, service)
        assert (verdict.mark, "not judged" in verdict.text) == (Mark.NOTE, True)


def test_without_env_the_key_is_not_judged(service: Path) -> None:
    (service / ".env").unlink()
    assert only(checks.strong_key, service).mark is Mark.NOTE


class Server(Facts):
    """A service on PostgreSQL, whose database says what the test wants."""

    database_url = "postgresql+asyncpg://here/shop"  # type: ignore[assignment]
    uses_sqlite = False  # type: ignore[assignment]
    settings = {"replicas": 3}  # type: ignore[assignment]  # noqa: RUF012
    heads = frozenset({"0002"})  # type: ignore[assignment]
    revisions = heads  # type: ignore[assignment]
    differences: list[str] = []  # type: ignore[assignment]  # noqa: RUF012


def test_postgresql_is_at_head(service: Path) -> None:
    there = Server(service)
    for check in (checks.database, checks.migrations, checks.models, checks.replicas):
        (verdict,) = check(there)
        assert verdict.mark is Mark.GOOD
    assert list(checks.sqlite_place(there)) == []


def test_postgresql_models_wait_for_the_migrations(service: Path) -> None:
    behind = Server(service)
    behind.__class__ = type("Behind", (Server,), {"revisions": frozenset({"0001"})})
    (verdict,) = checks.models(behind)
    assert verdict.text == "models: not judged before the migrations are at head"


def test_postgresql_that_is_away(service: Path) -> None:
    edit(service / ".env", PLAIN_URL, CLOSED_URL)
    assert only(checks.models, service).text == "models: not judged without the database"
    assert only(checks.migrations, service).mark is Mark.NOTE


def test_taken_port_is_only_a_note(service: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        number = listening.getsockname()[1]
        monkeypatch.setattr(facts, "PORT", number)
        verdict = only(checks.port, service)
        assert verdict.mark is Mark.NOTE
        assert "runserver` will take the next free one" in verdict.text
    assert not ports.is_taken(number)
    assert only(checks.port, service).mark is Mark.GOOD


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows lacks permissions")
def test_windows_has_no_permissions(service: Path) -> None:
    assert only(checks.env_file, service).mark is Mark.GOOD


def test_reasons_are_remembered(service: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (service / "pyproject.toml").write_text("[tool")
    there = Facts(service)
    with pytest.raises(CannotTell) as first:
        _ = there.target
    with pytest.raises(CannotTell) as again:
        _ = there.package
    assert again.value is first.value
