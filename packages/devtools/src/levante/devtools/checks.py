"""The checks of `devtools doctor`: a table of small functions that judge the facts of a service. Each yields a verdict
or more, in one line each: what was found, and for what is wrong the cure. A check that another one's failure keeps from
judging says so in a note; notes do not fail."""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from levante.sessions import WeakKey, parse_keys

from .facts import PORT, CannotTell, Facts

OLDEST_PYTHON = (3, 11)
"""What levante itself runs on."""

PRIVATE = 0o600
"""The permissions of a file with a key in it."""

ASSETS = ("templates", "static")
DATA_FOLDER = "var"
"""Ignored by git, and the volume of the container image."""

KEY_COMMAND = "python -c 'from levante.sessions import generate_key; print(generate_key())'"
POSTGRESQL = "DATABASE_URL=postgresql+asyncpg://user:password@host/database"

_SECRET = re.compile(r"(?:KEYS?|SECRETS?|PASSWORD|TOKEN)$")


class Mark(Enum):
    """How a check ended."""

    GOOD = "good"
    BAD = "bad"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the doctor's: the finding, and how what is wrong is cured."""

    mark: Mark
    text: str
    cure: str = ""


Verdicts = Iterator[Verdict]
Check = Callable[[Facts], Verdicts]


def good(text: str) -> Verdict:
    """Nothing to do."""
    return Verdict(Mark.GOOD, text)


def bad(text: str, *, cure: str) -> Verdict:
    """Wrong, and what makes it right."""
    return Verdict(Mark.BAD, text, cure)


def note(text: str) -> Verdict:
    """Neither right nor wrong."""
    return Verdict(Mark.NOTE, text)


def python_version(facts: Facts) -> Verdicts:
    """The interpreter is not older than pyproject.toml's `requires-python` begins."""
    declared = re.search(r">=\s*(\d+)\.(\d+)", str(facts.project.get("project", {}).get("requires-python", "")))
    oldest = max(OLDEST_PYTHON, (int(declared[1]), int(declared[2])) if declared else OLDEST_PYTHON)
    this, needed = ".".join(map(str, sys.version_info[:3])), ".".join(map(str, oldest))
    if sys.version_info[:2] < oldest:
        yield bad(
            f"Python {this}, the service needs {needed} or later",
            cure=f"make the environment anew with python{needed}",
        )
    else:
        yield good(f"Python {this}, the service needs {needed} or later")


def application(facts: Facts) -> Verdicts:
    """pyproject.toml names an application, and it loads."""
    try:
        target = facts.target
    except CannotTell as reason:
        yield bad(str(reason), cure='in pyproject.toml: [tool.levante] app = "PACKAGE.app:create_app"')
        return
    name = f"{target.module}:{target.attribute}".rstrip(":")
    try:
        error = facts.probe.error
    except CannotTell as reason:
        error = str(reason)
    if error:
        yield bad(
            f"the application {name} does not load: {error}",
            cure=f"correct it; `devtools runserver {facts.shown()}` shows the source around the error",
        )
    else:
        yield good(f"the application {name} loads")


def settings(facts: Facts) -> Verdicts:
    """The settings load; each that is wrong has a line."""
    try:
        problems = facts.probe.problems
    except CannotTell:
        yield note("settings: not judged, the application does not load")
        return
    if not problems:
        yield good("the settings load")
    for problem in problems:
        yield bad(f"settings: {problem.rstrip('.')}", cure=f"correct it in {facts.shown('.env')} or in the environment")


def env_file(facts: Facts) -> Verdicts:
    """`.env` is there, for its owner only."""
    file, mode = facts.shown(".env"), facts.env_mode
    if mode is None:
        yield bad(
            f"{file} is missing",
            cure=f"cp {facts.shown('.env.example')} {file} && chmod 600 {file}, then give SECRET_KEYS a key",
        )
    elif sys.platform != "win32" and mode != PRIVATE:  # Windows has no such permissions
        yield bad(f"{file} has mode {mode:04o}, others may read the key", cure=f"chmod 600 {file}")
    else:
        yield good(f"{file} is there, for its owner only")


def env_is_ignored(facts: Facts) -> Verdicts:
    """git leaves `.env` out."""
    if facts.env_is_ignored:
        yield good(".env is ignored by git")
    else:
        yield bad(
            ".env is not ignored by git",
            cure=f"add the line .env to {facts.shown('.gitignore')}; if it was committed, git rm --cached "
            f"{facts.shown('.env')} and make a new key",
        )


def strong_key(facts: Facts) -> Verdicts:
    """`.env` has a key that is no sample, no word, and long enough."""
    if facts.env_mode is None:
        yield note("SECRET_KEYS: not judged, .env is missing")
        return
    cure = f"put one into {facts.shown('.env')}; {KEY_COMMAND} makes it"
    try:
        key = facts.env.get("SECRET_KEYS") or _key_file(facts)
        count = len(parse_keys(key))
    except CannotTell as reason:
        yield bad(str(reason), cure=cure)
    except WeakKey as error:
        yield bad(f"SECRET_KEYS in .env: {error.problem}" if key else "SECRET_KEYS in .env is missing", cure=cure)
    else:
        yield good("SECRET_KEYS in .env is strong" if count == 1 else f"SECRET_KEYS in .env: {count} strong keys")


def _key_file(facts: Facts) -> str:
    name = facts.env.get("SECRET_KEYS_FILE")
    if not name:
        return ""
    try:
        return (facts.root / name).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotTell(f"SECRET_KEYS_FILE in .env cannot be read: {error}") from error


