"""A driver that lets coverage lead (atheris, libFuzzer). What it instruments is the plain form of our engines, which
has the same branches as the compiled one that runs beside it, and every module that has no compiled form.

Targets of a program share one search: the first byte of an input chooses among them.
"""

import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from http_support.plain import AliasFinder

MAX_SIZE = 2048
MAX_MEGABYTES = 2048
SECONDS_A_RUN = 20  # for one input; the target itself is stricter, but cannot stop what does not come back


def fuzz(name: str, *, seconds: int, folder: Path, save: Callable[[Any, bytes], Path], seed: int | None) -> None:
    """Never returns: libFuzzer ends the process, with a status that tells whether something was found."""
    catalogue = instrumented()
    targets = catalogue.chosen(name)
    seeds, found = folder / "seeds" / name, folder / "corpus" / name
    write_seeds(targets, catalogue.corpus, seeds)
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_len={MAX_SIZE}", f"-timeout={SECONDS_A_RUN}", f"-rss_limit_mb={MAX_MEGABYTES}"]
    options += [f"-max_total_time={seconds}", f"-dict={dictionary(targets, folder, name)}"]
    options += [f"-artifact_prefix={folder / 'findings'}/{name}-"]
    options += [] if seed is None else [f"-seed={seed}"]
    run(targets, save, [*options, str(found), str(seeds)])


def merge(name: str, *, folder: Path) -> None:
    """Never returns; FOLDER/merged then holds the inputs, seeds and found ones, that reach what no smaller one does.

    libFuzzer does the work in a process of its own, which it starts as a shell would: hence the launcher.
    """
    into, launcher = folder / "merged" / name, folder / f"{name}.launcher"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    command = [sys.executable, "-m", "parserfuzz", name, "--folder", str(folder), "--driver", "guided", "--libfuzzer"]
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
    launcher.chmod(0o700)
    folders = (into, folder / "seeds" / name, folder / "corpus" / name)
    walk(name, ["-merge=1", f"-max_len={MAX_SIZE}", *map(str, folders)], program=launcher)


def walk(name: str, options: list[str], *, program: Path) -> None:
    """Never returns; libFuzzer with options of its own, where what a target raises is of no interest."""
    run(instrumented().chosen(name), lambda target, data: program, options, program=program)


def instrumented() -> Any:
    """The catalogue, once the engines that its targets import are instrumented."""
    atheris: Any = import_module("atheris")

    sys.meta_path.insert(0, AliasFinder())  # before the hook, which instruments what the finders behind it find
    with atheris.instrument_imports(include=["levante", "levante_plain"]):
        return import_module("parserfuzz.catalogue")


def run(
    targets: Sequence[Any], save: Callable[[Any, bytes], Path], options: list[str], *, program: Path = Path(__file__)
) -> None:
    atheris: Any = import_module("atheris")

    def one(data: bytes) -> None:
        if not data:
            return
        target = targets[data[0] % len(targets)]
        try:
            target.run(data[1:])
        except Exception:
            print(f"\n{target.name}: {save(target, data[1:])}", flush=True)
            raise

    atheris.Setup([str(program), *options], one)
    atheris.Fuzz()


def write_seeds(targets: Sequence[Any], corpus: Callable[[Any], list[bytes]], folder: Path) -> None:
    """The corpora of all targets as files, each input behind the byte that chooses its target."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, target in enumerate(targets):
        for number, data in enumerate(corpus(target)):
            (folder / f"{target.name}-{number}").write_bytes(bytes([index]) + data)


def dictionary(targets: Sequence[Any], folder: Path, name: str) -> Path:
    """The words of the targets in libFuzzer's format."""
    words = dict.fromkeys(word for target in targets for word in target.words)
    escaped = ("".join(f"\\x{octet:02x}" for octet in word) for word in words)
    path = folder / f"{name}.dict"
    path.write_text("".join(f'"{word}"\n' for word in escaped), encoding="ascii")
    return path
