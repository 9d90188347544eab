"""A user's application under `mypy --strict`, with none of this repository's settings: what is right passes without an
ignore, and what is wrong is found.
"""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TYPED = Path(__file__).parent / "typed"


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[int]]:
    """File -> the lines that mypy complains about."""
    folder = tmp_path_factory.mktemp("user")
    shutil.copy(TYPED / "shop.py", folder)
    shutil.copy(TYPED / "mistakes.py.txt", folder / "mistakes.py")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    files = ["shop.py", "mistakes.py"]
    done = subprocess.run([*command, *files], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, set[int]] = {file: set() for file in files}
    for line in done.stdout.splitlines():
        where = re.match(r"([^:]+):(\d+): error: ", line)
        if where is not None:
            found.setdefault(where[1], set()).add(int(where[2]))
    return found


@pytest.mark.parity("S68")
def test_an_application_passes(findings: dict[str, set[int]]) -> None:
    assert "type: ignore" not in (TYPED / "shop.py").read_text()
    assert findings["shop.py"] == set()
    assert set(findings) == {"shop.py", "mistakes.py"}  # and nothing in ours


@pytest.mark.parity("S68")
def test_mistakes_are_found(findings: dict[str, set[int]]) -> None:
    lines = (TYPED / "mistakes.py.txt").read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert findings["mistakes.py"] == wrong


@pytest.mark.parity("S68", "U11", "U23", "L15")
async def test_it_runs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("file")
    try_it = runpy.run_path(str(TYPED / "shop.py"))["try_it"]
    assert await try_it(tmp_path) == [
        (201, "/items/1"),
        {"id": 1, "name": "lamp"},
        [{"id": 1, "name": "lamp"}],
        {"count": 1},
        {"cents": 5},
        [{"id": 1, "name": "lamp"}],
        *("ann", "x", "<p>ann", "012"),
        'data: {"last": null}\r\n\r\n',
        "id: 1\r\ndata: 1\r\n\r\n",
        *("file", "ann"),
        204,
        {"echo": "hello"},
    ]
