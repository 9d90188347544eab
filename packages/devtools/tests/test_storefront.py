"""services/storefront is exactly what the generator renders for that name, so that the two cannot drift apart. When
this fails, render it anew: remove services/storefront, then `make new-service NAME=storefront`."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from levante.devtools.generate import render_service
from levante.devtools.names import ServiceName

REPOSITORY = Path(__file__).resolve().parents[3]
STOREFRONT = REPOSITORY / "services" / "storefront"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_service(ServiceName("storefront", "storefront"), tmp_path_factory.mktemp("rendered"))


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def committed() -> dict[str, bytes]:
    """The files of the service that git knows or would add: no key, no database, no cache."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "."],
        cwd=STOREFRONT,
        capture_output=True,
        check=True,
    )
    paths = [path.decode() for path in listing.stdout.split(b"\0") if path]
    return {path: (STOREFRONT / path).read_bytes() for path in paths if (STOREFRONT / path).is_file()}


def test_same_files(rendered: Path) -> None:
    assert sorted(committed()) == sorted(path for path in files(rendered) if "__pycache__" not in path)


def test_same_contents(rendered: Path) -> None:
    new, old = files(rendered), committed()
    assert [path for path in old if old[path] != new.get(path)] == []


def test_rendering_twice_is_the_same(rendered: Path, tmp_path: Path) -> None:
    again = render_service(ServiceName("storefront", "storefront"), tmp_path)
    assert files(again) == files(rendered)


def test_no_secret_is_committed(rendered: Path) -> None:
    assert ".env" not in files(rendered)
    assert "\nSECRET_KEYS=\n" in (rendered / ".env.example").read_text()


def test_lint_settings_are_the_repository_s() -> None:
    def lint(path: Path) -> dict[str, object]:
        ruff = tomllib.loads(path.read_text())["tool"]["ruff"]
        return {
            "length": ruff["line-length"],
            "target": ruff["target-version"],
            "rules": sorted(ruff["lint"]["select"]),
        }

    assert lint(STOREFRONT / "pyproject.toml") == lint(REPOSITORY / "pyproject.toml")
