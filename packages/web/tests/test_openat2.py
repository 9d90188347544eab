"""The system call, and the systems that lack it."""

import builtins
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from levante.web import openat2
from levante.web.openat2 import NO_SYMLINKS, Openat2


@pytest.fixture
def call() -> Openat2:
    found = openat2.find()
    if found is None:
        pytest.skip("this system has no openat2")
    return found


@pytest.fixture
def sought_anew() -> Iterator[None]:
    openat2.find.cache_clear()
    yield
    openat2.find.cache_clear()


def test_what_it_opens(call: Openat2, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    for descriptor in (call.open(str(file), os.O_RDONLY, NO_SYMLINKS), call.open_cached(str(file), os.O_RDONLY)):
        assert os.read(descriptor, 9) == b"text"
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)


def test_names_that_are_no_ascii(call: Openat2, tmp_path: Path) -> None:
    for name in ("dónde", os.fsdecode(b"bad-\xff")):
        (tmp_path / name).touch()
        os.close(call.open(str(tmp_path / name), os.O_RDONLY, 0))


def test_links(call: Openat2, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    (tmp_path / "way").symlink_to("folder")
    for path, flags in (("way/file", os.O_RDONLY), ("way", os.O_PATH)):
        with pytest.raises(OSError, match="symbolic links") as caught:
            call.open(str(tmp_path / path), flags, NO_SYMLINKS)
        assert (caught.value.errno, caught.value.filename) == (errno.ELOOP, str(tmp_path / path))
        assert call.open_cached(str(tmp_path / path), flags, NO_SYMLINKS) == -errno.ELOOP
        os.close(call.open(str(tmp_path / path), flags, 0))


def test_a_nul_ends_no_path(call: Openat2, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for ask in (call.open, call.open_cached):
        with pytest.raises(ValueError, match="NUL"):
            ask(f"{tmp_path}/file\0.txt", os.O_RDONLY, 0)


def test_what_the_kernel_does_not_remember(call: Openat2, tmp_path: Path) -> None:
    path = str(tmp_path / "never asked for")
    assert call.open_cached(path, os.O_PATH) in {-errno.EAGAIN, -errno.ENOENT}
    with pytest.raises(FileNotFoundError):
        Path(path).stat()
    if call.open_cached(path, os.O_PATH) == -errno.EAGAIN:
        pytest.skip("this file system forgets what is not there")
    assert call.open_cached(path, os.O_PATH) == -errno.ENOENT


@pytest.mark.usefixtures("call", "sought_anew")
@pytest.mark.parametrize(
    ("answer", "has_it"), [(-errno.ENOSYS, False), (-errno.EPERM, False), (-errno.EINVAL, False), (-errno.EAGAIN, True)]
)
def test_kernels_that_refuse(monkeypatch: pytest.MonkeyPatch, answer: int, has_it: bool) -> None:
    """Old ones; a seccomp profile; one that has the call, but not RESOLVE_CACHED; one that is busy renaming."""
    openat2.find.cache_clear()
    monkeypatch.setattr(Openat2, "open_cached", lambda *_: answer)
    assert (openat2.find() is not None) is has_it


@pytest.mark.usefixtures("sought_anew")
def test_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert openat2.find() is None


@pytest.mark.usefixtures("sought_anew")
def test_without_ctypes(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "ctypes":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert openat2.find() is None
