"""`devtools new` and `devtools add resource`: what they make, what they refuse, and that a failure leaves nothing
behind."""

import signal
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from levante.devtools import generate
from levante.devtools.generate import add_group, new_command, new_service
from levante.devtools.migrations import ToolFailed, run_tool
from levante.devtools.names import ServiceName

pytestmark = pytest.mark.slow

EVERY_TYPE = (
    "title:str",
    "notes:text",
    "count:int",
    "weight:float",
    "total:decimal",
    "paid:bool",
    "due:date",
    "shipped_at:datetime",
)


def new(*arguments: str) -> Result:
    return CliRunner().invoke(new_command, list(arguments))


def add(*arguments: str) -> Result:
    return CliRunner().invoke(add_group, ["resource", *arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A service, and what was said while it was made."""
    services = tmp_path_factory.mktemp("work") / "not" / "there"
    result = new("my-shop", "--into", str(services), "--no-tests")
    assert result.exit_code == 0, result.output
    return services / "my-shop", result.output


@pytest.fixture
def service(made: tuple[Path, str]) -> Path:
    return made[0]


def test_service_is_made(made: tuple[Path, str]) -> None:
    service, said = made
    assert "my-shop -> package my_shop" in said
    assert "http://127.0.0.1:8000" in said
    assert [path.name for path in service.parent.iterdir()] == ["my-shop"]
    assert (service / "src" / "my_shop" / "app.py").is_file()
    assert (service / "var" / "my_shop.db").is_file()
    assert (service / "migrations" / "versions" / "0001_create_items.py").is_file()
    assert not list(service.rglob("__pycache__"))


@pytest.mark.hardening("S4")
def test_key_is_private_and_new(service: Path) -> None:
    environment = service / ".env"
    assert stat.S_IMODE(environment.stat().st_mode) == 0o600
    (line,) = [line for line in environment.read_text().splitlines() if line.startswith("SECRET_KEYS=")]
    assert len(line) > 50
    assert line not in (service / ".env.example").read_text()


def test_database_is_at_head(service: Path) -> None:
    assert "0001 (head)" in run_tool(service, "alembic", "current", environment={})


def test_database_can_be_chosen(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/elsewhere.db"
    result = new("shop", "--into", str(tmp_path / "services"), "--no-tests", "--database", url)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "elsewhere.db").is_file()
    assert f"\nDATABASE_URL={url}\n" in (tmp_path / "services" / "shop" / ".env").read_text()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "NAME is missing"),
        (["Shop"], "upper case"),
        (["json"], "the standard library"),
        (["a/b"], "not a path"),
        (["shop", "--database", "mysql://x"], "expected sqlite, or a URL"),
    ],
)
def test_refused(tmp_path: Path, arguments: list[str], reason: str) -> None:
    result = new(*arguments, "--into", str(tmp_path / "services"))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr
    assert not list(tmp_path.iterdir())


def test_folder_that_exists_is_refused_and_kept(service: Path) -> None:
    before = contents(service)
    result = new("my-shop", "--into", str(service.parent))
    assert result.exit_code == 2
    assert "exists" in result.stderr
    assert contents(service) == before


@pytest.mark.parametrize("step", ["render_service", "run_tests", "upgrade_database"])
def test_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ToolFailed("it broke")

    monkeypatch.setattr(generate, "run_tests", lambda _: "1 passed")
    monkeypatch.setattr(generate, step, fail)
    result = new("shop", "--into", str(tmp_path / "a" / "services"))
    assert result.exit_code == 1
    assert "it broke" in result.stderr
    assert not list(tmp_path.iterdir())


def test_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: Path) -> str:
        raise KeyboardInterrupt

    (tmp_path / "kept").touch()
    monkeypatch.setattr(generate, "run_tests", interrupt)
    with pytest.raises(KeyboardInterrupt):
        new_service(ServiceName("shop", "shop"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_termination_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "run_tests", lambda _: signal.raise_signal(signal.SIGTERM))
    result = new("shop", "--into", str(tmp_path / "services"))
    assert result.exit_code == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())


def test_template_and_part_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = generate.Plan(conflicts=["models.py: the name Item is taken"])
    monkeypatch.setattr(generate, "plan_resource", lambda *_: plan)
    with pytest.raises(ToolFailed, match="the name Item is taken"):
        generate.render_service(ServiceName("shop", "shop"), tmp_path)


def test_resource_of_every_type(service: Path) -> None:
    before = contents(service)
    dry = add("order", *EVERY_TYPE, "--service", str(service), "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert contents(service) == before
    listed = {line.split()[2] for line in dry.output.splitlines() if line.startswith("  would ")}

    done = add("order", *EVERY_TYPE, "--service", str(service))
    assert done.exit_code == 0, done.output
    assert " passed" in done.output
    after = contents(service)
    assert {path for path in after if after[path] != before.get(path)} == listed
    assert [path.name for path in service.parent.iterdir()] == ["my-shop"]

    again = add("order", "title:str", "--service", str(service))
    assert again.exit_code == 2
    assert "views/orders.py: exists" in again.stderr
    assert "models.py: the name Order is taken" in again.stderr
    assert contents(service) == after

    for check in (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)):
        run_tool(service, *check, environment={})


def test_resource_that_fails_its_tests_leaves_the_service_as_it_was(
    service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> str:
        raise ToolFailed("1 failed")

    before = contents(service)
    monkeypatch.setattr(generate, "run_tests", fail)
    result = add("customer", "name:str", "--service", str(service))
    assert result.exit_code == 1
    assert "1 failed" in result.stderr
    assert contents(service) == before
    assert [path.name for path in service.parent.iterdir()] == ["my-shop"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "RESOURCE is missing"),
        (["customer"], "no fields"),
        (["customer", "name:string"], "is not one of"),
        (["home", "name:str"], "reserved"),
    ],
)
def test_refused_resource(service: Path, arguments: list[str], reason: str) -> None:
    result = add(*arguments, "--service", str(service))
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr


def test_resource_outside_a_service(tmp_path: Path) -> None:
    result = add("order", "title:str", "--service", str(tmp_path))
    assert result.exit_code == 2
    assert "go into a service's folder" in result.stderr


def test_models_of_a_postgresql_service_are_compared_with_its_own_database(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str | None] = []

    def remember(_: Path, __: str, *, database_url: str | None) -> Path:
        used.append(database_url)
        raise ToolFailed("enough")

    monkeypatch.setattr(generate, "write_migration", remember)
    for url in ("sqlite+aiosqlite:///var/shop.db", "postgresql+asyncpg://here/shop"):
        (tmp_path / "pyproject.toml").write_text((service / "pyproject.toml").read_text())
        (tmp_path / ".env").write_text(f"DATABASE_URL='{url}'\n")
        fake = generate.Service(tmp_path, ServiceName("shop", "shop"))
        resource = generate.check_resource_name("customer")
        with pytest.raises(ToolFailed):
            generate.add_resource(fake, resource, generate.Plan())
    assert used == [None, "postgresql+asyncpg://here/shop"]
