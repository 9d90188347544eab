"""HTML form data for a request: urlencoded while it is only text, multipart/form-data (RFC 7578) as soon as a file,
bytes, a file name or a content type appears. Names, file names and content types with control characters are
refused, for they would become header fields of the part (CVE-2026-34514, CVE-2026-50269)."""

import io
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from multidict import MultiDict, MultiDictProxy

from levante.http import MultipartWriter, Payload, encode_urlencoded, get_payload, hdrs

DEFAULT_CHARSET = "utf-8"


class FormField(NamedTuple):
    """One field: `content_type` and `filename` are None for plain text."""

    name: str
    value: Any  # whatever a payload can be made of
    content_type: str | None
    filename: str | None


class FormData:
    """Fields of a form, in order. `fields` is a mapping, or an iterable of (name, value) pairs and of open files.

    `quote_fields`: percent-quote names and file names in a multipart body; `charset`: of text, default UTF-8;
    `boundary`: of a multipart body, random by default; `default_to_multipart`: multipart even for plain text.
    """

    def __init__(
        self,
        fields: Iterable[Any] | Mapping[str, Any] = (),  # Any: text, bytes, open files, payloads
        quote_fields: bool = True,
        charset: str | None = None,
        boundary: str | None = None,
        *,
        default_to_multipart: bool = False,
    ) -> None:
        self._fields: list[FormField] = []
        self._quote_fields = quote_fields
        self._charset = charset
        self._boundary = boundary
        self._multipart = default_to_multipart
        self._parts: list[Payload] = []  # made so far, so that files know where they began
        if isinstance(fields, Mapping):
            fields = list(fields.items())
        elif not isinstance(fields, (list, tuple)):
            fields = (fields,) if isinstance(fields, io.IOBase) else list(fields)
        self.add_fields(*fields)

    @property
    def is_multipart(self) -> bool:
        """Whether it will be sent as multipart/form-data."""
        return self._multipart

    def add_field(self, name: str, value: Any, *, content_type: str | None = None, filename: str | None = None) -> None:
        """Add one field. `value`: str, bytes, an open file, an async iterable or a payload. ValueError for control
        characters."""
        if not isinstance(name, str):
            raise TypeError(f"the name of a field must be str, got {type(name).__name__}")
        for what, text in (("name", name), ("file name", filename), ("content type", content_type)):
            if text is not None and not isinstance(text, str):
                raise TypeError(f"the {what} of a field must be str, got {type(text).__name__}")
            if text is not None and any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
                raise ValueError(f"the {what} of a field cannot contain control characters, got {text!r}")
        if isinstance(value, io.IOBase):
            self._multipart = True
            filename = filename or _file_name(value) or name
        elif isinstance(value, (bytes, bytearray, memoryview)) or filename is not None or content_type is not None:
            self._multipart = True
        self._fields.append(FormField(name, value, content_type, filename))

    def add_fields(self, *fields: Any) -> None:  # Any: see the constructor
        """Add fields: open files, mappings, and (name, value) pairs."""
        for field in fields:
            if isinstance(field, io.IOBase):
                self.add_field(_file_name(field) or "unknown", field)
            elif isinstance(field, (MultiDict, MultiDictProxy, Mapping)):
                self.add_fields(*field.items())
            elif isinstance(field, (list, tuple)) and len(field) == 2:
                self.add_field(field[0], field[1])
            else:
                raise TypeError(f"expected an open file, a mapping or a (name, value) pair, got {field!r}")

    def __call__(self) -> Payload:
        """The form as a payload, a new one each time: a form can be sent again, and have fields added meanwhile. Open
        files among its fields begin where they stood when they were first sent; what can be read once only is an error
        the second time, RuntimeError. TypeError for a value that nothing can be made of."""
        return self._as_multipart() if self._multipart else self._as_urlencoded()

    def _as_urlencoded(self) -> Payload:
        charset = self._charset or DEFAULT_CHARSET
        pairs: list[tuple[str, str]] = []
        for field in self._fields:
            if isinstance(field.value, int) and not isinstance(field.value, bool):
                pairs.append((field.name, str(field.value)))
            elif isinstance(field.value, str):
                pairs.append((field.name, field.value))
            else:
                kind = type(field.value).__name__
                raise TypeError(f"a urlencoded field takes str, got {kind} for {field.name!r}: convert it")
        content_type = "application/x-www-form-urlencoded"
        if charset.lower() != DEFAULT_CHARSET:
            content_type += f"; charset={charset}"
        return get_payload(encode_urlencoded(pairs, charset=charset).encode("ascii"), content_type=content_type)

    def _as_multipart(self) -> Payload:
        writer = MultipartWriter("form-data", boundary=self._boundary)
        self._parts += [self._part(field) for field in self._fields[len(self._parts) :]]
        for field, part in zip(self._fields, self._parts, strict=True):
            names = {"name": field.name}
            if field.filename is not None:
                names["filename"] = field.filename
            part.set_content_disposition("form-data", quote_fields=self._quote_fields, **names)
            # RFC 7578 section 4.8: parts have no length, and some servers refuse one.
            part.headers.popall(hdrs.CONTENT_LENGTH, None)
            writer.append_payload(part)
        return writer

    def _part(self, field: FormField) -> Payload:
        value = str(field.value) if isinstance(field.value, int) and not isinstance(field.value, bool) else field.value
        content_type = field.content_type
        if content_type is None and isinstance(value, str) and field.filename is None:
            content_type = f"text/plain; charset={self._charset or DEFAULT_CHARSET}"
        options: dict[str, Any] = {} if content_type is None else {"content_type": content_type}
        if self._charset is not None and isinstance(value, str):
            options["encoding"] = self._charset
        try:
            return get_payload(value, filename=field.filename, **options)
        except LookupError as exc:
            raise TypeError(f"nothing can be made of the {type(value).__name__} in field {field.name!r}") from exc


def _file_name(file: io.IOBase) -> str | None:
    name = getattr(file, "name", None)
    return PurePath(name).name if isinstance(name, str) and name and not name.startswith("<") else None
