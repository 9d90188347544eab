"""What the repository as a whole promises about its own files."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERBS = (
    "setup",
    "new-service",
    "run",
    "test",
    "fuzz",
    "sanitize",
    "conformance",
    "soak",
    "lint",
    "types",
    "bench",
    "docs",
    "clean",
)


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.split("\0") if name]


def test_make_alone_prints_each_verb_with_a_line() -> None:
    done = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    assert [verb for verb in VERBS if len(lines.get(verb, "").split()) < 3] == []


def test_nothing_built_and_no_secret_is_committed() -> None:
    wrong = [
        path for path in tracked() if path.suffix in {".c", ".so", ".pyd", ".pyc"} or path.name in {".env", "uv.lock"}
    ]
    assert wrong == []


def test_no_import_of_a_foreign_protocol_engine() -> None:
    """h11, httptools, wsproto, websockets and their like are oracles of tests, never part of levante."""
    names = "h11|h2|httptools|wsproto|websockets|aiohttp|httpx|httpcore|uvicorn|picows|starlette"
    foreign = re.compile(rf"^\s*(?:import|from)\s+({names})\b", re.MULTILINE)
    shipped = [path for path in tracked() if path.suffix == ".py" and "src" in path.parts]
    assert shipped
    assert [path for path in shipped if foreign.search(path.read_text(encoding="utf-8"))] == []


def test_no_work_is_left_in_a_comment() -> None:
    wrong = []
    for path in tracked():
        if path.suffix in {".py", ".pxd", ".toml", ".js", ".html", ".css", ".jinja"} and path != Path(__file__):
            wrong += [
                f"{path}: {word}" for word in re.findall(r"\b(?:TODO|FIXME|XXX)\b", path.read_text(encoding="utf-8"))
            ]
    assert wrong == []
