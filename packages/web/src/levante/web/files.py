"""Files as responses: conditions, ranges, precompressed siblings, sent by the kernel where it can. What the kernel has
in memory is opened and read by the loop itself, the rest in an executor; a file is opened before its size is believed,
and must be a regular one.
"""

import asyncio
import os
from functools import partial
from io import FileIO
from mimetypes import MimeTypes
from pathlib import Path
from typing import TYPE_CHECKING

from levante.http.validators import (
    Verdict,
    evaluate_preconditions,
    parse_ranges,
    range_still_holds,
    resolve_ranges,
)

from .byteranges import FileBody, interval, multipart
from .compression import vary_by_coding
from .exceptions import HTTPForbidden, HTTPNotFound
from .file_access import AtOnce, FileAccess, Waiting, WouldWait
from .opened_files import OpenedFile, open_file, read_small
from .stream_response import StreamResponse

if TYPE_CHECKING:
    from .types import BaseRequest, LooseHeaders, PathLike

CHUNK_SIZE = 256 * 1024
"""Bytes of a file that are read at once where the kernel cannot send it by itself."""

NO_SENDFILE = "LEVANTE_NOSENDFILE"
"""The environment variable that, set to 1, switches sendfile off: some network file systems get it wrong."""

IDENTITY = "identity"

FOLLOWING = AtOnce(real=False), Waiting(real=False)
"""The ways to a file by any path: that of the loop, that of threads."""

REAL = AtOnce(real=True), Waiting(real=True)
"""The ways to a file by its real path."""

CONTENT_TYPES = MimeTypes()
CONTENT_TYPES.encodings_map.clear()  # an archive is what it is, not the coding of something else
for _suffix, _type in {
    ".gz": "application/gzip",
    ".br": "application/x-brotli",
    ".zst": "application/zstd",
    ".bz2": "application/x-bzip2",
    ".z": "application/x-compress",  # looked up in lower case
    ".xz": "application/x-xz",
}.items():
    CONTENT_TYPES.add_type(_type, _suffix)


def accepted_codings(request: "BaseRequest") -> str | None:
    """The Accept-Encoding of a request as one list; None where it has none."""
    accepts = request.headers.getall("Accept-Encoding", None)
    return None if accepts is None else ", ".join(accepts)


