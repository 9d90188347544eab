"""`devtools new` makes a service, `devtools add resource` puts a resource into one. Both work on a copy in a
temporary folder beside the target, up to and including the tests of what they made, and move the result into place at
the end: a failure, or Ctrl-C, leaves nothing half-made. Refusals are one line on stderr and exit status 2; failures
of a tool are exit status 1."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from .fields import Field, InvalidField, parse_fields
from .migrations import ToolFailed, run_tests, upgrade_database, write_migration
from .names import InvalidName, ResourceName, ServiceName, check_resource_name, check_service_name
from .parts import NotAService, Plan, Service, plan_part
from .progress import step
from .scaffold import part_template, resource_variables, service_template

FIRST_RESOURCE = "item"
FIRST_FIELDS = ("name:str", "description:text", "price:decimal", "in_stock:bool")

REFUSED = 2
FAILED = 1

_NOT_COPIED = (
    ".env",
    ".git",
    ".venv",
    "var",
    "build",
    "dist",
    "*.egg-info",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
    "node_modules",
)


def render_service(names: ServiceName, into: Path) -> Path:
    """Render a service with its first resource and its first migration into the existing folder `into`. The result
    depends on the names alone: no key, no date, no database is in it."""
    root = service_template().render(into, name=names.name, package=names.package)
    resource, fields = check_resource_name(FIRST_RESOURCE), parse_fields(FIRST_FIELDS)
    plan = plan_resource(Service(root, names), resource, fields)
    if plan.conflicts:
        raise ToolFailed("the service template and the resource part do not fit:\n" + "\n".join(plan.conflicts))
    plan.write(root)
    write_migration(root, _message(resource))
    return root


def plan_resource(service: Service, resource: ResourceName, fields: list[Field]) -> Plan:
    """What adding `resource` to `service` would write and edit, and what stands in the way."""
    answers = {"name": resource.singular, "plural": resource.plural, "fields": [str(field) for field in fields]}
    variables = resource_variables(service.names, resource, fields)
    return plan_part(service, part_template("resource"), variables, answers=answers)


def _message(resource: ResourceName) -> str:
    return f"create {resource.plural}"


@click.command("new", short_help="Make a service, with database, migration, pages, API and tests.")
@click.argument("name", default="")
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    default=Path("services"),
    show_default=True,
    help="The folder that gets the service's folder.",
)
@click.option(
    "--database",
    default="sqlite",
    show_default=True,
    help="sqlite, or a URL: postgresql+asyncpg://user:password@host/name.",
)
@click.option("--no-tests", is_flag=True, help="Do not run the new service's tests.")
def new_command(name: str, into: Path, database: str, *, no_tests: bool) -> None:
    """Make a service called NAME, with its database and its first migration."""
    with refusals():
        names = check_service_name(name, into)
        url = _database_url(database)
    click.echo(f"{names.name} -> package {names.package}")
    with failures():
        new_service(names, into, database_url=url, tests=not no_tests)
    _say_what_next(names, into / names.name)


def new_service(names: ServiceName, into: Path, *, database_url: str | None = None, tests: bool = True) -> Path:
    """Make the service `names` in the folder `into`, migrate its database (its own SQLite file, or `database_url`)
    and run its tests; raises `ToolFailed` with nothing left behind."""
    target = into / names.name
    made = _missing_parents(into)
    into.mkdir(parents=True, exist_ok=True)
    try:
        with temporary_folder(into, names.name) as scratch:
            with step("service and first migration written") as running:
                root = render_service(names, scratch)
                count = sum(path.is_file() for path in root.rglob("*"))
                running.result = f"{count} files written, first migration made from the models"
            write_environment(root, database_url=database_url)
            if tests:
                with step("tests run") as running:
                    running.result = f"tests: {run_tests(root)}"
            with step("database migrated"):
                upgrade_database(root)
            root.rename(target)
    except BaseException:
        _remove_empty(made)
        raise
    return target


@click.group("add", short_help="Add a part to a service: a resource.")
def add_group() -> None:
    """Add a part to a service that stands already."""


@add_group.command("resource", short_help="Add a resource: model, pages, API, tests, migration.")
@click.argument("name", default="")
@click.argument("fields", nargs=-1, metavar="FIELD:TYPE...")
@click.option(
    "--service",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The service's folder; here by default.",
)
@click.option("--plural", help="The plural, where the guess from NAME is wrong: person, people.")
@click.option("--dry-run", is_flag=True, help="List what would be written and edited; write nothing.")
@click.option("--no-tests", is_flag=True, help="Do not run the service's tests.")
def add_resource_command(
    name: str, fields: tuple[str, ...], folder: Path, plural: str | None, *, dry_run: bool, no_tests: bool
) -> None:
    """Add a resource: model, schema, pages, API, live list, templates, tests and migration.

    \b
    devtools add resource order title:str total:decimal paid:bool
    Types: str text int float decimal bool date datetime
    """
    with refusals():
        service = Service.read(folder.resolve())
        resource = check_resource_name(name, plural=plural)
        plan = plan_resource(service, resource, parse_fields(fields))
    if plan.conflicts:
        click.echo(f"refused, nothing written; in the way of {resource.singular}:", err=True)
        for conflict in plan.conflicts:
            click.echo(f"  {conflict}", err=True)
        raise SystemExit(REFUSED)
    if not dry_run:
        with failures():
            add_resource(service, resource, plan, tests=not no_tests)
    _list_files(service, resource, plan, dry_run=dry_run)


def add_resource(service: Service, resource: ResourceName, plan: Plan, *, tests: bool = True) -> None:
    """Carry out `plan`: in a copy first, with its migration and the tests, then in the service; raises `ToolFailed`
    with the service as it was."""
    with temporary_folder(service.root.parent, service.root.name) as scratch:
        copy = scratch / service.root.name
        shutil.copytree(service.root, copy, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        plan.write(copy)
        with step("migration written") as running:
            file = write_migration(copy, _message(resource), database_url=_server_url(service.root))
            running.result = f"migration {file.name} made from the models"
        if tests:
            with step("tests run") as running:
                running.result = f"tests: {run_tests(copy)}"
        plan.new[file.relative_to(copy)] = file.read_bytes()
        plan.write(service.root)


def write_environment(root: Path, *, database_url: str | None = None) -> None:
    """Write `.env` from `.env.example`, with a key of its own and, if given, the database; readable by its owner
    only."""
    from levante.sessions import generate_key  # loads cryptography

    text = (root / ".env.example").read_text(encoding="utf-8")
    text = text.replace("\nSECRET_KEYS=\n", f"\nSECRET_KEYS={generate_key()}\n")
    if database_url:
        lines = [
            f"DATABASE_URL={database_url}" if line.startswith("DATABASE_URL=") else line for line in text.splitlines()
        ]
        text = "\n".join(lines) + "\n"
    descriptor = os.open(root / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


@contextmanager
def temporary_folder(beside: Path, name: str) -> Iterator[Path]:
    """A folder on the same file system as the target, so that moving into place is one rename; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=beside))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the user must change into one line on stderr and exit status 2."""
    try:
        yield
    except (InvalidName, InvalidField, NotAService) as error:
        click.echo(f"refused: {error}", err=True)
        raise SystemExit(REFUSED) from None


@contextmanager
def failures() -> Iterator[None]:
    """Turn what went wrong on the way into its text on stderr and exit status 1. SIGTERM ends the block as Ctrl-C
    does, so that what is half made is removed."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except (ToolFailed, OSError) as error:
        click.echo(f"failed, nothing was left behind: {error}", err=True)
        raise SystemExit(FAILED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _database_url(database: str) -> str | None:
    if database == "sqlite":
        return None
    if database.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
        return database
    raise InvalidName("DATABASE", database, "expected sqlite, or a URL as postgresql+asyncpg://user:password@host/name")


def _server_url(root: Path) -> str | None:
    # A PostgreSQL service may have migrations that SQLite cannot run: the models are compared with its own database.
    environment = root / ".env"
    lines = environment.read_text(encoding="utf-8").splitlines() if environment.is_file() else []
    urls = [line.removeprefix("DATABASE_URL=").strip("'\" ") for line in lines if line.startswith("DATABASE_URL=")]
    return urls[-1] if urls and urls[-1].startswith("postgresql") else None


def _missing_parents(folder: Path) -> list[Path]:
    return [place for place in (folder, *folder.parents) if not place.exists()]


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _next_migration(versions: Path, resource: ResourceName) -> Path:
    numbers = [int(file.name[:4]) for file in versions.glob("[0-9][0-9][0-9][0-9]_*.py")]
    return Path("migrations", "versions", f"{max(numbers, default=0) + 1:04}_create_{resource.plural}.py")


def _list_files(service: Service, resource: ResourceName, plan: Plan, *, dry_run: bool) -> None:
    write, edit = ("would write", "would edit ") if dry_run else ("wrote ", "edited")
    paths = list(plan.new)
    if dry_run:
        paths.append(_next_migration(service.root / "migrations" / "versions", resource))
    for path in paths:
        click.echo(f"  {write} {path}")
    for path in plan.edited:
        click.echo(f"  {edit} {path}")
    if not dry_run:
        click.echo(f"Next: `make migrate` in {service.root.name}, then look at /{resource.plural}")


def _say_what_next(names: ServiceName, folder: Path) -> None:
    in_repository = Path("Makefile").is_file() and Path("cookiecutter").is_dir() and folder.parent == Path("services")
    here = f"cd {folder} && make "
    run, test = (f"make run NAME={names.name}", "make test") if in_repository else (f"{here}run", f"{here}test")
    click.echo(f"{folder} is ready, its key in {folder / '.env'}. Next:")
    click.echo(f"  {run}\n      serves it on http://127.0.0.1:8000 and reloads as you edit")
    click.echo(f"  {test}\n      runs the tests")
