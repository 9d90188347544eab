"""Make the environment in .venv and install the workspace into it; run again, it does what changed and nothing else.

Runs on the bare python3 of the machine, so it uses the standard library alone. Three steps: the virtual environment,
the pinned packages of requirements/dev.txt (hashes checked), the six packages of the workspace (editable; http-core
and ws compiled where a C compiler is). What each step depends on is hashed into a stamp inside the environment, so a
second run costs a few milliseconds.
"""

from __future__ import annotations  # an old python3 must get as far as the line that says it is too old

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Inputs = Callable[[], Iterable[Path | str]]
    Install = Callable[["Environment"], None]
    Step = tuple[str, Inputs, Install]

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
PACKAGES = ("http-core", "ws", "web", "client", "sessions", "devtools")
COMPILED = ("http-core", "ws")
SERVICES = ROOT / "services"
LOG = ROOT / "build" / "setup.log"

if os.name == "nt":
    BIN = "Scripts"
else:
    BIN = "bin"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quiet", action="store_true", help="say nothing when there is nothing to do")
    parser.add_argument("--docs", action="store_true", help="install what builds the book, too")
    parser.add_argument(
        "--for-name", metavar="NAME", help="refuse at once, before any work, a NAME that no service can have"
    )
    options = parser.parse_args()
    if sys.version_info < OLDEST_PYTHON:
        return refuse(
            f"python3 here is {sys.version.split()[0]}; levante needs 3.11 or later (make PYTHON=python3.12 ...)"
        )
    if options.for_name is not None and (refusal := name_refusal(options.for_name, is_new=not options.quiet)):
        return refuse(refusal)
    steps: list[Step] = [
        ("pinned packages", dev_pins, install_pins),
        ("levante's six packages", sources, install_packages),
    ]
    if options.docs:
        steps.append(("the book's tools", docs_pins, install_docs))
    return Environment(ROOT / ".venv").ensure(steps, options.quiet)


def refuse(line: str) -> int:
    print(line, file=sys.stderr)
    return 2


def name_refusal(name: str, *, is_new: bool) -> str | None:
    """The line that says why no service can be called `name`; None when one can, or when it is there and may be run."""
    if not is_new and name and (SERVICES / name / "pyproject.toml").is_file():
        return None
    path = ROOT / "packages/devtools/src/levante/devtools/names.py"
    spec = importlib.util.spec_from_file_location("levante_names", path)
    if spec is None or spec.loader is None:
        return f"cannot load {path}"
    names = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = names
    spec.loader.exec_module(names)
    try:
        names.check_service_name(name, SERVICES)
    except names.InvalidName as error:
        return str(error)
    return None