class FileResponse(StreamResponse):
    """A file. `prepare` sends it whole: 200, 206, 304, 412 or 416; HTTPNotFound and HTTPForbidden when it cannot be
    opened.

    Several ranges come as multipart/byteranges, merged where they overlap; a Range in a unit other than bytes is
    ignored. The entity tag is made of modification time and size, which costs nothing, or with `content_etag` of a hash
    of the content: then machines with the same file agree on it, however old their copies are. A sibling `name.br`,
    `name.zst` or `name.gz` is sent to clients that prefer it. With `follow_links=False` nothing is found where a part
    of the path is a link: for an absolute path that was resolved (`os.path.realpath`) and judged before.
    """

    __slots__ = ("_chunk_size", "_content_etag", "_follow_links", "_path", "_read")

    def __init__(
        self,
        path: "PathLike",
        chunk_size: int = CHUNK_SIZE,
        *,
        status: int = 200,
        reason: str | None = None,
        headers: "LooseHeaders | None" = None,
        content_etag: bool = False,
        follow_links: bool = True,
    ) -> None:
        super().__init__(status=status, reason=reason, headers=headers)
        self._path = os.fspath(Path(path) if follow_links else path)
        self._chunk_size = chunk_size
        self._content_etag = content_etag
        self._follow_links = follow_links
        self._read: OpenedFile | None = None

    def read_ahead(self, accept_encoding: str | None, access: FileAccess, *, seen: os.stat_result) -> None:
        """Read the file now if it is small; for who has looked for it by `access` anyway, and has seen `seen`. What
        cannot be opened is told when it is sent. Raises WouldWait.
        """
        try:
            self._read = read_small(self._path, accept_encoding, access, content_etag=self._content_etag, seen=seen)
        except (OSError, ValueError):
            return

    async def _start(self, request: "BaseRequest") -> None:
        opened = self._read
        if opened is None or (opened.coding is not None and "Content-Encoding" in self.headers):
            opened = await self._open(IDENTITY if "Content-Encoding" in self.headers else accepted_codings(request))
        try:
            if opened.has_siblings:
                vary_by_coding(self.headers)
            body = self._decide(request, opened)
            await super()._start(request)
            await self._send_body(request, opened, body)
            await super().write_eof()
        finally:
            if opened.file is not None:
                opened.file.close()  # which writes nothing, so it waits for nothing

    async def _open(self, accepts: str | None) -> OpenedFile:
        at_once, waiting = FOLLOWING if self._follow_links else REAL
        opening = partial(open_file, self._path, accepts, content_etag=self._content_etag)
        try:
            try:
                return opening(at_once)
            except WouldWait:
                return await asyncio.get_running_loop().run_in_executor(None, opening, waiting)
        except (FileNotFoundError, NotADirectoryError, ValueError) as exc:
            raise HTTPNotFound from exc
        except PermissionError as exc:
            raise HTTPForbidden from exc

    def _decide(self, request: "BaseRequest", opened: OpenedFile) -> FileBody:
        """Set status and headers; what to send."""
        self.etag = opened.etag
        self.last_modified = opened.modified
        verdict = Verdict.PROCEED
        if self._status == 200:
            verdict = evaluate_preconditions(
                request.method, request.headers, etag=opened.etag, last_modified=opened.modified
            )
        if verdict is Verdict.NOT_MODIFIED:
            self.set_status(304)
            return FileBody()
        if verdict is Verdict.FAILED:
            self._refuse(412)
            self.content_length = 0
            return FileBody()
        self._describe(opened)
        body = interval(0, opened.size)
        if self._status == 200 and request.method == "GET" and "Range" in request.headers:
            body = self._range(request, opened, body)
        if self._compression and self._compression.force is None:
            vary_by_coding(self.headers)
        if not self._compression or self._status != 200:
            self._compression = None
            self.content_length = body.length
        return body

    def _refuse(self, status: int) -> None:
        """How long the file may be kept is not said of a refusal."""
        self.set_status(status)
        self.headers.popall("Cache-Control", None)

    def _describe(self, opened: OpenedFile) -> None:
        if opened.coding is not None:
            self.headers["Content-Encoding"] = opened.coding
            self._compression = None
        if "Content-Type" not in self.headers:
            self.headers["Content-Type"] = CONTENT_TYPES.guess_type(self._path)[0] or "application/octet-stream"
        self.headers["Accept-Ranges"] = "bytes"

    def _range(self, request: "BaseRequest", opened: OpenedFile, whole: FileBody) -> FileBody:
        """What of the file was asked for: all of it, if that is less than the parts with their heads."""
        asked = request.headers["Range"]
        if asked.partition("=")[0].strip().lower() != "bytes":
            return whole  # RFC 9110 section 14.2
        if_range = request.headers.get("If-Range")
        if not range_still_holds(if_range, etag=opened.etag, last_modified=opened.modified):
            return whole
        try:
            found = resolve_ranges(parse_ranges(asked), opened.size)
        except ValueError:
            found = []
        if not found:
            self._refuse(416)
            self.headers["Content-Range"] = f"bytes */{opened.size}"
            return FileBody()
        if len(found) == 1:
            start, stop = found[0]
            self.set_status(206)
            self.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{opened.size}"
            return interval(start, stop)
        parts, content_type = multipart(found, size=opened.size, content_type=self.headers["Content-Type"])
        if parts.length >= opened.size:
            return whole
        self.set_status(206)
        self.headers["Content-Type"] = content_type
        return parts

    async def _send_body(self, request: "BaseRequest", opened: OpenedFile, body: FileBody) -> None:
        if request.method == "HEAD" or self._status == 304:
            return
        by_kernel = self._coded is None and os.environ.get(NO_SENDFILE) != "1"
        for before, start, stop in body.pieces:
            if before:
                await self.write(before)
            if opened.file is None:
                await self.write(opened.content[start:stop])
            elif by_kernel and start < stop:
                await request.exchange.sendfile(opened.file, start, stop - start)
            else:
                await self._send_chunks(opened.file, start, stop)
        if body.after:
            await self.write(body.after)

    async def _send_chunks(self, file: FileIO, start: int, stop: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, file.seek, start)
        left = stop - start
        while left > 0:
            data = await loop.run_in_executor(None, file.read, min(left, self._chunk_size))
            if not data:
                raise OSError(f"{self._path} became shorter while it was being sent")
            left -= len(data)
            await self.write(data)
