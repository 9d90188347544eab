"""Several ranges of a file as one body (RFC 9110 section 14.6): each part is a head and an interval of the file, so
that the kernel can still send what is between the heads. The whole is counted beforehand, for Content-Length.
"""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from .http_exception import refuse_line_breaks

BOUNDARY_BYTES = 16
"""Of randomness in a boundary: nobody can write a file that contains it."""


class Piece(NamedTuple):
    """Some bytes, and the interval of the file that follows them."""

    before: bytes
    start: int
    stop: int


class FileBody(NamedTuple):
    """What is sent of a file: pieces, and the bytes behind the last."""

    pieces: tuple[Piece, ...] = ()
    after: bytes = b""

    @property
    def length(self) -> int:
        """In bytes."""
        return sum(len(before) + stop - start for before, start, stop in self.pieces) + len(self.after)


def interval(start: int, stop: int) -> FileBody:
    """One interval, and nothing beside it."""
    return FileBody((Piece(b"", start, stop),))


def multipart(intervals: Sequence[tuple[int, int]], *, size: int, content_type: str) -> tuple[FileBody, str]:
    """The intervals of a file of `size` bytes as parts of one body, and the Content-Type of that. ValueError for a
    `content_type` that would end its line.
    """
    refuse_line_breaks("content type", content_type)
    boundary = secrets.token_hex(BOUNDARY_BYTES)
    pieces = []
    line = f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes "
    for start, stop in intervals:
        pieces.append(Piece(f"{line}{start}-{stop - 1}/{size}\r\n\r\n".encode(), start, stop))
        if len(pieces) == 1:
            line = f"\r\n{line}"
    body = FileBody(tuple(pieces), f"\r\n--{boundary}--\r\n".encode("ascii"))
    return body, f"multipart/byteranges; boundary={boundary}"
