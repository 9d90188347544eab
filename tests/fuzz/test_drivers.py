"""The drivers can fail: planted bugs are found, kept, made smaller, and survive the death of the process."""

import random
import time
from pathlib import Path

import pytest
from parserfuzz import catalogue, cuts, mutating, target
from parserfuzz.forms import INSTALLED, TWIN
from parserfuzz.mutating import BlackBox, Mutator
from parserfuzz.target import Finding, Target


def refuse_ab(data: bytes) -> None:
    if b"a" in data and b"\xff" in data:
        raise KeyError("planted")


PLANTED = Target("planted", refuse_ab, lambda: [b"xxxxxxxx", b"yyaayy"], (b"\xff", b"b"))


def test_a_planted_bug_is_found_and_made_smaller(tmp_path: Path) -> None:
    box = tmp_path / "box"
    count, failed, data = mutating.fuzz([PLANTED], seconds=20, seed=7, box=box)
    assert failed is PLANTED
    assert count > 0
    assert BlackBox.read(box) == ("planted", data)
    assert sorted(mutating.smaller(PLANTED, data)) == sorted(b"a\xff")


def test_a_seed_repeats_the_inputs() -> None:
    first, second, other = (
        [mutator.make() for _ in range(50)] for mutator in (Mutator(PLANTED, random.Random(seed)) for seed in (1, 1, 2))
    )
    assert first == second != other


def test_an_input_that_takes_long_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def spin(data: bytes) -> None:
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass

    monkeypatch.setattr(target, "MAX_SECONDS", 0.01)
    with pytest.raises(Finding, match="of CPU"):
        Target("slow", spin, list).run(b"x")


def test_cuts_that_matter_are_a_finding() -> None:
    with pytest.raises(Finding, match="cut as"):
        cuts.agree(b"abc", lambda form, pieces: [("pieces", len(pieces))])


@pytest.mark.skipif(TWIN is None, reason="only one form is here: nothing to compare")
def test_forms_that_differ_are_a_finding() -> None:
    with pytest.raises(Finding, match="the plain form disagrees"):
        cuts.agree(b"abc", lambda form, pieces: [("form", form is INSTALLED)])


def test_a_name_that_nothing_has() -> None:
    with pytest.raises(SystemExit, match="expected one of server"):
        catalogue.chosen("no-such")


def test_what_is_kept_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "CORPUS", tmp_path)
    catalogue.keep("planted", [b"\0\xff'\"\n", b"b"])
    catalogue.keep("planted", [b"b", b"c"])
    assert sorted(catalogue.kept("planted")) == sorted([b"\0\xff'\"\n", b"b", b"c"])
    merged = tmp_path / "merged" / "codings"
    merged.mkdir(parents=True)
    (merged / "1").write_bytes(b"\0new input")
    (merged / "2").write_bytes(b"\1" + b"x" * 1000)
    catalogue.keep_merged("codings", tmp_path)
    assert list(catalogue.kept("coding")) == [b"new input"]
    assert list(catalogue.kept("encoded")) == []
