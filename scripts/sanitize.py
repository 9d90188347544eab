"""Build the compiled engines with AddressSanitizer and UndefinedBehaviorSanitizer, run their tests, and fuzz them.

The build has a folder of its own, build/sanitize, with a copy of the sources: what was built in place stays as it is.
Before anything else it is proved that the sanitizers look: an extension with planted bugs goes the same way through the
compiler, and each bug must end its process; and every extension of ours must hold their calls and be the one that is
loaded. CPython's own allocator is switched off, for it hides what is read behind an object. Leaks are not looked for:
CPython and its libraries leave much behind at the end on purpose.
"""

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "sanitize"
PACKAGES = ("http-core", "ws")
COPIED = ("src", "setup.py", "pyproject.toml", "README.md")
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g"
MARKS = (b"__asan_report_load1", b"__ubsan_handle")
SUPPORT = (ROOT / "tests" / "fuzz", ROOT / "packages" / "http-core" / "tests" / "support")

PLANTED_SETUP = """
from Cython.Build import cythonize
from setuptools import setup

setup(ext_modules=cythonize("planted.pyx", language_level=3))
"""
PLANTED = """
from libc.stdlib cimport free, malloc

def write(int index):
    cdef char *block = <char *>malloc(8)
    block[index] = 1
    free(block)

def peek(bytes data, int index):
    cdef const unsigned char *octets = data
    return octets[index]

def increment(int number):
    number += 1
    return number
"""
# (call, what its process must say; None: it ends well)
PLANTED_BUGS = (
    ("write(7)", None),
    ("write(8)", "AddressSanitizer: heap-buffer-overflow"),
    ("peek(b'abc', 2)", None),
    ("peek(b'abc' * 100, 301)", "AddressSanitizer: heap-buffer-overflow"),
    ("increment(1)", None),
    ("increment(2147483647)", "signed integer overflow"),
)
# What compares processor times measures the sanitizer's allocator here.
LEFT_OUT = (
    "packages/http-core/tests/test_linear.py::test_processor_time_is_linear",
    # How long the engine takes, which the sanitizers double.
    "packages/ws/tests/test_rooms_chaos.py::test_fifty_of_a_thousand_stop_reading_and_are_disconnected",
    "packages/ws/tests/test_rooms_chaos.py::test_fifty_of_a_thousand_stop_reading_and_lose_the_oldest",
)
WHERE = """
import importlib, sys
import levante.http, levante.ws
for name in sys.argv[1:]:
    print(importlib.import_module(name).__file__)
"""


def environment() -> dict[str, str]:
    """What the instrumented extensions need around them."""
    runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    folders = [FOLDER / package / "src" for package in PACKAGES] + [FOLDER / "planted", *SUPPORT]
    found = {name: value for name, value in os.environ.items() if name != "LEVANTE_PURE"}
    return found | {
        "LD_PRELOAD": runtime.stdout.strip(),
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": os.pathsep.join(str(folder) for folder in folders),
        "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "PARSERFUZZ_ONLY_INSTALLED": "1",
        "LEVANTE_TEST_PATIENCE": "6",
    }


def synchronise(source: Path, target: Path) -> None:
    """Make `target` a copy of `source` without what was built, leaving alone what has not changed."""
    if source.is_file():
        if not target.exists() or not filecmp.cmp(source, target, shallow=False):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        return
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.suffix in {".py", ".pxd", ".typed"}}
    for left in [path for path in target.rglob("*.*") if path.suffix in {".py", ".pxd"}]:
        if left.relative_to(target) not in wanted:
            left.unlink()
    for path in wanted:
        synchronise(source / path, target / path)


def build(folder: Path) -> None:
    """Compile what the setup.py of a folder names, in place, with the sanitizers."""
    for left in [path for path in folder.rglob("*.so") if "build" not in path.relative_to(folder).parts]:
        left.unlink()  # of a module that is no longer compiled; the others are kept in the folder's own build/
    variables = {
        "CC": "gcc",
        "CFLAGS": FLAGS,
        "LDFLAGS": "-fsanitize=address,undefined",
        "LEVANTE_REQUIRE_COMPILED": "1",
    }
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace", "-q"],
        cwd=folder,
        env={**os.environ, **variables, "LEVANTE_PURE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{folder.name} cannot be built with the sanitizers:\n{done.stderr[-3000:]}")


def prove() -> None:
    """Raise SystemExit unless planted bugs are caught, and ours are the instrumented extensions."""
    planted = FOLDER / "planted"
    planted.mkdir(parents=True, exist_ok=True)
    (planted / "planted.pyx").write_text(PLANTED)
    (planted / "setup.py").write_text(PLANTED_SETUP)
    build(planted)
    for call, expected in PLANTED_BUGS:
        code = f"import planted; planted.{call}"
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False
        )
        if (done.returncode != 0) != (expected is not None) or (expected or "") not in done.stderr:
            raise SystemExit(
                f"the sanitizers do not look: planted.{call} ended with status {done.returncode}, expected "
                f"{expected or 'a good end'}; stderr:\n{done.stderr[-2000:]}"
            )
    built = [path for package in PACKAGES for path in (FOLDER / package / "src").rglob("*.so")]
    for path in built:
        content = path.read_bytes()
        if missing := [mark.decode() for mark in MARKS if mark not in content]:
            raise SystemExit(f"{path.name} holds no {missing[0]}: it is not instrumented")
    names = [".".join(path.relative_to(path.parents[2]).with_suffix("").with_suffix("").parts) for path in built]
    command = [sys.executable, "-c", WHERE, *names]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if set(done.stdout.split()) != {str(path) for path in built}:
        raise SystemExit(f"the instrumented modules are not what is loaded:\n{done.stdout}{done.stderr}")
    print(f"  {len(built)} extensions are instrumented, and planted bugs are caught", flush=True)


def run_tests() -> bool:
    tests = [f"packages/{package}/tests" for package in PACKAGES]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadscope", *tests]
    command += [f"--deselect={test}" for test in LEFT_OUT]
    command += ["--hypothesis-profile=ci"]  # which has no deadlines
    return subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode == 0


def fuzz(name: str, seconds: int, seed: str | None) -> bool:
    command = [sys.executable, "-m", "parserfuzz", name, "--seconds", str(seconds), "--folder", str(FOLDER / "fuzz")]
    command += [] if seed is None else ["--seed", seed]
    status = subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode
    if status:
        print(f"the input in hand lies in {FOLDER / 'fuzz' / name}.input, behind the name of its target and its length")
    return status == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600, help="of fuzzing, shared by the targets; 0: none")
    parser.add_argument("--target", default="compiled", help="a target or program; all that run compiled code")
    parser.add_argument("--seed", help="of the chance")
    parser.add_argument("--only", choices=("tests", "fuzz"), help="one of the two")
    options = parser.parse_args()
    if sys.platform != "linux" or shutil.which("gcc") is None:
        raise SystemExit("make sanitize needs Linux and gcc with libasan and libubsan (apt-get install gcc)")
    started = time.monotonic()
    for package in PACKAGES:
        for name in COPIED:
            synchronise(ROOT / "packages" / package / name, FOLDER / package / name)
        print(f"  building {package} with AddressSanitizer and UndefinedBehaviorSanitizer", flush=True)
        build(FOLDER / package)
    prove()
    is_clean = options.only == "fuzz" or run_tests()
    if options.seconds and options.only != "tests":
        is_clean = fuzz(options.target, options.seconds, options.seed) and is_clean
    print(f"  {'no finding' if is_clean else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
