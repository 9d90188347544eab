"""What can be had at once, and what has to be waited for."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from levante.web import file_access, openat2
from levante.web.digests import digests
from levante.web.file_access import AtOnce, FileAccess, Waiting, WouldWait, open_regular
from levante.web.opened_files import SMALL_FILE, open_file

CONTENT = bytes(range(256))


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> dict[str, None]:
    known: dict[str, None] = {}
    monkeypatch.setattr(file_access, "_readable_at_once", known)
    return known


@pytest.fixture
def path(tmp_path: Path, folders: dict[str, None]) -> str:
    file = Path(os.path.realpath(tmp_path)) / "file"
    file.write_bytes(CONTENT)
    folders[str(file.parent)] = None
    return str(file)


@pytest.fixture
def at_once() -> AtOnce:
    if openat2.find() is None:
        pytest.skip("this system has no openat2")
    return AtOnce(real=True)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


WAYS = [AtOnce(real=False), AtOnce(real=True), Waiting(real=False), Waiting(real=True)]


def read(path: str, access: FileAccess) -> bytes:
    descriptor, info = open_regular(path, access)
    try:
        return access.read(descriptor, info.st_size, path)
    finally:
        os.close(descriptor)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("access", WAYS)
def test_all_ways_lead_to_the_same_file(path: str, access: FileAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, *_: os.readv(fd, buffers))  # any file system will do
    assert access.resolve(path + "/") == path
    assert read(path, access) == CONTENT
    Path(path).write_bytes(b"")
    assert read(path, access) == b""
    folder = access.look(str(Path(path).parent))
    assert folder is not None and stat.S_ISDIR(folder.st_mode)
    for name in (path + ".gz", path + "/x"):
        Waiting(real=False).look(name)
        with pytest.raises((FileNotFoundError, WouldWait) if isinstance(access, AtOnce) else FileNotFoundError):
            open_regular(name, access)
    with pytest.raises(PermissionError, match="no regular file"):
        open_regular(str(Path(path).parent), access)
    with pytest.raises(ValueError):
        open_regular(path + "\0.txt", access)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("access", WAYS)
def test_what_is_not_there(path: str, access: FileAccess) -> None:
    Waiting(real=False).look(path + ".gz")  # then the kernel remembers that it is not there
    try:
        assert access.look(path + ".gz") is access.look_behind(path + ".gz") is None
    except WouldWait:
        assert isinstance(access, AtOnce)
        pytest.skip("this file system forgets what is not there")


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("access", WAYS)
def test_links(path: str, access: FileAccess) -> None:
    link, is_real = path + ".link", access in (WAYS[1], WAYS[3])
    Path(link).symlink_to(path)
    info = access.look(link)
    assert info is not None and stat.S_ISLNK(info.st_mode)
    with pytest.raises(FileNotFoundError):
        open_regular(link, access, follow=False)
    if isinstance(access, AtOnce):
        with pytest.raises(WouldWait):
            open_regular(link, access)
    elif is_real:
        with pytest.raises(FileNotFoundError):
            open_regular(link, access)
    else:
        assert read(link, access) == CONTENT


@pytest.mark.parametrize("access", [Waiting(real=False), Waiting(real=True)])
def test_what_changes_between_looking_and_opening(path: str, access: Waiting) -> None:
    seen = access.look(path)
    Path(path).rename(path + ".away")
    Path(path).symlink_to(path + ".away")
    with pytest.raises(FileNotFoundError):
        open_regular(path, access, follow=False, seen=seen)
    Path(path).unlink()
    os.mkfifo(path)
    before = open_files()
    with pytest.raises(PermissionError, match="no regular file"):
        open_regular(path, access, follow=False, seen=seen)
    assert open_files() == before


def test_what_changes_while_the_loop_opens_it(path: str, at_once: AtOnce) -> None:
    seen = at_once.look(path)
    Path(path).rename(path + ".away")
    Path(path).symlink_to(path + ".away")
    with pytest.raises(WouldWait):
        open_regular(path, at_once, seen=seen)


def test_a_folder_is_tried_by_a_thread_first(path: str, at_once: AtOnce, folders: dict[str, None]) -> None:
    folders.clear()
    with pytest.raises(WouldWait):
        at_once.look(path)
    read(path, Waiting(real=True))
    if not folders:
        pytest.skip("the files of this file system cannot be read at once")
    assert list(folders) == [str(Path(path).parent)]
    assert read(path, at_once) == CONTENT
    assert at_once.look(str(Path(path).parent)) is not None


@pytest.mark.parametrize(
    ("error", "is_known"),
    [(None, True), (errno.EAGAIN, True), (errno.EOPNOTSUPP, False), (errno.EINVAL, False)],
)
def test_which_folders_are_known(
    path: str, folders: dict[str, None], monkeypatch: pytest.MonkeyPatch, error: int | None, is_known: bool
) -> None:
    def preadv(*_: Any) -> int:
        if error is not None:
            raise OSError(error, "")
        return 1

    folders.clear()
    monkeypatch.setattr(os, "preadv", preadv)
    for _ in range(2):
        read(path, Waiting(real=True))
    assert bool(folders) is is_known


def test_the_known_folders_do_not_grow_for_ever(
    path: str, folders: dict[str, None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "preadv", lambda *_: 1)
    monkeypatch.setattr(file_access, "MAX_FOLDERS", 2)
    folders.clear()
    for name in "abc":
        folder = Path(path).with_name(name + ".d")
        folder.mkdir()
        (folder / "file").touch()
        read(str(folder / "file"), Waiting(real=True))
        assert 1 <= len(folders) <= 2


def test_content_that_is_not_in_memory(path: str, at_once: AtOnce, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_now(*_: Any) -> int:
        raise BlockingIOError

    for preadv in (not_now, lambda *_: len(CONTENT) - 1):
        monkeypatch.setattr(os, "preadv", preadv)
        with pytest.raises(WouldWait):
            read(path, at_once)
    monkeypatch.undo()
    assert read(path, Waiting(real=True)) == CONTENT


def test_a_file_system_that_cannot_tell_any_more(
    path: str, at_once: AtOnce, folders: dict[str, None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: Any) -> int:
        raise OSError(errno.EOPNOTSUPP, "")

    monkeypatch.setattr(os, "preadv", unsupported)
    with pytest.raises(WouldWait):
        read(path, at_once)
    assert not folders


def test_hashes_that_are_known(path: str, at_once: AtOnce, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(path, (1, 1))
    monkeypatch.setattr("levante.web.digests.SETTLED", -1.0)
    descriptor, info = open_regular(path, at_once)
    with pytest.raises(WouldWait):
        at_once.digest(descriptor, info)
    digest = Waiting(real=True).digest(descriptor, info)
    assert at_once.digest(descriptor, info) == digest == digests.known(info)
    os.close(descriptor)


@pytest.mark.parametrize("is_real", [True, False])
def test_a_server_may_open_only_what_was_not_judged_again_by_its_name(path: str, is_real: bool) -> None:
    Path(path).write_bytes(bytes(SMALL_FILE + 1))
    opened = open_file(path, None, Waiting(real=is_real), content_etag=False)
    assert opened.file is not None
    with opened.file as file:
        assert (file.name == path) is not is_real
        assert len(file.read()) == opened.size == SMALL_FILE + 1
