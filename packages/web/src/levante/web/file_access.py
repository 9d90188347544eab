"""Two ways to the same files. `Waiting` is for threads: it asks the file system, however long that takes. `AtOnce` is
for the event loop: it answers from what the kernel has in memory, its caches of names and of pages, and raises
WouldWait where that is not enough; then the same question is put to the other in a thread. Nothing is remembered of any
file: each request asks the kernel.

The kernel can tell for names (openat2 with RESOLVE_CACHED) and for content (preadv2 with RWF_NOWAIT), but opening a
file may take time as well, where a server or a process stands behind it. So the loop opens files only in folders where
a thread has seen one that can be read without waiting: file systems on local disks can, those of networks, FUSE, and
overlays (images of containers) cannot.
"""

import errno
import os
import stat
from typing import Protocol

from . import openat2
from .digests import digests
from .real_paths import open_real, resolve

MAX_FOLDERS = 4096
"""Folders that are known to hold files that can be read at once: some 200 bytes each. With one more, finding out begins
again, at a trip to a thread for each.
"""

_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # never waits for a writer of a fifo
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_LOOK = getattr(os, "O_PATH", 0) | _NO_FOLLOW
_NOT_THERE = frozenset((errno.ENOENT, errno.ENOTDIR))

_readable_at_once: dict[str, None] = {}


class WouldWait(Exception):
    """It would have to be waited for, in a thread. No error: the other way is open."""


class FileAccess(Protocol):
    """With `is_real`, paths are those that `resolve` gave, and a link on the way is not followed but not found."""

    is_real: bool

    def resolve(self, path: str) -> str:
        """The real path of an absolute one."""

    def look(self, path: str) -> os.stat_result | None:
        """What is there, be it a link; None: nothing. Raises OSError."""

    def look_behind(self, path: str) -> os.stat_result | None:
        """What is there, or where the link leads that is there. A real path is that no more once it has a link: what is
        there then is the link.
        """

    def open(self, path: str, *, follow: bool) -> tuple[int, os.stat_result]:
        """A regular file, for who has looked and seen one: a fifo or a device would notice. FileNotFoundError for a
        link unless `follow`, PermissionError for what is no regular file now, OSError.
        """

    def read(self, descriptor: int, size: int, path: str, /) -> bytes:
        """The first `size` bytes of what was opened as `path`; less where it ends before."""

    def digest(self, descriptor: int, info: os.stat_result, /) -> bytes:
        """A hash of the content."""


