"""Hashes of files, computed once."""

import hashlib
import os
from pathlib import Path

import pytest

from levante.web import digests as module
from levante.web.digests import Digests

pytestmark = pytest.mark.parity("U14")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    return file


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    real = hashlib.file_digest

    def counted(file: object, name: str) -> object:
        calls.append(name)
        return real(file, name)  # type: ignore[arg-type]

    monkeypatch.setattr(module.hashlib, "file_digest", counted)
    monkeypatch.setattr(module, "SETTLED", -1.0)
    return calls


def of(digests: Digests, path: Path) -> bytes:
    with path.open("rb") as file:
        file.read()
        return digests.of(file.fileno(), os.fstat(file.fileno()))


def test_a_file_is_read_once(path: Path, computed: list[str]) -> None:
    digests = Digests()
    for _ in range(3):
        assert of(digests, path) == hashlib.sha256(b"content").digest()
    assert len(computed) == 1


def test_a_changed_file_is_read_again(path: Path, computed: list[str]) -> None:
    digests = Digests()
    of(digests, path)
    path.write_bytes(b"CONTENT")
    os.utime(path, (1, 1))
    assert of(digests, path) == hashlib.sha256(b"CONTENT").digest()
    assert len(computed) == 2


def test_a_file_that_has_just_changed_is_read_again(
    path: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLED", 3600.0)
    digests = Digests()
    of(digests, path)
    of(digests, path)
    assert len(computed) == 2


def test_the_longest_unused_is_forgotten(tmp_path: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DIGESTS", 2)
    digests = Digests()
    files = [tmp_path / name for name in "abc"]
    for file in files:
        file.write_text(file.name)
    a, b, c = files
    for file in (a, b, a, c, a):
        of(digests, file)
    assert len(computed) == 3
    of(digests, b)
    assert len(computed) == 4
