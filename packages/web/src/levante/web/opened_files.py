"""Files opened to be sent: which of the file and its compressed siblings, its validators, and its content if it is
small. The body is the same for the loop and for threads; what it may wait for is the business of `FileAccess`.
"""

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from typing import NamedTuple

from levante.http.mediatypes import negotiate_coding
from levante.http.validators import ETag

from .file_access import FileAccess, open_regular

PRECOMPRESSED = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""Content codings and the suffix of a file that holds another one in that coding, the favourite first: what was made
beforehand was made as small as can be, and br is the smallest.
"""

ETAG_DIGITS = 32
"""Of a hash in an entity tag: 128 bits, beyond any accident."""

SMALL_FILE = 64 * 1024
"""Bytes of a file that is read when it is opened: what the kernel would save by sending it is less than it takes to
ask for that.
"""


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A regular file, open, or if it is small its content: its size, its validators, the coding it is in (None: as it
    is), and whether it lies beside itself in any.
    """

    file: FileIO | None
    content: bytes
    size: int
    etag: ETag
    modified: datetime
    coding: str | None
    has_siblings: bool


class _Choice(NamedTuple):
    path: str
    coding: str | None
    has_siblings: bool
    seen: os.stat_result | None


def open_file(path: str, accepts: str | None, access: FileAccess, *, content_etag: bool) -> OpenedFile:
    """Open the file, or the sibling that a client with the Accept-Encoding `accepts` prefers.

    Raises FileNotFoundError, PermissionError for what is no regular file, OSError, ValueError for what is no path.
    """
    return _open(_choose(path, accepts, access, None), access, content_etag=content_etag)


def read_small(
    path: str, accepts: str | None, access: FileAccess, *, content_etag: bool, seen: os.stat_result
) -> OpenedFile | None:
    """What `open_file` gives if that is small, else None; for who has looked at the file already, and has `seen` it."""
    choice = _choose(path, accepts, access, seen)
    if choice.seen is not None and choice.seen.st_size > SMALL_FILE:
        return None
    opened = _open(choice, access, content_etag=content_etag)
    if opened.file is None:
        return opened
    opened.file.close()  # it has grown just now
    return None


def _choose(path: str, accepts: str | None, access: FileAccess, seen: os.stat_result | None) -> _Choice:
    siblings: dict[str, os.stat_result] = {}
    for coding, suffix in PRECOMPRESSED.items():
        try:
            info = access.look(path + suffix)
        except OSError:
            continue  # not for us: served as it is
        if info is not None and stat.S_ISREG(info.st_mode):  # and no link, which could lead anywhere
            siblings[coding] = info
    if siblings:
        chosen = negotiate_coding(accepts, list(siblings))
        if chosen in siblings:
            return _Choice(path + PRECOMPRESSED[chosen], chosen, True, siblings[chosen])
    return _Choice(path, None, bool(siblings), seen)


def _open(choice: _Choice, access: FileAccess, *, content_etag: bool) -> OpenedFile:
    path, coding, has_siblings, seen = choice
    descriptor, info = open_regular(path, access, follow=coding is None, seen=seen)
    try:
        tag = access.digest(descriptor, info).hex()[:ETAG_DIGITS] if content_etag else _tag(info, coding)
        is_small = info.st_size <= SMALL_FILE
        content = access.read(descriptor, info.st_size, path) if is_small else b""
    except BaseException:
        os.close(descriptor)
        raise
    if is_small:
        os.close(descriptor)
    return OpenedFile(
        None if is_small else _file(descriptor, path, access),
        content,
        len(content) if is_small else info.st_size,
        ETag(tag),
        datetime.fromtimestamp(info.st_mtime_ns // 1_000_000_000, UTC),
        coding,
        has_siblings,
    )


def _file(descriptor: int, path: str, access: FileAccess) -> FileIO:
    """By its name an ASGI server opens it again (pathsend): a real path has none, for it may lead elsewhere by then."""
    return FileIO(descriptor) if access.is_real else FileIO(path, opener=lambda *_: descriptor)


def _tag(info: os.stat_result, coding: str | None) -> str:
    """Of time and size, which costs nothing."""
    return f"{info.st_mtime_ns:x}-{info.st_size:x}" + ("" if coding is None else f"-{coding}")
