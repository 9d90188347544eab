"""One part of a multipart body, read as it arrives: raw by chunk or line, or whole and decoded as text, JSON or a
form. In a form the part's Content-Length, Content-Encoding and Content-Transfer-Encoding are passed over, as RFC
7578 4.7 and 4.8 have it; elsewhere base64, quoted-printable and content codings are undone. What is read whole is
capped, in raw form and decoded."""

import asyncio
import binascii
import json
import re
import sys
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any, Final

from .codings import body_decoder
from .contentdisposition import (
    BadContentDispositionHeader,
    BadContentDispositionParam,
    disposition_filename,
    format_content_disposition,
    parse_content_disposition,
)
from .decoders import Decoder
from .errors import LimitExceeded, MalformedContent
from .forms import parse_urlencoded
from .hdrs import CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TRANSFER_ENCODING, CONTENT_TYPE
from .limits import EXECUTOR_THRESHOLD
from .mediatypes import parse_media_type
from .multipart import MultipartEvent, PartData
from .payloadbase import Order, Payload, payload_type
from .textcodecs import ascii_compatible, text_codec

CHUNK_SIZE: Final = 8192
"""Bytes that read_chunk() gives at most, unless asked otherwise; aiohttp's."""

_PLAIN_ENCODINGS: Final = ("", "7bit", "8bit", "binary")

_BASE64: Final = re.compile(rb"[A-Za-z0-9+/=]")
_NOT_BASE64: Final = bytes(octet for octet in range(256) if _BASE64.match(bytes((octet,))) is None)
_ESCAPE_SIZE: Final = 3  # of quoted-printable: `=C3`, or `=` and the line end


class PartContent:
    """The bytes of the part under way, pulled from the events of its decoder; at its end it gives b""."""

    def __init__(self, next_event: Callable[[], Awaitable[MultipartEvent | None]]) -> None:
        self._next_event = next_event
        self._at_eof = False

    async def readany(self) -> bytes:
        """The next bytes as they came; b"" at the end of the part."""
        if not self._at_eof:
            event = await self._next_event()
            if isinstance(event, PartData):
                return event.data
            self._at_eof = True
        return b""

    def at_eof(self) -> bool:
        """Whether the part is over."""
        return self._at_eof

    async def skip(self) -> None:
        """Read the rest and forget it."""
        while not self._at_eof:
            await self.readany()


