"""Multipart bodies written from payloads: parts are appended, the size is known before where every part's is, and
everything is streamed. Part headers pass one gate, which refuses control characters, so that no name or type from
outside can begin a header of its own."""

import base64
import binascii
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self, cast

from multidict import CIMultiDict

from .codings import encoder
from .forms import encode_urlencoded
from .hdrs import (
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TRANSFER_ENCODING,
    CONTENT_TYPE,
)
from .multipart import MultipartEncoder
from .payloadbase import LooseHeaders, Payload, PayloadWriter
from .payloads import JsonPayload, StringPayload, get_payload

_NO_CODING: Final = ("", "identity")
_NO_TRANSFER: Final = ("", "binary", "7bit", "8bit")
_FORBIDDEN_IN_FORMS: Final = (CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TRANSFER_ENCODING)

# base64 turns three bytes into four characters; chunks are cut to whole lines of 76 characters (RFC 2045 6.8).
_BASE64_LINE: Final = 57


class MultipartWriter(Payload):
    """A multipart body, and a payload like any other: it can be sent, or be a part of another one.

    In `form-data` parts have no Content-Length, -Encoding or -Transfer-Encoding (RFC 7578), and one without a
    disposition is named `section-N`. Raises ValueError for a boundary that is not 1 to 70 of RFC 2046's characters,
    or a subtype that is no token.
    """

    def __init__(self, subtype: str = "mixed", boundary: str | None = None) -> None:
        self._encoder = MultipartEncoder(boundary)
        self._is_form_data = subtype == "form-data"
        self._parts: list[Payload] = []
        super().__init__(None, content_type=self._encoder.content_type(subtype))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def __iter__(self) -> Iterator[Payload]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __bool__(self) -> bool:
        return True

    @property
    def boundary(self) -> str:
        """The boundary, without hyphens before it."""
        return self._encoder.boundary

    @property
    def size(self) -> int | None:
        """Bytes of the whole body; None where a part's are unknown or change on the way."""
        total = len(self._encoder.end())
        for part in self._parts:
            size = part.size
            if size is None or _coding(part) or _transfer(part):
                return None
            total += len(self._encoder.part_head(part.header_items())) + size + len(self._encoder.part_end())
        return total

    @property
    def consumed(self) -> bool:
        """Whether some part was sent and cannot be sent again."""
        return any(part.consumed for part in self._parts)

    def append(self, value: Any, headers: LooseHeaders | None = None) -> Payload:
        """Add a part: a payload (the headers are added to its own) or any value that one is registered for.

        Raises TypeError for a value that cannot be sent, ValueError and RuntimeError as append_payload() does.
        """
        if isinstance(value, Payload):
            value.headers.update(headers if headers is not None else ())
            return self.append_payload(value)
        try:
            payload = get_payload(value, headers=headers)
        except LookupError as error:
            raise TypeError(f"cannot make a part of a {type(value).__name__}") from error
        return self.append_payload(payload)

    def append_payload(self, payload: Payload) -> Payload:
        """Add a payload as a part.

        Raises ValueError for control characters in its headers, or headers that a form's part cannot have;
        RuntimeError for a content coding or transfer encoding that cannot be applied.
        """
        payload.header_items()
        if self._is_form_data:
            for name in _FORBIDDEN_IN_FORMS:
                if name in payload.headers:
                    raise ValueError(f"a part of a form cannot have {name} (RFC 7578 4.7)")
            if CONTENT_DISPOSITION not in payload.headers:
                payload.set_content_disposition("form-data", name=f"section-{len(self._parts)}")
        elif not _coding(payload) and not _transfer(payload) and payload.size is not None:
            payload.headers[CONTENT_LENGTH] = str(payload.size)
        self._parts.append(payload)
        return payload

    def append_json(self, value: Any, headers: LooseHeaders | None = None) -> Payload:
        """Add a value as JSON."""
        return self.append_payload(JsonPayload(value, headers))

    def append_form(
        self,
        fields: Mapping[str, str | float] | Iterable[tuple[str, str | float]],
        headers: LooseHeaders | None = None,
    ) -> Payload:
        """Add fields as a urlencoded form; numbers are written in decimal. TypeError for other values."""
        given: CIMultiDict[str] = CIMultiDict(headers if headers is not None else ())
        given.setdefault(CONTENT_TYPE, "application/x-www-form-urlencoded")
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        texts = [(name, str(value) if type(value) in (int, float) else value) for name, value in pairs]
        return self.append_payload(StringPayload(encode_urlencoded(cast("list[tuple[str, str]]", texts)), given))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The body as text, where every part can be had without waiting; codings and transfer encodings are not
        applied."""
        pieces: list[str] = []
        for part in self._parts:
            pieces += self._encoder.part_head(part.header_items()).decode(), part.decode(encoding, errors), "\r\n"
        return "".join((*pieces, self._encoder.end().decode()))

    async def write(self, writer: PayloadWriter, *, close_boundary: bool = True) -> None:
        """Write the whole body; without `close_boundary` more parts can follow by a second call."""
        await self._write_parts(writer)
        if close_boundary:
            await writer.write(self._encoder.end())

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body from its beginning, piece by piece."""
        for part in self._parts:
            yield self._encoder.part_head(part.header_items())
            async for chunk in _encoded(part):
                yield chunk
            yield self._encoder.part_end()
        yield self._encoder.end()

    async def close(self) -> None:
        """Close every part."""
        for part in self._parts:
            await part.close()

    async def _write_parts(self, writer: PayloadWriter) -> None:
        for part in self._parts:
            await writer.write(self._encoder.part_head(part.header_items()))
            async for chunk in _encoded(part):
                await writer.write(chunk)
            await writer.write(self._encoder.part_end())


