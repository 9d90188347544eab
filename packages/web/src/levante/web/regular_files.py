"""Opening files to be served: only regular ones, and without ever waiting for what is none."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path, *, follow: bool = True) -> tuple[BufferedReader, os.stat_result]:
    """Open a file without waiting for a writer of a fifo. Raises OSError, PermissionError for what is no regular file,
    and FileNotFoundError for a link unless `follow`.
    """
    mode = path.stat(follow_symlinks=follow).st_mode
    if stat.S_ISLNK(mode):
        raise FileNotFoundError(f"{path} is a link")
    if not stat.S_ISREG(mode):
        raise PermissionError(f"{path} is no regular file")
    opener = _open_at_once if follow else _open_no_link
    file = open(path, "rb", opener=opener)  # noqa: SIM115  # handed on; pathlib takes no opener
    info = os.fstat(file.fileno())
    if not stat.S_ISREG(info.st_mode):
        file.close()
        raise PermissionError(f"{path} is no regular file")
    return file, info


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _open_no_link(path: str, flags: int) -> int:
    try:
        return _open_at_once(path, flags | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        if error.errno == errno.ELOOP:  # it has become one since it was looked at
            raise FileNotFoundError(f"{path} is a link") from error
        raise
