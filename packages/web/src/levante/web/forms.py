"""The fields of a form, urlencoded or multipart (RFC 7578). Text is kept in memory under the limits of
`levante.http.limits.ContentLimits`, files go to temporary files that stay in memory while they are small; disk is
touched in an executor only.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TypeAlias

from multidict import CIMultiDictProxy, MultiDict

from levante.http.errors import LimitExceeded, MalformedContent
from levante.http.formdecoder import FieldData, FieldStart, FormDecoder
from levante.http.forms import parse_urlencoded
from levante.http.limits import MultipartLimits
from levante.http.mediatypes import parse_media_type
from levante.http.textcodecs import ascii_compatible

from .bodies import decode_text, iter_body
from .exceptions import HTTPRequestEntityTooLarge, HTTPUnsupportedMediaType

if TYPE_CHECKING:
    from levante.http.multipart_reader import MultipartReader

    from .types import BaseRequest

FORM_METHODS = frozenset({"POST", "PUT", "PATCH", "TRACE", "DELETE", "QUERY"})
"""Methods whose body can be a form."""

SPOOL_SIZE = 1024 * 1024
"""An uploaded file stays in memory up to this size, in bytes; beyond it, it moves to a temporary file. starlette: 1
MiB.
"""

DEFAULT_CHARSET = "utf-8"


@dataclass(frozen=True)
class FileField:
    """An uploaded file: `file` is open for reading at its start; `filename` is what the sender wrote, never to be
    used as a path.
    """

    name: str
    filename: str
    file: IO[bytes]
    content_type: str
    headers: CIMultiDictProxy[str]


FormValue: TypeAlias = str | bytearray | FileField
"""Text; a part of another type without a file name; a file."""


async def read_form(request: "BaseRequest") -> MultiDict[FormValue]:
    """The fields in order. An empty dict for other methods and media types. MalformedContent when nobody can tell the
    type of the body: what was sent must not be lost without a word. HTTPRequestEntityTooLarge for every excess.
    """
    try:
        return await _read_form(request)
    except LimitExceeded as exc:
        if exc.status != HTTPRequestEntityTooLarge.status_code:
            raise
        request.exchange.keep_alive = False  # as after every other excess
        raise HTTPRequestEntityTooLarge(exc.maximum, exc.actual, text=f"413: {exc.message}") from exc


async def _read_form(request: "BaseRequest") -> MultiDict[FormValue]:
    if request.method not in FORM_METHODS:
        return MultiDict()
    declared = _declared_type(request)
    if declared == "multipart/form-data":
        return await _read_multipart(request)
    if not request.head.has_body or declared not in (None, "application/x-www-form-urlencoded"):
        return MultiDict()
    charset = request.charset or DEFAULT_CHARSET
    maximum = request.content_limits.max_form_fields
    return MultiDict(parse_urlencoded(await request.read(), charset=charset, max_fields=maximum))


def _declared_type(request: "BaseRequest") -> str | None:
    declared = request.headers.get("Content-Type")
    if declared is None:
        return None
    try:
        return parse_media_type(declared).essence
    except ValueError as exc:
        raise MalformedContent(str(exc)) from exc


async def _read_multipart(request: "BaseRequest") -> MultiDict[FormValue]:
    collector = _Collector(request.headers["Content-Type"], request.content_limits.multipart)
    try:
        if request.kept_body is not None:
            await collector.feed(request.kept_body)
        else:
            async for piece in iter_body(request, limit=request.client_max_size):
                await collector.feed(piece)
        collector.decoder.feed_eof()
    except BaseException:
        await close_files(open_files(collector.fields))
        if collector.file is not None:
            await _close(collector.file)
        raise
    return collector.fields


class _Collector:
    """Puts the events of a form decoder together to fields."""

    def __init__(self, content_type: str, limits: MultipartLimits) -> None:
        self.decoder = FormDecoder(content_type, limits=limits)
        self.fields: MultiDict[FormValue] = MultiDict()
        self.file: IO[bytes] | None = None
        self._start: FieldStart | None = None
        self._data = bytearray()
        self._charset = DEFAULT_CHARSET

    async def feed(self, piece: bytes) -> None:
        for event in self.decoder.feed(piece):
            if isinstance(event, FieldStart):
                self._start = event
                self._data = bytearray()
                self.file = None if event.filename is None else tempfile.SpooledTemporaryFile(SPOOL_SIZE)  # noqa: SIM115
            elif isinstance(event, FieldData):
                await self._take(event.data)
            elif self._start is not None:
                await self._finish(self._start)

    async def _take(self, data: bytes) -> None:
        if self.file is None:
            self._data += data
        elif self.file.tell() + len(data) <= SPOOL_SIZE:
            self.file.write(data)
        else:
            await asyncio.get_running_loop().run_in_executor(None, self.file.write, data)

    async def _finish(self, start: FieldStart) -> None:
        if self.file is not None:
            await asyncio.get_running_loop().run_in_executor(None, self.file.seek, 0)
            kind = "application/octet-stream" if start.content_type is None else start.content_type.essence
            self.fields.add(start.name, FileField(start.name, start.filename or "", self.file, kind, start.headers))
            self.file = None
        elif start.is_text():
            declared = None if start.content_type is None else start.content_type.charset
            charset = self._charset if declared is None else ascii_compatible(declared)
            if charset is None:
                raise HTTPUnsupportedMediaType(text=f"the charset {declared!r} is unknown, or unfit for a form")
            text = decode_text(bytes(self._data), charset, what=f"the field {start.name[:100]!r}")
            self._remember_charset(start.name, text)
            self.fields.add(start.name, text)
        else:
            self.fields.add(start.name, self._data)

    def _remember_charset(self, name: str, text: str) -> None:
        """The field `_charset_` says how the text fields after it are encoded (RFC 7578 section 4.6); an unknown name
        is ignored.
        """
        if name == "_charset_":
            self._charset = ascii_compatible(text.strip()) or DEFAULT_CHARSET


def open_files(form: MultiDict[FormValue]) -> list[IO[bytes]]:
    """The files among the fields."""
    return [value.file for value in form.values() if isinstance(value, FileField)]


async def close_files(files: Iterable[IO[bytes]]) -> None:
    """Close them all."""
    for file in files:
        await _close(file)


async def _close(file: IO[bytes]) -> None:
    """Closing unlinks a file on disk, which may wait for the disk; one in memory closes at once."""
    if getattr(file, "_rolled", True):
        await asyncio.get_running_loop().run_in_executor(None, file.close)
    else:
        file.close()


def multipart_reader(request: "BaseRequest") -> "MultipartReader":
    """A reader of the parts as they arrive; each part that is read whole is held to `client_max_size` (0: no limit), or
    HTTPRequestEntityTooLarge is raised.
    """
    # Imported here: most applications never stream a multipart body.
    from levante.http.multipart_reader import MultipartReader

    return MultipartReader(
        request.headers,
        request.content,
        client_max_size=request.client_max_size or sys.maxsize,
        max_size_error_cls=HTTPRequestEntityTooLarge,
    )
