"""The service as a process: refused without a key, served with one, gone with status 0 when it is asked to go."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from levante.devtools.testing import unused_port
from levante.sessions import generate_key

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0
"""Seconds; only a machine in trouble needs them."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")


def start(environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SECRET_KEYS", "LEVANTE_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "[[ cookiecutter.package ]]"],
        env={**clean, "PYTHONPATH": str(ROOT / "src"), "LEVANTE_ENV": "production", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1) as response:
            return bool(response.status == 200)
    except (URLError, ConnectionError, TimeoutError):  # the port is open before workers are ready to answer
        return False


def test_no_key_no_start() -> None:
    process = start({})
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "SECRET_KEYS: missing; make one with" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("workers", [1, 2])
def test_served_until_sigterm(database_url: str, workers: int) -> None:
    port = unused_port()
    environment = {"SECRET_KEYS": generate_key(), "DATABASE_URL": database_url, "PORT": str(port)}
    process = start({**environment, "WORKERS": str(workers)})
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(f"http://127.0.0.1:{port}/readyz"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in said
    assert " starts: production" in said
    assert re.search(r" levante\.access [0-9a-f]{32}: ", said)
    # The first may be ready, and all told to end, before the second has come to say so itself.
    assert len(re.findall(r"worker \d+ starts", said)) == (workers if workers > 1 else 0)
