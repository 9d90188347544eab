"""Fuzz the parsers, two programs at a time, and print what was found.

The programs and their targets are those of tests/fuzz/parserfuzz. Coverage leads them (atheris, installed from
requirements/fuzz.txt into build/fuzz, where no other tool sees it); where it has no wheel for this Python, mutation by
chance does, and it is said so. Inputs that were found stay in build/fuzz/corpus and are where the next run begins.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "fuzz"
GUIDE = FOLDER / "packages"
PINS = ROOT / "requirements" / "fuzz.txt"
SOURCES = (ROOT / "tests" / "fuzz", ROOT / "packages" / "http-core" / "tests" / "support")
PROGRAMS = ("server", "client", "multipart", "fields", "codings", "websocket")
AT_ONCE = 2
# Loading, and one last input that does not come back, on top of the seconds asked for.
GRACE = 120


def guide_is_there() -> bool:
    """Whether atheris can be used; installs it the first time."""
    stamp = GUIDE / ".installed"
    wanted = f"{sys.version}\n{PINS.read_text()}"
    if stamp.exists() and stamp.read_text() == wanted:
        return (GUIDE / "atheris").is_dir()
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "install", "--upgrade"]
    pip += ["--require-hashes", "--only-binary", ":all:", "--target", str(GUIDE), "-r", str(PINS)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode or not (GUIDE / "atheris").is_dir():
        print(
            f"atheris cannot be had for Python {sys.version.split()[0]} here: {done.stderr.strip()[-200:]}", flush=True
        )
        return False
    stamp.write_text(wanted)
    return True


@dataclass
class Run:
    """One fuzzing process, its log and its end."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    started: float

    @property
    def inputs(self) -> str:
        found = re.findall(r"Done (\d+) runs|: (\d+) inputs", self.log.read_text(errors="replace"))
        return next((number for pair in reversed(found) for number in pair if number), "?")


def start(name: str, options: argparse.Namespace, driver: str, *more: str) -> Run:
    log = FOLDER / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "parserfuzz", name, "--folder", str(FOLDER), "--driver", driver, *more]
    command += ["--seconds", str(options.seconds)]
    command += [] if options.seed is None else ["--seed", str(options.seed)]
    path = os.pathsep.join(str(folder) for folder in (*SOURCES, GUIDE))
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": path}
        )
    return Run(name, process, log, time.monotonic())


def finish(run: Run, options: argparse.Namespace, driver: str) -> bool:
    """Wait for a run, and print one line for it, or all that there is to know of a finding."""
    try:
        status = run.process.wait(options.seconds + GRACE)
    except subprocess.TimeoutExpired:
        run.process.kill()
        status = run.process.wait()
    seconds = time.monotonic() - run.started
    verdict = "FOUND" if status else "nothing found"
    print(f"{run.name:<12}{driver:<10}{run.inputs:>10} inputs {seconds:>7.0f} s  {verdict}", flush=True)
    if status:
        lines = [
            line
            for line in run.log.read_text(errors="replace").splitlines()
            if not line.startswith(("INFO", "#", "\tNEW"))
        ]
        print("\n".join(lines[-60:]))
        print(f"status {status}; the whole log: {run.log.relative_to(ROOT)}. To see it again:")
        print("    make fuzz TARGET=<target> INPUT=build/fuzz/findings/<target>-<digest>", flush=True)
    return status == 0


def fuzz_all(names: list[str], options: argparse.Namespace, driver: str) -> bool:
    waiting, is_clean = list(names), True
    running: list[Run] = []
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            running.append(start(waiting.pop(0), options, driver))
        is_clean = finish(running.pop(0), options, driver) and is_clean
    return is_clean


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="programs or targets; every program where none is given")
    parser.add_argument("--seconds", type=int, default=60, help="for each program")
    parser.add_argument("--seed", type=int, help="of the chance")
    parser.add_argument("--input", type=Path, help="check this one input with the one target that is named")
    parser.add_argument("--keep", action="store_true", help="add what reaches new code to tests/fuzz/corpus")
    options = parser.parse_args()
    names = options.names or list(PROGRAMS)
    if options.input is not None:
        run = start(names[0], options, "mutating", "--input", str(options.input.resolve()))
        return 0 if finish(run, options, "once") else 1
    driver = "guided" if guide_is_there() else "mutating"
    if driver == "mutating":
        print("mutating by chance instead, which no coverage leads", flush=True)
    is_clean = fuzz_all(names, options, driver)
    if options.keep and driver == "guided":
        for step in ("merge", "keep"):
            for name in names:
                is_clean = finish(start(name, options, driver, f"--{step}"), options, step) and is_clean
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