class Environment:
    """A virtual environment, and the steps that fill it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.python = path / BIN / "python"

    def ensure(self, steps: list[Step], quiet: bool) -> int:
        started, did = time.monotonic(), 0
        try:
            if not self.python.exists():
                did += 1
                self.create()
            for title, inputs, install in steps:
                did += self.step(title, inputs, install)
        except StepFailed as error:
            return refuse(str(error))
        if did:
            print(f"  done in {time.monotonic() - started:.0f} s: {self.path.name} is ready", flush=True)
        elif not quiet:
            print(f"  {self.path.name} is up to date", flush=True)
        return 0

    def create(self) -> None:
        print(f"  making {self.path.name} with Python {sys.version.split()[0]}", flush=True)
        run(
            [sys.executable, "-m", "venv", "--clear", str(self.path)],
            cure="if venv is missing: apt-get install python3-venv",
        )

    def step(self, title: str, inputs: Inputs, install: Install) -> bool:
        stamp = self.path / f".levante-{hashlib.sha256(title.encode()).hexdigest()[:8]}"
        fingerprint = digest(inputs())
        if stamp.exists() and stamp.read_text() == fingerprint:
            return False
        print(f"  installing {title}", flush=True)
        install(self)
        stamp.write_text(fingerprint)
        return True

    def pip(self, *arguments: str, total: int, cure: str) -> str:
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", "install", *arguments]
        return run(command, watch=Progress(total), cure=cure)


def dev_pins() -> Iterable[Path | str]:
    return [ROOT / "requirements/dev.txt"]


def docs_pins() -> Iterable[Path | str]:
    return [ROOT / "requirements/docs.txt"]


def sources() -> Iterable[Path | str]:
    """What the installed packages are made of; they are editable, so of the modules only the compiled ones matter."""
    compiler = os.environ.get("CC", "cc")
    yield from (os.environ.get("LEVANTE_PURE", ""), sys.version, sysconfig.get_platform())
    yield f"{compiler} {shutil.which(compiler.split()[0])}"  # one that is installed later is used then
    for package in PACKAGES:
        folder = ROOT / "packages" / package
        yield folder / "pyproject.toml"
    for package in COMPILED:
        folder = ROOT / "packages" / package
        yield folder / "setup.py"
        for declarations in sorted(folder.glob("src/levante/*/*.pxd")):
            yield declarations
            yield declarations.with_suffix(".py")


def digest(inputs: Iterable[Path | str]) -> str:
    total = hashlib.sha256()
    for item in inputs:
        total.update(item.read_bytes() if isinstance(item, Path) else item.encode())
        total.update(b"\0")
    return total.hexdigest()


def install_pins(environment: Environment) -> None:
    install_requirements(environment, ROOT / "requirements/dev.txt")


def install_docs(environment: Environment) -> None:
    install_requirements(environment, ROOT / "requirements/docs.txt")


def install_requirements(environment: Environment, pins: Path) -> None:
    count = sum("==" in line for line in pins.read_text().splitlines())
    environment.pip("--require-hashes", "-r", str(pins), total=count, cure="is a package registry reachable?")


def install_packages(environment: Environment) -> None:
    """Compile in place and install editable; older extensions go first, for they would shadow what is edited."""
    for package in COMPILED:
        for pattern in ("*.so", "*.pyd", "*.c"):
            for left_over in (ROOT / "packages" / package / "src").rglob(pattern):
                left_over.unlink()
    editable = [part for package in PACKAGES for part in ("-e", str(ROOT / "packages" / package))]
    output = environment.pip(
        "-v",
        "--no-deps",
        "--no-build-isolation",
        *editable,
        total=len(PACKAGES),
        cure="LEVANTE_PURE=1 make setup skips compiling",
    )
    for line in sorted(set(re.findall(r"^.*levante\.\w+ is .*plain form.*$", output, re.MULTILINE))):
        print(f"  {line.strip():.150} ... ({LOG.relative_to(ROOT)} has all of it)", flush=True)


class StepFailed(Exception):
    """A command of a step failed; the message says which, shows the end of its output and the cure."""


class Progress:
    """Shows on a terminal how far pip is, on one line that is written over."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.seen = 0
        self.shows = sys.stdout.isatty()

    def __call__(self, line: str) -> None:
        match = re.match(r"\s*(?:Collecting|Obtaining|Building editable for) ([\w.-]+)", line)
        if match and self.shows:
            self.seen += 1
            print(f"\r    {min(self.seen, self.total)}/{self.total} {match[1]:<40.40}", end="", flush=True)

    def close(self) -> None:
        if self.shows and self.seen:
            print("\r" + " " * 60 + "\r", end="", flush=True)


def run(command: list[str], *, cure: str, watch: Progress | None = None) -> str:
    """Run `command`, keeping its output in build/setup.log; raises StepFailed with the end of it."""
    LOG.parent.mkdir(exist_ok=True)
    lines = []
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process:
            for line in process.stdout or ():
                log.write(line)
                lines.append(line)
                if watch is not None:
                    watch(line)
    if watch is not None:
        watch.close()
    if process.returncode:
        end = "".join(lines[-20:])
        what = f"failed with status {process.returncode}: {' '.join(command[:6])} ..."
        raise StepFailed(f"{end}\n{what}\n{cure}; the whole output: {LOG}")
    return "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
