"""A newcomer's first minutes: a fresh clone, the README's commands, wrong names."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import PATIENCE, curl, free_port, tool, wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
NOT_A_NEWCOMERS = ("LEVANTE_", "MAKE", "MFLAGS", "TEST_", "VIRTUAL_ENV")
SECOND_SERVICE_SECONDS = 30  # what the second one may take, tests included; loose only against a machine that is busy
WRONG_NAMES = {
    "missing": "",
    "digit first": "9lives",
    "not an identifier": "my shop",
    "keyword": "class",
    "standard library": "asyncio",
    "upper case": "Shop",
    "path": "../shop",
    "absolute path": "/tmp/shop",
    "too long": "s" * 41,
    "exists": "storefront",
}


def newcomers_environment() -> dict[str, str]:
    """Nothing of ours: no activated environment, no settings of the test run or of a surrounding make."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_A_NEWCOMERS)}
    path = os.pathsep.join(part for part in kept["PATH"].split(os.pathsep) if ".venv" not in part)
    return {**kept, "PATH": path}


def make(clone: Path, *arguments: str, timeout: float = 400) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [tool("make"), "--no-print-directory", *arguments],
        cwd=clone,
        env=newcomers_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as git has it, files that are changed but not committed included."""
    folder = tmp_path_factory.mktemp("fresh") / "levante"
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    folder.mkdir()
    packed = subprocess.run(
        ["tar", "--null", "-T", "-", "-cf", "-"], cwd=ROOT, input=existing(files), capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "-xf", "-"], cwd=folder, input=packed, check=True)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def existing(names: bytes) -> bytes:
    return b"\0".join(
        name
        for name in names.split(b"\0")
        if name and (ROOT / os.fsdecode(name)).is_symlink() | (ROOT / os.fsdecode(name)).exists()
    )


@pytest.mark.parametrize("name", WRONG_NAMES.values(), ids=WRONG_NAMES.keys())
def test_a_wrong_name_is_refused_before_any_work(clone: Path, name: str) -> None:
    before = sorted(clone.iterdir()), sorted((clone / "services").iterdir())
    done = make(clone, "new-service", f"NAME={name}")
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1, done.stderr
    assert "NAME" in lines[0]
    assert (sorted(clone.iterdir()), sorted((clone / "services").iterdir())) == before


@pytest.fixture(scope="module")
def made(clone: Path) -> "subprocess.CompletedProcess[str]":
    done = make(clone, "new-service", "NAME=my-shop")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_first_command_makes_a_tested_service(clone: Path, made: "subprocess.CompletedProcess[str]") -> None:
    service = clone / "services" / "my-shop"
    assert (service / "src" / "my_shop" / "app.py").is_file()
    assert (service / "migrations" / "versions" / "0001_item.py").is_file() or list(
        (service / "migrations" / "versions").glob("0001*.py")
    )
    assert list((service / "var").glob("*.db"))
    assert "my_shop" in made.stdout
    assert re.search(r"\d+ passed", made.stdout)
    assert "make run NAME=my-shop" in made.stdout


def test_the_second_service_is_quick(clone: Path, made: "subprocess.CompletedProcess[str]") -> None:
    started = time.monotonic()
    done = make(clone, "new-service", "NAME=depot")
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started < SECOND_SERVICE_SECONDS


@pytest.fixture
def running(clone: Path, made: "subprocess.CompletedProcess[str]") -> "Iterator[tuple[subprocess.Popen[bytes], int]]":
    """`make run` of a service that is not there yet: the one command that is the whole job."""
    port = free_port()
    log = (clone / "run.log").open("wb")
    command = ["make", "--no-print-directory", "run", "NAME=kiosk", f"PORT={port}"]
    process = subprocess.Popen(
        command,
        cwd=clone,
        env=newcomers_environment(),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        yield process, port
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)  # the group is ours: it was started as one
        process.wait(PATIENCE)
        log.close()


def test_the_second_command_serves_it(running: "tuple[subprocess.Popen[bytes], int]") -> None:
    process, port = running
    wait_until("the page is served", lambda: "<html" in curl(f"http://127.0.0.1:{port}/").stdout, within=90)
    assert process.poll() is None


def test_without_a_compiler_the_plain_form_is_installed_and_said(
    clone: Path, made: "subprocess.CompletedProcess[str]"
) -> None:
    """The last test of the file: it leaves the clone in that form."""
    assert form(clone) == "compiled"
    done = make(clone, "setup", "CC=false")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        len(re.findall(r"levante\.(?:http|ws) is not compiled and will run in its slower plain form", done.stdout)) == 2
    )
    assert form(clone) == "plain"


def form(clone: Path) -> str:
    """The form of the engines in the environment of the clone."""
    program = "from levante.http import is_compiled; print('compiled' if is_compiled() else 'plain')"
    command = [str(clone / ".venv/bin/python"), "-c", program]
    return subprocess.run(
        command, env=newcomers_environment(), capture_output=True, text=True, check=True
    ).stdout.strip()
