"""The environment that is measured: build/bench/<python>, with the pinned peers and levante as users install it.

levante is built there from a copy of its sources, compiled, for the Python that runs the benchmark; so any Python can
be measured, and neither .venv nor what is compiled in place is touched. Each part is installed again when what it is
made of has changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PINS = HERE / "requirements.txt"
PACKAGES = ("http-core", "ws", "web", "client", "sessions")
LEFT_OUT = shutil.ignore_patterns("*.so", "*.pyd", "*.c", "__pycache__", "build", "tests", "*.egg-info")


def ensure() -> Path:
    """The interpreter of the environment, which is made or brought up to date first."""
    folder = ROOT / "build" / "bench" / str(sys.implementation.cache_tag)
    python = folder / "bin" / "python"
    step(folder / ".made", sys.version.encode(), f"making {folder.relative_to(ROOT)}", lambda: make(folder))
    step(
        folder / ".peers",
        PINS.read_bytes(),
        "installing the peers",
        lambda: pip(python, "--require-hashes", "-r", PINS),
    )
    for package in PACKAGES:
        install = partial(install_package, package, folder / "levante" / package, python)
        step(folder / f".{package}", sources(package), f"building levante's {package}", install)
    return python


def step(stamp: Path, made_of: bytes, title: str, do: Callable[[], None]) -> None:
    fingerprint = hashlib.sha256(made_of).hexdigest()
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    print(f"  {title}", flush=True)
    do()
    stamp.write_text(fingerprint)


def make(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)


def pip(python: Path, *arguments: str | Path) -> None:
    command = [str(python), "-m", "pip", "-q", "--disable-pip-version-check", "install", *map(str, arguments)]
    # The plain form would be measured unnoticed where the compiler is missing or fails.
    environment = {**os.environ, "LEVANTE_REQUIRE_COMPILED": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        cure = "is a package registry reachable, and has this Python wheels of every peer (make bench PYTHON=...)?"
        raise SystemExit(f"{done.stdout}{done.stderr}\npip failed with status {done.returncode}; {cure}")


def sources(package: str) -> bytes:
    """Everything that the installed package is made of."""
    folder = ROOT / "packages" / package
    files = [folder / "pyproject.toml", *folder.glob("setup.py")]
    for pattern in ("*.py", "*.pxd"):
        files += sorted((folder / "src").rglob(pattern))
    return b"\0".join(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() for path in files)


def install_package(package: str, copy: Path, python: Path) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT / "packages" / package, copy, ignore=LEFT_OUT)
    pip(python, "--no-deps", "--no-build-isolation", "--force-reinstall", copy)
