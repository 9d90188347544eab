"""Opening a path that was resolved and judged before, as exactly that: no part of it may have become a link since. The
kernel sees to it in one call where it has openat2; elsewhere each folder on the way is opened below the one before, so
that nobody can exchange what was passed already.
"""

import errno
import os

from . import openat2

_LINK_MET = frozenset((errno.ELOOP, errno.EMLINK))  # the latter is FreeBSD's for O_NOFOLLOW

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)

_ON_THE_WAY = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | _NO_FOLLOW
"""How a folder is opened to go through it. Where there is no O_PATH (macOS) it must be readable as well."""


def open_real(path: str, flags: int) -> int:
    """A descriptor of an absolute path. Raises OSError, FileNotFoundError where a part of the path is a link, and
    ValueError for what is no path.

    Windows cannot open one name below a folder, nor does it have O_NOFOLLOW; there links take a privilege to make.
    """
    call = openat2.find()
    try:
        if call is not None:
            return call.open(path, flags, openat2.NO_SYMLINKS)
        if os.open in os.supports_dir_fd:
            return _walk(path, flags | _NO_FOLLOW)
        return os.open(path, flags | _NO_FOLLOW)
    except OSError as error:
        if error.errno in _LINK_MET:
            raise FileNotFoundError(errno.ENOENT, "a part of the path is a link", path) from error
        raise


def _walk(path: str, flags: int) -> int:
    *folders, name = path.strip("/").split("/")
    here = os.open("/", _ON_THE_WAY)
    try:
        for folder in folders:
            above, here = here, os.open(folder, _ON_THE_WAY, dir_fd=here)
            os.close(above)
        return os.open(name or ".", flags, dir_fd=here)
    finally:
        os.close(here)


def list_folder(folder: str) -> list[tuple[str, bool]]:
    """The names in a real folder, sorted, each with whether it is that of a folder. Raises as `open_real` does."""
    if os.scandir not in os.supports_fd:
        return _entries(folder)
    descriptor = open_real(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _entries(descriptor)
    finally:
        os.close(descriptor)


def _entries(folder: str | int) -> list[tuple[str, bool]]:
    with os.scandir(folder) as entries:
        return sorted((entry.name, _is_folder(entry)) for entry in entries)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads in circles


def resolve(path: str) -> str:
    """The real path of an absolute one, whether there is something or not: without links, and no slash at its end."""
    path = path.rstrip(os.sep) or os.sep
    return path if _is_real(path) else os.path.realpath(path)


def _is_real(path: str) -> bool:
    """Whether it certainly has no link in it: one call, where realpath() asks for each folder on the way."""
    call = openat2.find()
    if call is None:
        return False
    try:
        os.close(call.open(path, os.O_PATH, openat2.NO_SYMLINKS))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return True