class Waiting:
    """The file system, for threads."""

    def __init__(self, *, real: bool) -> None:
        self.is_real = real

    def resolve(self, path: str) -> str:
        return resolve(path)

    def look(self, path: str) -> os.stat_result | None:
        try:
            if not self.is_real or openat2.find() is None:
                return os.lstat(path)  # whatever it says, what is opened is judged again
            descriptor = open_real(path, _LOOK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def look_behind(self, path: str) -> os.stat_result | None:
        if self.is_real:
            return self.look(path)
        try:
            return os.stat(path)  # noqa: PTH116  # of text: pathlib takes ten times as long
        except (FileNotFoundError, NotADirectoryError):
            return None

    def open(self, path: str, *, follow: bool) -> tuple[int, os.stat_result]:
        if self.is_real:
            descriptor = open_real(path, _READ)
        elif follow:
            descriptor = os.open(path, _READ)
        else:
            descriptor = _open_no_link(path)
        info = _regular(descriptor, path)
        _remember(path, descriptor)
        return descriptor, info

    def read(self, descriptor: int, size: int, _path: str, /) -> bytes:
        os.lseek(descriptor, 0, os.SEEK_SET)
        pieces = []
        while size > 0 and (piece := os.read(descriptor, size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def digest(self, descriptor: int, info: os.stat_result, /) -> bytes:
        return digests.of(descriptor, info)


class AtOnce:
    """What the kernel has in memory, for the event loop."""

    def __init__(self, *, real: bool) -> None:
        self.is_real = real
        self._resolve = openat2.NO_SYMLINKS if real else 0

    def resolve(self, path: str) -> str:
        return path.rstrip(os.sep) or os.sep  # for a link on the way it would have to be waited

    def look(self, path: str) -> os.stat_result | None:
        descriptor = self._open(path, _LOOK)
        if -descriptor in _NOT_THERE:
            return None
        if descriptor < 0:
            raise WouldWait
        try:
            if path.rpartition(os.sep)[0] in _readable_at_once or path in _readable_at_once:  # a file; such a folder
                return os.fstat(descriptor)
        finally:
            os.close(descriptor)
        raise WouldWait

    def look_behind(self, path: str) -> os.stat_result | None:
        info = self.look(path)
        if info is not None and stat.S_ISLNK(info.st_mode):
            raise WouldWait
        return info

    def open(self, path: str, *, follow: bool) -> tuple[int, os.stat_result]:  # noqa: ARG002  # behind a link is a wait
        descriptor = self._open(path, _READ | _NO_FOLLOW)
        if descriptor < 0:
            raise WouldWait
        return descriptor, _regular(descriptor, path)

    def _open(self, path: str, flags: int) -> int:
        call = openat2.find()
        if call is None:
            raise WouldWait
        return call.open_cached(path, flags, self._resolve)

    def read(self, descriptor: int, size: int, path: str, /) -> bytes:
        content = bytearray(size)
        try:
            count = os.preadv(descriptor, (content,), 0, os.RWF_NOWAIT)
        except BlockingIOError as exc:
            raise WouldWait from exc
        except OSError as exc:  # the folder's file system is another one now
            _readable_at_once.pop(path.rpartition(os.sep)[0], None)
            raise WouldWait from exc
        if count < size:  # the rest is not in memory, or not there any more
            raise WouldWait
        return bytes(content)

    def digest(self, _descriptor: int, info: os.stat_result, /) -> bytes:
        digest = digests.known(info)
        if digest is None:
            raise WouldWait
        return digest


def open_regular(
    path: str, access: FileAccess, *, follow: bool = True, seen: os.stat_result | None = None
) -> tuple[int, os.stat_result]:
    """A descriptor of a regular file, and what it is of. `seen` is what a look has shown already.

    Raises OSError: FileNotFoundError, and PermissionError for what is no regular file; ValueError for what is no path.
    """
    if seen is None:
        seen = access.look_behind(path) if follow else access.look(path)
    if seen is None or stat.S_ISLNK(seen.st_mode):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if not stat.S_ISREG(seen.st_mode):
        raise PermissionError(errno.EACCES, "no regular file", path)
    return access.open(path, follow=follow)


def _open_no_link(path: str) -> int:
    try:
        return os.open(path, _READ | _NO_FOLLOW)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):  # it has become one since it was looked at
            raise FileNotFoundError(errno.ENOENT, "a link", path) from error
        raise


def _regular(descriptor: int, path: str) -> os.stat_result:
    """What was opened, closed again if it is no regular file."""
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise PermissionError(errno.EACCES, "no regular file", path)
    except BaseException:
        os.close(descriptor)
        raise
    return info


def _remember(path: str, descriptor: int) -> None:
    """Whether the files of a folder can be read at once is found out by a thread, on one that it has just opened."""
    folder = path.rpartition(os.sep)[0]
    if folder in _readable_at_once or not hasattr(os, "RWF_NOWAIT"):
        return
    try:
        os.preadv(descriptor, (bytearray(1),), 0, os.RWF_NOWAIT)
    except BlockingIOError:
        pass  # it can, and says that it would have to wait this time
    except OSError:
        return
    if len(_readable_at_once) >= MAX_FOLDERS:
        _readable_at_once.clear()
    _readable_at_once[folder] = None