def example_file(facts: Facts) -> Verdicts:
    """`.env.example`, which git has, holds no secret."""
    file = facts.shown(".env.example")
    try:
        example = facts.example
    except CannotTell as reason:
        yield bad(str(reason), cure=f"write {file} as UTF-8 text, readable by you")
        return
    if example is None:
        yield bad(f"{file} is missing", cure="write one: every variable that the service reads, without secrets")
        return
    filled = [name for name, value in example.items() if value and _SECRET.search(name)]
    for name in filled:
        yield bad(f"{file} gives {name} a value", cure="empty it there, and replace that value wherever it is used")
    if not filled:
        yield good(f"{file} holds no key")


def database(facts: Facts) -> Verdicts:
    """The database answers."""
    try:
        kind = "SQLite" if facts.uses_sqlite else "PostgreSQL"
    except CannotTell as reason:
        yield note(f"database: not judged, {reason}")
        return
    try:
        _ = facts.revisions
    except CannotTell as reason:
        cure = facts.make("migrate") if facts.uses_sqlite else "start the server, or correct DATABASE_URL"
        if "not a database" in str(reason):
            cure = f"move that file away, then {cure}"
        yield bad(f"the database ({kind}) does not answer: {reason}", cure=cure)
    else:
        yield good(f"the database ({kind}) answers")


def migrations(facts: Facts) -> Verdicts:
    """Every migration has been run on the database."""
    try:
        revisions = facts.revisions
    except CannotTell:
        yield note("migrations: not judged without the database")
        return
    try:
        heads = facts.heads
    except CannotTell as reason:
        yield bad(f"the migrations cannot be read: {reason}", cure=f"correct {facts.shown('migrations')}")
        return
    if len(heads) > 1:
        yield bad(f"the migrations have {len(heads)} heads: {_listed(heads)}", cure="alembic merge heads, then migrate")
    elif revisions == heads:
        yield good(f"the migrations are at head ({_listed(heads) or 'there are none'})")
    else:
        yield bad(
            f"the database is at {_listed(revisions) or 'no migration'}, head is {_listed(heads)}",
            cure=facts.make("migrate"),
        )


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def models(facts: Facts) -> Verdicts:
    """The models have no change that no migration makes."""
    try:
        comparable = facts.uses_sqlite or facts.revisions == facts.heads
    except CannotTell:
        yield note("models: not judged without the database")
        return
    if not comparable:
        yield note("models: not judged before the migrations are at head")
        return
    try:
        differences = facts.differences
    except CannotTell as reason:
        yield bad(
            f"the models cannot be compared with the migrations: {reason}", cure=f"correct {facts.shown('migrations')}"
        )
        return
    if differences:
        yield bad(
            f"the models have changes without a migration ({', '.join(differences)})",
            cure=f"""{facts.make('migration M="what changes"')}, then {facts.make("migrate")}""",
        )
    else:
        yield good("every change of the models has its migration")


def replicas(facts: Facts) -> Verdicts:
    """A SQLite database has one copy of the service."""
    try:
        count, uses_sqlite = int(facts.settings.get("replicas", 1)), facts.uses_sqlite
    except CannotTell as reason:
        yield note(f"replicas: not judged, {reason}")
        return
    if count > 1 and uses_sqlite:
        yield bad(
            f"REPLICAS={count} with SQLite: each copy has a database of its own, and they differ",
            cure=f"{POSTGRESQL}, or REPLICAS=1",
        )
    else:
        yield good(f"REPLICAS={count} suits the database")


def sqlite_place(facts: Facts) -> Verdicts:
    """A SQLite database is a file below `var/`."""
    try:
        if not facts.uses_sqlite:
            return
        file, name = facts.sqlite_file, facts.target.module.partition(".")[0]
    except CannotTell as reason:
        yield note(f"SQLite file: not judged, {reason}")
        return
    if file is not None and file.resolve().is_relative_to(facts.root / DATA_FOLDER):
        yield good(f"the SQLite file lies below {DATA_FOLDER}/")
    else:
        where = "in memory, and is lost when the service stops" if file is None else facts.shown(str(file))
        yield bad(
            f"the SQLite database is {where}, not below {DATA_FOLDER}/",
            cure=f"DATABASE_URL=sqlite+aiosqlite:///{DATA_FOLDER}/{name}.db",
        )


def assets(facts: Facts) -> Verdicts:
    """The folders of templates and static files are where the application looks for them."""
    try:
        package = facts.package
    except CannotTell:
        yield note("templates and static files: not judged without an application")
        return
    missing = [name for name in ASSETS if not (package / name).is_dir()]
    for name in missing:
        folder = facts.shown(str(package / name))
        yield bad(f"{folder} is missing", cure=f"mkdir {folder}, or git checkout {folder} where it was deleted")
    if not missing:
        yield good("the folders of templates and static files are there")


def port(facts: Facts) -> Verdicts:
    """The development server's port is free; if not, that is only worth knowing."""
    if facts.port_holder:
        yield note(f"port {PORT} is taken by {facts.port_holder}; `devtools runserver` will take the next free one")
    else:
        yield good(f"port {PORT} is free")


CHECKS: tuple[Check, ...] = (
    python_version,
    application,
    settings,
    env_file,
    env_is_ignored,
    strong_key,
    example_file,
    database,
    migrations,
    models,
    replicas,
    sqlite_place,
    assets,
    port,
)
"""In the order in which they are shown: what a later one needs, an earlier one has judged."""
