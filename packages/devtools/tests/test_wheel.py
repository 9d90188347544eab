"""The wheel, and the wheel made from the sdist, carry the generator's templates, dot files included."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
SCAFFOLD = "levante/devtools/scaffold"


def templates() -> set[str]:
    """The templates as a wheel should name them."""
    found = set()
    for name, folder in (("service", "cookiecutter"), ("parts", "templates")):
        root = REPOSITORY / folder
        files = (path for path in root.rglob("*") if path.is_file() and "_cache" not in str(path))
        found |= {f"{SCAFFOLD}/{name}/{path.relative_to(root).as_posix()}" for path in files}
    return {path for path in found if "__pycache__" not in path}


def build(hook: str, folder: Path, out: Path) -> Path:
    """Call a hook of the build backend as pip does, without isolation and without the network."""
    out.mkdir()
    code = f"from setuptools import build_meta; build_meta.{hook}({str(out)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.iterdir())


def packed(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if name.startswith(f"{SCAFFOLD}/")}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package in a copy of the repository, so that building leaves nothing beside the sources."""
    for folder in ("cookiecutter", "templates"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    ignored = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", "tests")
    return shutil.copytree(REPOSITORY / "packages" / "devtools", tmp_path / "packages" / "devtools", ignore=ignored)


def test_wheel_carries_the_templates(package: Path, tmp_path: Path) -> None:
    names = packed(build("build_wheel", package, tmp_path / "wheel"))
    assert names == templates()
    assert f"{SCAFFOLD}/service/[[cookiecutter.name]]/.env.example" in names


def test_wheel_of_the_sdist_carries_them_as_well(package: Path, tmp_path: Path) -> None:
    with tarfile.open(build("build_sdist", package, tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "alone", filter="data")
    unpacked = next((tmp_path / "alone").iterdir())
    assert packed(build("build_wheel", unpacked, tmp_path / "wheel")) == templates()