class BodyPartReader:
    """A part that is not multipart itself.

    Raises ValueError for a Content-Length that is no number, outside of forms; it has no say in the framing.
    """

    chunk_size = CHUNK_SIZE

    def __init__(
        self,
        headers: Mapping[str, str],
        content: PartContent,
        *,
        is_form_data: bool = False,
        default_charset: str | None = None,
        client_max_size: int = sys.maxsize,
        max_size_error_cls: Callable[[int, int], Exception] | None = None,
    ) -> None:
        self.headers = headers
        self._content = content
        self._is_form_data = is_form_data
        self._default_charset = default_charset
        self._max_size = client_max_size
        self._max_size_error = max_size_error_cls
        self._held = b""
        self._position = 0  # how much of what is held has been read
        length = headers.get(CONTENT_LENGTH)
        if length is not None and not is_form_data and not (length.isascii() and length.isdigit()):
            raise MalformedContent(f"the Content-Length of a part is {length[:50]!r}, expected digits")

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.read_chunk()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    @cached_property
    def _disposition(self) -> dict[str, str]:
        """The parameters of Content-Disposition; none, and a warning, where it is malformed."""
        text = self.headers.get(CONTENT_DISPOSITION)
        if text is None:
            return {}
        try:
            return parse_content_disposition(text)[1]
        except ValueError as error:
            kind = BadContentDispositionParam if ";" in text else BadContentDispositionHeader
            warnings.warn(str(error), kind, stacklevel=3)
            return {}

    @property
    def name(self) -> str | None:
        """The name of the field, None where there is none that can be read."""
        return self._disposition.get("name")

    @property
    def filename(self) -> str | None:
        """The file name as the sender gave it, without leading slashes; never use it as a path, see safe_name()."""
        filename = disposition_filename(self._disposition, prefer_plain=self._is_form_data)
        return filename.lstrip("/\\") if filename is not None else None

    def at_eof(self) -> bool:
        """Whether the part has been read to its end."""
        return self._content.at_eof() and self._position >= len(self._held)

    async def release(self) -> None:
        """Skip what is left of the part."""
        self._position = len(self._held)
        await self._content.skip()

    async def read_chunk(self, size: int = CHUNK_SIZE) -> bytes:
        """At most about `size` raw bytes; b"" at the end. Chunks of a coded part are cut so that each can be
        decoded by itself."""
        if size < 1:
            raise ValueError(f"expected a chunk size of at least 1, got {size}")
        if not await self._fill():
            return b""
        data = self._take(size)
        encoding = self._transfer_encoding()
        if encoding == "base64":
            return await self._with_whole_quartets(data)
        if encoding == "quoted-printable":
            return await self._with_whole_escapes(data)
        return data

    async def _with_whole_quartets(self, data: bytes) -> bytes:
        """The data with what its last four characters of base64 lack; what stands between them has no limit but that
        of read()."""
        pieces = [data]
        size = len(data)
        missing = -_count_base64(data) % 4
        while missing and await self._fill():
            found = _BASE64.search(self._held, self._position)
            start = found.start() if found is not None else len(self._held)
            piece = self._take(start - self._position + missing)
            missing -= _count_base64(piece)
            pieces.append(piece)
            size += len(piece)
            self._check_size(size)
        return b"".join(pieces)

    async def _with_whole_escapes(self, data: bytes) -> bytes:
        """The data up to an escape that its end cuts; where it has nothing before that, with the rest of it."""
        cut = data.find(b"=", max(0, len(data) - 2))
        if cut > 0:
            self._position -= len(data) - cut
            return data[:cut]
        while cut == 0 and len(data) < _ESCAPE_SIZE and await self._fill():
            data += self._take(_ESCAPE_SIZE - len(data))
        return data

    async def readline(self) -> bytes:
        """The next line with its end; b"" at the end of the part. A line is capped as read() is."""
        pieces: list[bytes] = []
        size = 0
        while await self._fill():
            newline = self._held.find(b"\n", self._position)
            piece = self._take(newline + 1 - self._position if newline >= 0 else len(self._held))
            pieces.append(piece)
            size += len(piece)
            self._check_size(size)
            if newline >= 0:
                break
        return b"".join(pieces)

    async def read(self, *, decode: bool = False) -> bytearray:
        """The rest of the part; `decode` undoes its transfer encoding and content coding.

        Raises the error of `max_size_error_cls` beyond `client_max_size`, as soon as that is seen.
        """
        data = bytearray()
        if decode:
            async for piece in self.iter_decoded():
                data += piece
                self._check_size(len(data))
        else:
            while await self._fill():
                data += self._take(len(self._held))
                self._check_size(len(data))
        return data

    async def text(self, *, encoding: str | None = None) -> str:
        """The part as text: in `encoding`, else the charset it names (in forms: one in which ASCII is ASCII), else
        UTF-8.

        Raises MalformedContent (a ValueError; 400, or 415 for an unknown charset) where it cannot be decoded.
        """
        data = await self.read(decode=True)
        charset = encoding or self.get_charset("utf-8")
        codec = (
            (ascii_compatible(charset) or "utf-8") if self._is_form_data and encoding is None else text_codec(charset)
        )
        if codec is None:
            raise MalformedContent(f"unknown charset {charset[:100]!r}", status=415)
        try:
            return data.decode(codec)
        except UnicodeDecodeError as error:
            raise MalformedContent(f"a part is not {codec} at byte {error.start}") from error

    async def json(
        self, *, encoding: str | None = None, loads: Callable[[str], Any] = json.loads
    ) -> Any:  # whatever the JSON holds
        """The part as JSON; None where it is empty. Raises ValueError for anything that is not JSON."""
        text = await self.text(encoding=encoding)
        try:
            return loads(text) if text else None
        except RecursionError as error:
            raise MalformedContent("a part is JSON nested too deeply") from error

    async def form(self, *, encoding: str | None = None) -> list[tuple[str, str]]:
        """The part as a urlencoded form."""
        data = await self.read(decode=True)
        return parse_urlencoded(bytes(data), charset=encoding or self.get_charset("utf-8"))

    def get_charset(self, default: str) -> str:
        """The charset that the Content-Type names, else that of the form's `_charset_` field, else `default`."""
        charset = None
        try:
            charset = parse_media_type(self.headers.get(CONTENT_TYPE, "")).charset
        except ValueError:
            pass  # a type that cannot be read names no charset
        return charset or self._default_charset or default

    def decode(self, data: bytes) -> bytes:
        """The whole raw content of the part, decoded, capped as read() is.

        Raises RuntimeError for an unknown transfer encoding, MalformedContent or ContentCodingError (400) for broken
        content.
        """
        plain = self._undo_transfer(data)
        decoder = self._make_decoder()
        if decoder is None:
            return plain
        decoded = bytearray(decoder.decompress(plain))
        while decoder.has_more:
            self._check_size(len(decoded))
            decoded += decoder.decompress(b"")
        self._check_size(len(decoded))
        decoder.finish()
        return bytes(decoded)

    async def decode_iter(self, data: bytes) -> AsyncGenerator[bytes, None]:
        """decode() in bounded pieces, large ones made in a thread."""
        decoder = self._make_decoder()
        async for piece in self._decode_chunk(decoder, data):
            yield piece
        if decoder is not None:
            decoder.finish()

    async def iter_decoded(self) -> AsyncGenerator[bytes, None]:
        """The rest of the part, decoded, in bounded pieces as it arrives."""
        decoder = self._make_decoder()
        while chunk := await self.read_chunk(self.chunk_size):
            async for piece in self._decode_chunk(decoder, chunk):
                yield piece
        if decoder is not None:
            decoder.finish()

    async def _decode_chunk(self, decoder: Decoder | None, chunk: bytes) -> AsyncGenerator[bytes, None]:
        plain = self._undo_transfer(chunk)
        if decoder is None:
            if plain:
                yield plain
            return
        loop = asyncio.get_running_loop()
        while True:
            if len(plain) > EXECUTOR_THRESHOLD:
                output = await loop.run_in_executor(None, decoder.decompress, plain)
            else:
                output = decoder.decompress(plain)
            if output:
                yield output
            plain = b""
            if not decoder.has_more:
                return

    async def _fill(self) -> bool:
        """Have something unread at hand; False at the end of the part."""
        if self._position >= len(self._held):
            self._held = await self._content.readany()
            self._position = 0
        return bool(self._held)

    def _take(self, size: int) -> bytes:
        data = self._held[self._position : self._position + size]
        self._position += len(data)
        return data

    def _transfer_encoding(self) -> str:
        """The transfer encoding to undo: in forms never any."""
        return "" if self._is_form_data else self.headers.get(CONTENT_TRANSFER_ENCODING, "").strip(" \t").lower()

    def _undo_transfer(self, data: bytes) -> bytes:
        encoding = self._transfer_encoding()
        if encoding == "base64":
            try:
                return binascii.a2b_base64(data)
            except binascii.Error as error:
                raise MalformedContent(f"a part is not base64: {error}") from error
        if encoding == "quoted-printable":
            return binascii.a2b_qp(data)
        if encoding not in _PLAIN_ENCODINGS:
            raise RuntimeError(f"unknown content transfer encoding {encoding[:50]!r}")
        return data

    def _make_decoder(self) -> Decoder | None:
        if self._is_form_data:
            return None
        return body_decoder(self.headers.get(CONTENT_ENCODING, ""))

    def _check_size(self, size: int) -> None:
        if size <= self._max_size:
            return
        if self._max_size_error is not None:
            raise self._max_size_error(self._max_size, size)
        raise LimitExceeded("client_max_size", maximum=self._max_size, actual=size, status=413)


@payload_type(BodyPartReader, order=Order.TRY_FIRST)
class BodyPartReaderPayload(Payload):
    """A part of a multipart body that arrives, passed on decoded as (part of) another body; it can be sent once."""

    def __init__(self, value: BodyPartReader, headers: Any = None, **options: Any) -> None:
        super().__init__(value, headers, **options)
        names = {"name": value.name, "filename": value.filename}
        found = {key: text for key, text in names.items() if text is not None}
        if found:
            self.headers[CONTENT_DISPOSITION] = format_content_disposition("attachment", found)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - the signature of all payloads
        """Always TypeError: the content must be waited for."""
        raise TypeError("a part under way can only be sent, not decoded")

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The decoded part. RuntimeError the second time."""
        if self._consumed:
            raise RuntimeError("the part was read already and cannot be read again")
        self._consumed = True
        async for chunk in self._value.iter_decoded():
            yield chunk


def _count_base64(data: bytes) -> int:
    """Characters of base64 in the data, line ends and other noise left out."""
    return len(data.translate(None, _NOT_BASE64))