def _coding(payload: Payload) -> str:
    """The content coding to apply, "" for none."""
    name = payload.headers.get(CONTENT_ENCODING, "").strip().lower()
    if name in _NO_CODING:
        return ""
    if name not in ("gzip", "deflate"):
        raise RuntimeError(f"cannot apply the content coding {name!r} to a part; expected gzip or deflate")
    return name


def _transfer(payload: Payload) -> str:
    """The transfer encoding to apply, "" for none."""
    name = payload.headers.get(CONTENT_TRANSFER_ENCODING, "").strip().lower()
    if name in _NO_TRANSFER:
        return ""
    if name not in ("base64", "quoted-printable"):
        raise RuntimeError(
            f"cannot apply the transfer encoding {name!r} to a part; expected base64 or quoted-printable"
        )
    return name


async def _encoded(payload: Payload) -> AsyncGenerator[bytes, None]:
    """The payload's content with its content coding, then its transfer encoding, applied."""
    chunks = payload.chunks()
    if coding := _coding(payload):
        chunks = _compressed(chunks, coding)
    transfer = _transfer(payload)
    if transfer == "base64":
        chunks = _base64(chunks)
    elif transfer:
        chunks = _quoted_printable(chunks)
    async for chunk in chunks:
        if chunk:
            yield chunk


async def _compressed(chunks: AsyncGenerator[bytes, None], coding: str) -> AsyncGenerator[bytes, None]:
    compressor = encoder(coding)
    async for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.finish()


async def _base64(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    held = b""
    async for chunk in chunks:
        held += chunk
        whole = len(held) - len(held) % _BASE64_LINE
        if whole:
            yield _base64_lines(held[:whole])
            held = held[whole:]
    if held:
        yield base64.b64encode(held)


def _base64_lines(data: bytes) -> bytes:
    lines = (data[start : start + _BASE64_LINE] for start in range(0, len(data), _BASE64_LINE))
    return b"".join(base64.b64encode(line) + b"\r\n" for line in lines)


async def _quoted_printable(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async for chunk in chunks:
        yield binascii.b2a_qp(chunk, istext=False)  # or line ends of two kinds would become one
