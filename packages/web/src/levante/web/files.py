"""Files as responses: conditions, one range, precompressed siblings, and the kernel's sendfile where the loop has it.
Everything that touches the file system runs in an executor; a file is opened before its size is believed, and must be
a regular one.
"""

import asyncio
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from mimetypes import MimeTypes
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from levante.http.mediatypes import negotiate_coding
from levante.http.validators import ETag, Verdict, evaluate_preconditions, parse_ranges, range_still_holds

from .compression import vary_by_coding
from .exceptions import HTTPForbidden, HTTPNotFound
from .stream_response import StreamResponse

if TYPE_CHECKING:
    from .types import BaseRequest, LooseHeaders, PathLike

CHUNK_SIZE = 256 * 1024
"""Bytes of a file that are read at once where the kernel cannot send it by itself."""

PRECOMPRESSED = {"br": ".br", "gzip": ".gz"}
"""Content codings and the suffix of a file that holds another one in that coding, the favourite first."""

NO_SENDFILE = "LEVANTE_NOSENDFILE"
"""The environment variable that, set to 1, switches sendfile off: some network file systems get it wrong."""

CONTENT_TYPES = MimeTypes()
CONTENT_TYPES.encodings_map.clear()  # an archive is what it is, not the coding of something else
for _suffix, _type in {
    ".gz": "application/gzip",
    ".br": "application/x-brotli",
    ".bz2": "application/x-bzip2",
    ".z": "application/x-compress",  # looked up in lower case
    ".xz": "application/x-xz",
}.items():
    CONTENT_TYPES.add_type(_type, _suffix)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open regular file: its size, its validators, and the coding it is in (None: as it is)."""

    file: BinaryIO
    size: int
    etag: ETag
    modified: datetime
    coding: str | None


def open_regular(path: Path) -> tuple[BinaryIO, os.stat_result]:
    """Open a file without waiting for a writer of a fifo. Raises OSError, and PermissionError for what is no regular
    file.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise PermissionError(f"{path} is no regular file")
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115  # handed on; pathlib takes no opener
    info = os.fstat(file.fileno())
    if not stat.S_ISREG(info.st_mode):
        file.close()
        raise PermissionError(f"{path} is no regular file")
    return file, info


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def find_siblings(path: Path) -> list[str]:
    """The codings in which a regular file (not a link, which could lead anywhere) lies beside `path`."""
    found = []
    for coding, suffix in PRECOMPRESSED.items():
        try:
            if stat.S_ISREG(path.with_name(path.name + suffix).lstat().st_mode):
                found.append(coding)
        except OSError:
            continue  # not there, or not for us: served as it is
    return found


class FileResponse(StreamResponse):
    """A file. `prepare` sends it whole: 200, 206 (one range), 304, 412 or 416; HTTPNotFound and HTTPForbidden when it
    cannot be opened.

    The entity tag is made of modification time and size. A sibling `name.br` or `name.gz` is sent to clients that
    prefer it.
    """

    __slots__ = ("_chunk_size", "_path")

    def __init__(
        self,
        path: "PathLike",
        chunk_size: int = CHUNK_SIZE,
        *,
        status: int = 200,
        reason: str | None = None,
        headers: "LooseHeaders | None" = None,
    ) -> None:
        super().__init__(status=status, reason=reason, headers=headers)
        self._path = Path(path)
        self._chunk_size = chunk_size

    async def _start(self, request: "BaseRequest") -> None:
        loop = asyncio.get_running_loop()
        try:
            opened = await loop.run_in_executor(None, self._open, request.headers.get("Accept-Encoding"))
        except (FileNotFoundError, NotADirectoryError, ValueError) as exc:
            raise HTTPNotFound from exc
        except PermissionError as exc:
            raise HTTPForbidden from exc
        try:
            start, stop = self._decide(request, opened)
            await super()._start(request)
            await self._send_file(request, opened.file, start, stop)
            await super().write_eof()
        finally:
            await loop.run_in_executor(None, opened.file.close)

    def _open(self, accept_encoding: str | None) -> OpenFile:
        siblings = find_siblings(self._path)
        coding = negotiate_coding(accept_encoding, siblings) if siblings else None
        if coding not in siblings or "Content-Encoding" in self.headers:
            coding = None
        path = self._path if coding is None else self._path.with_name(self._path.name + PRECOMPRESSED[coding])
        file, info = open_regular(path)
        if siblings:
            vary_by_coding(self.headers)
        tag = f"{info.st_mtime_ns:x}-{info.st_size:x}" + ("" if coding is None else f"-{coding}")
        modified = datetime.fromtimestamp(info.st_mtime_ns // 1_000_000_000, UTC)
        return OpenFile(file, info.st_size, ETag(tag), modified, coding)

    def _decide(self, request: "BaseRequest", opened: OpenFile) -> tuple[int, int]:
        """Set status and headers; the bytes to send, from and up to."""
        self.etag = opened.etag
        self.last_modified = opened.modified
        verdict = Verdict.PROCEED
        if self._status == 200:
            verdict = evaluate_preconditions(
                request.method, request.headers, etag=opened.etag, last_modified=opened.modified
            )
        if verdict is Verdict.NOT_MODIFIED:
            self.set_status(304)
            return 0, 0
        if verdict is Verdict.FAILED:
            self.set_status(412)
            self.content_length = 0
            return 0, 0
        self._describe(opened)
        start, stop = 0, opened.size
        if self._takes_range(request):
            start, stop = self._range(request, opened)
        if not self._compression or self._status != 200:
            self._compression = None
            self.content_length = stop - start
        return start, stop

    def _describe(self, opened: OpenFile) -> None:
        if opened.coding is not None:
            self.headers["Content-Encoding"] = opened.coding
            self._compression = None
        if "Content-Type" not in self.headers:
            self.headers["Content-Type"] = CONTENT_TYPES.guess_type(self._path.name)[0] or "application/octet-stream"
        self.headers["Accept-Ranges"] = "bytes"

    def _takes_range(self, request: "BaseRequest") -> bool:
        return self._status == 200 and request.method == "GET" and "Range" in request.headers

    def _range(self, request: "BaseRequest", opened: OpenFile) -> tuple[int, int]:
        if_range = request.headers.get("If-Range")
        if not range_still_holds(if_range, etag=opened.etag, last_modified=opened.modified):
            return 0, opened.size
        try:
            ranges = parse_ranges(request.headers["Range"])
        except ValueError:
            ranges = ()
        interval = ranges[0].resolve(opened.size) if len(ranges) == 1 else None
        if interval is None:
            self.set_status(416)
            self.headers["Content-Range"] = f"bytes */{opened.size}"
            return 0, 0
        start, stop = interval
        self.set_status(206)
        self.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{opened.size}"
        return start, stop

    async def _send_file(self, request: "BaseRequest", file: BinaryIO, start: int, stop: int) -> None:
        if start == stop or request.method == "HEAD" or self._status == 304:
            return
        exchange = request.exchange
        if self._coded is None and os.environ.get(NO_SENDFILE) != "1":
            await exchange.sendfile(file, start, stop - start)
            return
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, file.seek, start)
        left = stop - start
        while left > 0:
            data = await loop.run_in_executor(None, file.read, min(left, self._chunk_size))
            if not data:
                raise OSError(f"{self._path} became shorter while it was being sent")
            left -= len(data)
            await self.write(data)
