"""Multipart bodies read as they arrive: an async face on the sans-I/O decoder. `MultipartReader.next()` gives one
part after the other, each a BodyPartReader or, for a part that is multipart itself, another MultipartReader; what
was not read of a part is skipped when the next one is asked for. Nothing is read ahead beyond what the body's own
buffer gave."""

import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final, Protocol, Self

from .bodypart import BodyPartReader, PartContent
from .contentdisposition import parse_content_disposition
from .errors import MalformedContent
from .formdecoder import multipart_boundary
from .hdrs import CONTENT_DISPOSITION, CONTENT_TYPE
from .limits import MAX_MULTIPART_DEPTH, MultipartLimits
from .multipart import MultipartDecoder, MultipartEvent, PartHead
from .textcodecs import ascii_compatible

# Bytes of the value of a `_charset_` field: no charset in use has a longer name. aiohttp 31.
_MAX_CHARSET_NAME: Final = 31


class ByteSource(Protocol):
    """Where a reader takes its bytes from: a StreamReader, or a part of another multipart body."""

    async def readany(self) -> bytes:
        """Some bytes, waiting for them; b"" at the end."""


class MultipartReader:
    """The parts of a multipart body.

    `headers` are those of the message or of the part around it. `client_max_size` caps what read() of one part may
    hold, `max_field_size` and `max_headers` one header line of a part and their number, `max_parts` the parts, those
    of nested bodies apart. Beyond `client_max_size` an error of `max_size_error_cls(max_size, actual_size)` is raised,
    by default LimitExceeded. The constructor raises MalformedContent (a ValueError, 400) for a Content-Type that is
    not multipart or has no good boundary.
    """

    part_reader_cls: ClassVar[type[BodyPartReader]] = BodyPartReader
    multipart_reader_cls: ClassVar["type[MultipartReader] | None"] = None
    response_wrapper_cls: ClassVar["type[MultipartResponseWrapper]"]

    def __init__(
        self,
        headers: Mapping[str, str],
        content: ByteSource,
        *,
        client_max_size: int = sys.maxsize,
        max_field_size: int = 8190,
        max_headers: int = 128,
        max_parts: int = 1000,
        max_size_error_cls: Callable[[int, int], Exception] | None = None,
    ) -> None:
        content_type = headers.get(CONTENT_TYPE, "")
        self.headers = headers
        self._options: dict[str, Any] = {
            "client_max_size": client_max_size,
            "max_field_size": max_field_size,
            "max_headers": max_headers,
            "max_parts": max_parts,
            "max_size_error_cls": max_size_error_cls,
        }
        self.depth = 1  # of the body: 2 inside a part of another one, and so on
        self._is_form = content_type.lstrip().lower().startswith("multipart/form-data")
        self._content = content
        limits = MultipartLimits(max_parts=max_parts, max_headers=max_headers, max_header_size=max_field_size)
        self._decoder = MultipartDecoder(multipart_boundary(content_type), limits=limits)
        self._events: deque[MultipartEvent] = deque()
        self._part: PartContent | None = None
        self._default_charset: str | None = None
        self._at_eof = False

    @classmethod
    def from_response(
        cls, response: Any
    ) -> "MultipartResponseWrapper":  # a client response: headers, content, release()
        """The parts of a client response, which is released with the last one. There may be any number of them: the
        pictures of a camera (`multipart/x-mixed-replace`) have no end."""
        return cls.response_wrapper_cls(response, cls(response.headers, response.content, max_parts=sys.maxsize))

    def __aiter__(self) -> AsyncIterator["MultipartReader | BodyPartReader"]:
        return self

    async def __anext__(self) -> "MultipartReader | BodyPartReader":
        part = await self.next()
        if part is None:
            raise StopAsyncIteration
        return part

    def at_eof(self) -> bool:
        """Whether the last part has been passed."""
        return self._at_eof

    async def next(self) -> "MultipartReader | BodyPartReader | None":
        """The next part, or None after the last; the rest of the part before it is skipped.

        Raises MalformedContent or IncompleteMessage (400) for a malformed or unfinished body, LimitExceeded (413) for
        too many parts or headers.
        """
        if self._part is not None:
            await self._part.skip()
            self._part = None
        head = None if self._at_eof else await self._next_event()
        if not isinstance(head, PartHead):
            self._at_eof = True
            return None
        self._part = PartContent(self._next_event)
        if self._is_form and self._default_charset is None:
            name = _field_name(head.headers)
            if name == "_charset_":
                await self._read_charset(self._part)
                return await self.next()
        return self._reader_of(head.headers, self._part)

    async def release(self) -> None:
        """Skip all that is left."""
        while await self.next() is not None:
            pass

    def _reader_of(self, headers: Mapping[str, str], content: PartContent) -> "MultipartReader | BodyPartReader":
        if headers.get(CONTENT_TYPE, "").lstrip().lower().startswith("multipart/"):
            if self.depth == MAX_MULTIPART_DEPTH:
                raise MalformedContent(f"multipart bodies are nested more than {MAX_MULTIPART_DEPTH} deep")
            reader = (self.multipart_reader_cls or type(self))(headers, content, **self._options)
            reader.depth = self.depth + 1
            return reader
        return self.part_reader_cls(
            headers,
            content,
            is_form_data=self._is_form,
            default_charset=self._default_charset,
            client_max_size=self._options["client_max_size"],
            max_size_error_cls=self._options["max_size_error_cls"],
        )

    async def _next_event(self) -> MultipartEvent | None:
        """The next event of the decoder; None where the body is over, which the decoder has agreed to."""
        while not self._events:
            if self._decoder.failure is not None:  # not a byte more is awaited for it
                raise self._decoder.failure
            data = await self._content.readany()
            if not data:
                self._decoder.feed_eof()
                return None
            self._events.extend(self._decoder.feed(data))
        return self._events.popleft()

    async def _read_charset(self, content: PartContent) -> None:
        """The field `_charset_` names the charset of all that follow (RFC 7578 4.6); one in which ASCII is not
        ASCII is not believed."""
        value = b""
        while data := await content.readany():
            value += data
            if len(value) > _MAX_CHARSET_NAME:
                raise MalformedContent(
                    f"the value of the form field _charset_ is longer than {_MAX_CHARSET_NAME} bytes"
                )
        self._default_charset = ascii_compatible(value.decode("ascii", "replace").strip()) or "utf-8"


class MultipartResponseWrapper:
    """A client response and the reader of its parts; the response is released with the last part."""

    def __init__(
        self, response: Any, stream: MultipartReader
    ) -> None:  # a client response, whose package is above this one
        self.resp = response
        self.stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MultipartReader | BodyPartReader:
        part = await self.next()
        if part is None:
            raise StopAsyncIteration
        return part

    def at_eof(self) -> bool:
        """Whether the last part has been passed."""
        return self.stream.at_eof()

    async def next(self) -> MultipartReader | BodyPartReader | None:
        """The next part, or None after the last."""
        part = await self.stream.next()
        if part is None:
            await self.release()
        return part

    async def release(self) -> None:
        """Give the response's connection back."""
        released = self.resp.release()
        if isinstance(released, Awaitable):
            await released


MultipartReader.response_wrapper_cls = MultipartResponseWrapper


def _field_name(headers: Mapping[str, str]) -> str | None:
    try:
        return parse_content_disposition(headers.get(CONTENT_DISPOSITION, ""))[1].get("name")
    except ValueError:
        return None
