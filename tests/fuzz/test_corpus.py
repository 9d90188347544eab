"""Every input of every corpus goes through its target: what fuzzing once found stays found. This needs no fuzzer."""

import subprocess
import sys
from pathlib import Path

import pytest
from parserfuzz.catalogue import CORPUS, PROGRAMS, TARGETS, corpus, kept
from parserfuzz.target import Target

FUZZ = Path(__file__).resolve().parent
SUPPORT = FUZZ.parents[1] / "packages" / "http-core" / "tests" / "support"


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_corpus(target: Target) -> None:
    inputs = corpus(target)
    assert inputs
    for data in inputs:
        target.run(data)


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_tiny_inputs(target: Target) -> None:
    """Nothing, and every single byte, alone and behind options of nothing."""
    target.run(b"")
    for octet in range(256):
        target.run(bytes([octet]))
        target.run(bytes([0, octet]))


def test_every_target_has_its_program() -> None:
    assert sorted(name for names in PROGRAMS.values() for name in names) == sorted(TARGETS)


def test_every_kept_corpus_has_its_target() -> None:
    names = {path.stem for path in CORPUS.glob("*.txt")}
    assert names <= set(TARGETS)
    assert all(len(data) < 3000 for name in names for data in kept(name))


def test_the_programs_are_those_that_make_fuzz_starts() -> None:
    import fuzz

    assert set(fuzz.PROGRAMS) == set(PROGRAMS)


def test_mutation_is_repeatable_and_finds_nothing_in_a_second(tmp_path: Path) -> None:
    """The command line as `make fuzz` calls it where atheris is not there."""
    for name in ("server", "fields"):
        done = subprocess.run(
            [sys.executable, "-m", "parserfuzz", name, "--seconds", "1", "--seed", "1", "--folder", str(tmp_path)],
            env={"PYTHONPATH": f"{FUZZ}:{SUPPORT}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "seed 1" in done.stdout
