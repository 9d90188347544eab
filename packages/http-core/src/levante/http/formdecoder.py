"""multipart/form-data without I/O (RFC 7578): the decoder of multipart bodies with the rules of forms on top.
Every part has a name, nothing is nested, nothing is transfer-coded, text is UTF-8, and what is text, and so kept
in memory, has a limit per field and one for all."""

from dataclasses import dataclass

from multidict import CIMultiDictProxy

from .contentdisposition import disposition_filename, parse_content_disposition
from .errors import LimitExceeded, MalformedContent
from .hdrs import CONTENT_DISPOSITION, CONTENT_TYPE
from .limits import MultipartLimits
from .mediatypes import MediaType, parse_media_type
from .multipart import MultipartDecoder, PartData, PartEnd, PartHead


@dataclass(frozen=True, slots=True)
class FieldStart:
    """A field begins. `filename` is None for text; else it is what the sender wrote, never to be used as a path
    (see safe_name)."""

    name: str
    filename: str | None
    content_type: MediaType | None
    headers: CIMultiDictProxy[str]

    def is_text(self) -> bool:
        """Whether the field is text: it has no file name, and its type is missing or `text/...`."""
        return self.filename is None and (self.content_type is None or self.content_type.type == "text")


@dataclass(frozen=True, slots=True)
class FieldData:
    """Some bytes of the field that was begun last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class FieldEnd:
    """The field that was begun last is over."""


FormEvent = FieldStart | FieldData | FieldEnd


class FormDecoder:
    """One multipart/form-data body being taken apart; feed() gives the events of each piece of input.

    Raises MalformedContent (400) for what is malformed (parts without form-data disposition or name, nested
    multipart) and LimitExceeded (413) for what is too much: parts, headers, a field without a file name, all such
    fields and names together.
    """

    def __init__(self, content_type: str, *, limits: MultipartLimits | None = None) -> None:
        self._limits = limits if limits is not None else MultipartLimits()
        self._decoder = MultipartDecoder(multipart_boundary(content_type), limits=self._limits)
        self._in_memory = False
        self._field_size = 0
        self._text_size = 0

    def feed(self, data: bytes) -> list[FormEvent]:
        """The events that the data completes, in order."""
        events: list[FormEvent] = []
        for event in self._decoder.feed(data):
            if isinstance(event, PartData):
                if self._in_memory:
                    self._count(len(event.data))
                events.append(FieldData(event.data))
            elif isinstance(event, PartHead):
                events.append(self._start(event.headers))
            elif isinstance(event, PartEnd):
                events.append(FieldEnd())
        if self._decoder.failure is not None:  # what came before it is of no use without the rest
            raise self._decoder.failure
        return events

    def feed_eof(self) -> None:
        """Raises IncompleteMessage (400) unless the last boundary has come."""
        self._decoder.feed_eof()

    def _start(self, headers: CIMultiDictProxy[str]) -> FieldStart:
        for single in (CONTENT_DISPOSITION, CONTENT_TYPE):
            if len(headers.getall(single, ())) > 1:  # every recipient would pick another one
                raise MalformedContent(f"a form part has more than one {single}")
        disposition = headers.get(CONTENT_DISPOSITION, "")
        try:
            disposition.encode("utf-8")  # bytes that are no UTF-8 arrive as surrogates, which no text may have
            kind, parameters = parse_content_disposition(disposition)
            media_type = parse_media_type(headers[CONTENT_TYPE]) if CONTENT_TYPE in headers else None
        except ValueError as error:
            raise MalformedContent(str(error)) from error
        name = parameters.get("name")
        if kind != "form-data" or name is None:
            raise MalformedContent("a form part has no 'Content-Disposition: form-data' with a name")
        if media_type is not None and media_type.type == "multipart":
            raise MalformedContent("a form part is multipart itself, which RFC 7578 4.3 has dropped")
        filename = disposition_filename(parameters, prefer_plain=True)
        self._in_memory = filename is None
        self._field_size = 0
        self._text_size += len(name)
        if self._in_memory:
            self._count(0)
        return FieldStart(name, filename, media_type, headers)

    def _count(self, size: int) -> None:
        self._field_size += size
        self._text_size += size
        limits = self._limits
        if self._field_size > limits.max_field_size:
            raise LimitExceeded("max_field_size", maximum=limits.max_field_size, status=413)
        if self._text_size > limits.max_text_size:
            raise LimitExceeded("max_text_size", maximum=limits.max_text_size, status=413)


def multipart_boundary(content_type: str, *, subtype: str | None = None) -> str:
    """The boundary that a multipart Content-Type names.

    Raises MalformedContent (400) where the type is not multipart (or not the subtype asked for), or names no
    boundary.
    """
    try:
        media_type = parse_media_type(content_type)
    except ValueError as error:
        raise MalformedContent(str(error)) from error
    if media_type.type != "multipart" or subtype not in (None, media_type.subtype):
        raise MalformedContent(f"expected a Content-Type of multipart/{subtype or '*'}, got {content_type[:100]!r}")
    boundary = media_type.parameters.get("boundary")
    if boundary is None:
        raise MalformedContent(f"the Content-Type {content_type[:100]!r} names no boundary")
    return boundary


def decode_text(data: bytes) -> str:
    """The text of a field: UTF-8, strictly. Raises MalformedContent (400) for anything else."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedContent(f"a form field is not UTF-8 at byte {error.start}") from error
