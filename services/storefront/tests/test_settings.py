"""What the environment may say, and what is refused with the cure."""

from pathlib import Path

import pytest
from levante.sessions import generate_key

from storefront import settings as module
from storefront.db import make_engine
from storefront.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of this process, and no `.env`, says anything."""
    for name in ("LEVANTE_ENV", "ENV", "SECRET_KEYS", "DATABASE_URL", "SESSION_STORAGE", "PORT", "HOST"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REPLICAS", "WORKERS", "REQUEST_IDS_FROM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "ROOT", tmp_path)


def problems() -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    return caught.value.problems


@pytest.mark.parametrize("environment", ["production", "test"])
def test_no_key(monkeypatch: pytest.MonkeyPatch, environment: str) -> None:
    monkeypatch.setenv("LEVANTE_ENV", environment)
    (problem,) = problems()
    assert problem.startswith("SECRET_KEYS: missing; make one with: python -c")


def test_production_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEYS", generate_key())
    assert Settings.load().is_production


def test_weak_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEYS", "changeme")
    (problem,) = problems()
    assert "generate_key" in problem
    assert "changeme" not in problem


def test_development_makes_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV", "development")
    assert Settings.load().secret_keys


def test_workers_share_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV", "development")
    monkeypatch.setenv("WORKERS", "2")
    (problem,) = problems()
    assert problem.startswith("SECRET_KEYS: missing")
    monkeypatch.setenv("SECRET_KEYS", generate_key())
    assert Settings.load().workers == 2


def test_everything_wrong_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "many")
    monkeypatch.setenv("REPLICAS", "0")
    monkeypatch.setenv("SESSION_STORAGE", "paper")
    monkeypatch.setenv("DATABASE_URL", "mysql://localhost/data")
    names = [problem.partition(":")[0] for problem in problems()]
    assert sorted(names) == ["DATABASE_URL", "PORT", "REPLICAS", "SECRET_KEYS", "SESSION_STORAGE"]


def test_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV", "development")
    for text, networks in (
        ("", ()),
        ("10.0.0.0/8", ("10.0.0.0/8",)),
        ("10.0.0.0/8, ::1,unix", ("10.0.0.0/8", "::1", "unix")),
    ):
        monkeypatch.setenv("REQUEST_IDS_FROM", text)
        assert Settings.load().request_ids_from == networks
    monkeypatch.setenv("REQUEST_IDS_FROM", "everybody")
    (problem,) = problems()
    assert problem.startswith("REQUEST_IDS_FROM: 'everybody'")
    assert "10.0.0.0/8" in problem


def test_every_interface_must_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV", "development")
    monkeypatch.setenv("HOST", "")
    (problem,) = problems()
    assert problem.startswith("HOST: Empty")


def test_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ENV", "development")
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/file/data.db")
    with pytest.raises(SettingsError, match="DATABASE_URL: cannot make the folder"):
        make_engine(Settings.load())


def test_key_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = generate_key()
    (tmp_path / "keys").write_text(f"{key}\n")
    monkeypatch.setenv("SECRET_KEYS_FILE", str(tmp_path / "keys"))
    assert Settings.load().secret_keys == key
    monkeypatch.setenv("SECRET_KEYS_FILE", str(tmp_path / "missing"))
    assert "SECRET_KEYS_FILE" in problems()[0]


def test_copies_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV", "development")
    assert Settings.load().replicas == 1
    monkeypatch.setenv("REPLICAS", "3")
    assert Settings.load().replicas == 3


def test_env_file_is_for_development(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"LEVANTE_ENV=development\nSECRET_KEYS={generate_key()}\nPORT=9000\n")
    assert Settings.load().port == 9000
    monkeypatch.setenv("LEVANTE_ENV", "production")
    assert problems()[0].startswith("SECRET_KEYS: missing")


def test_example_does_not_boot_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    example = Path(__file__).parents[1] / ".env.example"
    for line in example.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            monkeypatch.setenv(*line.split("=", 1))
    monkeypatch.setenv("LEVANTE_ENV", "production")
    assert problems()[0].startswith("SECRET_KEYS: missing")
