"""What can be the body of a message: bytes, text and JSON here, files, streams and iterables from filepayloads,
and whatever is registered. `get_payload` is the one question that web and client ask: which payload sends this
value?"""

import io
import json
import warnings
from collections.abc import AsyncGenerator, Callable
from typing import IO, Any

from .filepayloads import (
    AsyncIterablePayload,
    BufferedReaderPayload,
    BytesIOPayload,
    IOBasePayload,
    StreamReaderPayload,
    TextIOPayload,
)
from .limits import LARGE_BYTES
from .payloadbase import (
    PAYLOAD_REGISTRY,
    LooseHeaders,
    Order,
    Payload,
    PayloadRegistry,
    PayloadWriter,
    payload_type,
    register_payload,
    settle_charset,
)

__all__ = [
    "PAYLOAD_REGISTRY",
    "AsyncIterablePayload",
    "BufferedReaderPayload",
    "BytesIOPayload",
    "BytesPayload",
    "IOBasePayload",
    "JsonBytesPayload",
    "JsonPayload",
    "Order",
    "Payload",
    "PayloadRegistry",
    "PayloadWriter",
    "StreamReaderPayload",
    "StringIOPayload",
    "StringPayload",
    "TextIOPayload",
    "get_payload",
    "payload_type",
    "register_payload",
]


def get_payload(value: Any, **options: Any) -> Payload:
    """The payload for a value: bytes, str, files, async iterables and every registered type.

    Options: headers, content_type, filename, encoding. Raises LookupError for a value of no registered type.
    """
    return PAYLOAD_REGISTRY.get(value, **options)


@payload_type((bytes, bytearray, memoryview))
class BytesPayload(Payload):
    """bytes, bytearray or memoryview, sent in one piece."""

    _autoclose = True

    def __init__(
        self, value: bytes | bytearray | memoryview, headers: LooseHeaders | None = None, **options: Any
    ) -> None:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError(f"expected bytes, bytearray or memoryview, got {type(value).__name__}")
        super().__init__(value, headers, **options)
        self._size = value.nbytes if isinstance(value, memoryview) else len(value)
        if self._size > LARGE_BYTES:
            warnings.warn(
                f"a body of {self._size} bytes is held in memory; send a file or an async iterator instead",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return self._size

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The bytes as text."""
        return bytes(self._value).decode(encoding, errors)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The value, in one piece."""
        if self._size:
            yield bytes(self._value)


@payload_type(str)
class StringPayload(BytesPayload):
    """str, in the charset of `encoding`, else of the content type, else UTF-8; the content type then names it."""

    _default_content_type = "text/plain; charset=utf-8"

    def __init__(
        self,
        value: str,
        headers: LooseHeaders | None = None,
        *,
        content_type: str | None = None,
        encoding: str | None = None,
        filename: str | None = None,
    ) -> None:
        encoding, content_type = settle_charset(encoding, content_type, headers)
        super().__init__(
            value.encode(encoding), headers, content_type=content_type, encoding=encoding, filename=filename
        )


@payload_type(io.StringIO, order=Order.TRY_FIRST)
class StringIOPayload(StringPayload):
    """io.StringIO: the text from where it stands."""

    def __init__(self, value: IO[str], headers: LooseHeaders | None = None, **options: Any) -> None:
        super().__init__(value.read(), headers, **options)


class JsonPayload(BytesPayload):
    """A value as JSON: `dumps` makes the text."""

    def __init__(
        self,
        value: Any,  # whatever dumps takes
        headers: LooseHeaders | None = None,
        *,
        encoding: str = "utf-8",
        content_type: str = "application/json",
        dumps: Callable[[Any], str] = json.dumps,
        filename: str | None = None,
    ) -> None:
        super().__init__(
            dumps(value).encode(encoding), headers, content_type=content_type, encoding=encoding, filename=filename
        )


class JsonBytesPayload(BytesPayload):
    """A value as JSON: `dumps` makes the bytes, as those of orjson and msgspec do."""

    def __init__(
        self,
        value: Any,  # whatever dumps takes
        dumps: Callable[[Any], bytes],
        *,
        headers: LooseHeaders | None = None,
        content_type: str = "application/json",
        filename: str | None = None,
    ) -> None:
        super().__init__(dumps(value), headers, content_type=content_type, encoding="utf-8", filename=filename)
