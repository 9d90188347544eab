"""The foundations of payloads: what every body has in common, and the registry that finds the class for a value by
its type. A payload knows its type and, where it can, its size, and writes itself to anything with `async
write(bytes)`; headers are checked for control characters when it is made and again when they are sent, for they
can be changed in between."""

import asyncio
import enum
import mimetypes
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, ClassVar, Final, Protocol, TypeVar

from multidict import CIMultiDict

from .contentdisposition import format_content_disposition
from .hdrs import CONTENT_DISPOSITION, CONTENT_TYPE
from .mediatypes import parse_media_type
from .parameters import is_token, refuse_controls

LooseHeaders = Mapping[str, str] | Iterable[tuple[str, str]]

DEFAULT_TYPE: Final = "application/octet-stream"


class PayloadWriter(Protocol):
    """Where a payload writes itself to: a request or response under way, or a buffer."""

    async def write(self, data: bytes, /) -> None:
        """Take some bytes (never none), waiting while the peer is slow."""


class Order(enum.Enum):
    """When a registered class is tried: before all others, in the order of registering, or when nothing else fits."""

    NORMAL = "normal"
    TRY_FIRST = "try_first"
    TRY_LAST = "try_last"

    # aiohttp's spelling
    normal = NORMAL
    try_first = TRY_FIRST
    try_last = TRY_LAST


class Payload(ABC):
    """A body. `value` is what it is made of; `headers` are its own (Content-Type always among them), which a part of
    a multipart body sends.

    `content_type` wins over one among `headers`; without either, the type is guessed from `filename`, or is the
    class's default. Raises ValueError for control characters in a header.
    """

    _default_content_type: ClassVar[str] = DEFAULT_TYPE
    _autoclose = False

    def __init__(
        self,
        value: Any,  # whatever the subclass knows how to send
        headers: LooseHeaders | None = None,
        *,
        content_type: str | None = None,
        filename: str | None = None,
        encoding: str | None = None,
    ) -> None:
        self._value = value
        self._encoding = encoding
        self._filename = filename
        self._consumed = False
        self.headers: CIMultiDict[str] = CIMultiDict(headers if headers is not None else ())
        if content_type is None and CONTENT_TYPE not in self.headers:
            guessed = mimetypes.guess_type(filename)[0] if filename is not None else None
            content_type = guessed or self._default_content_type
        if content_type is not None:
            self.headers[CONTENT_TYPE] = content_type
        self._check_headers()

    @property
    def value(self) -> Any:
        """What the payload was made of."""
        return self._value

    @property
    def size(self) -> int | None:
        """Bytes that write() will give, or None where that is not known before."""
        return None

    @property
    def filename(self) -> str | None:
        """The name to send along, if any."""
        return self._filename

    @property
    def encoding(self) -> str | None:
        """The charset of a text payload."""
        return self._encoding

    @property
    def content_type(self) -> str:
        """The Content-Type."""
        return self.headers[CONTENT_TYPE]

    @property
    def consumed(self) -> bool:
        """Whether the payload was sent and cannot be sent again."""
        return self._consumed

    @property
    def autoclose(self) -> bool:
        """Whether there is nothing that close() has to give back."""
        return self._autoclose

    def set_content_disposition(
        self, disptype: str, *, quote_fields: bool = True, _charset: str = "utf-8", **params: str
    ) -> None:
        """Set Content-Disposition, for example `set_content_disposition("form-data", name="file", filename="a.txt")`.

        Raises ValueError for control characters; see format_content_disposition().
        """
        self.headers[CONTENT_DISPOSITION] = format_content_disposition(
            disptype, params, quote_fields=quote_fields, charset=_charset
        )

    def header_items(self) -> list[tuple[str, str]]:
        """The headers, checked again, for they can be changed until they are sent. Raises ValueError as the
        constructor does."""
        self._check_headers()
        return list(self.headers.items())

    @abstractmethod
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The content as text, where it can be had without waiting; TypeError where not."""

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The content from its beginning, piece by piece. RuntimeError where it was sent already and cannot be
        again.

        Subclasses say how, or have a `write` of their own, as those of aiohttp do: what that writes are the pieces.
        """
        if type(self).write is Payload.write:
            raise TypeError(f"{type(self).__name__} has neither chunks() nor write(); one of them must be defined")
        handed = _Handed()
        writing = asyncio.ensure_future(self.write(handed))
        writing.add_done_callback(handed.end)
        try:
            while (piece := await handed.pieces.get()) is not None:
                yield piece
                handed.pieces.task_done()
            await writing
        finally:
            writing.cancel()
            await asyncio.wait({writing})

    async def write(self, writer: PayloadWriter) -> None:
        """Write the whole content."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: PayloadWriter, content_length: int | None) -> None:
        """Write at most `content_length` bytes of the content; None is all of it."""
        left = content_length
        if left == 0:
            return
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                if left is not None:
                    chunk = chunk[:left]
                    left -= len(chunk)
                if chunk:
                    await writer.write(chunk)
                if left == 0:
                    return

    async def as_bytes(self) -> bytes:
        """The whole content in memory."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def close(self) -> None:  # noqa: B027 - most payloads hold nothing, and need no close of their own
        """Give back what the payload holds, a file above all. May be called more than once."""

    def _check_headers(self) -> None:
        for name, value in self.headers.items():
            if not is_token(name):
                raise ValueError(f"payload header name {name!r} is not a token")
            refuse_controls(value, what=f"payload header {name!r} with value")


class _Handed:
    """A writer whose pieces another task takes, one at a time: `write` returns when it has come back for the next."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def write(self, data: bytes, /) -> None:
        if data:
            self.pieces.put_nowait(bytes(data))
            await self.pieces.join()

    def end(self, _: "asyncio.Future[None]") -> None:
        self.pieces.put_nowait(None)


PayloadFactory = Callable[..., Payload]
PayloadClass = TypeVar("PayloadClass", bound=PayloadFactory)


class PayloadRegistry:
    """Which payload class sends which type. The first class whose type the value is an instance of is used."""

    def __init__(self) -> None:
        self._factories: dict[Order, list[tuple[PayloadFactory, Any]]] = {order: [] for order in Order}

    def register(self, factory: PayloadFactory, kind: Any, /, *, order: Order = Order.NORMAL) -> None:
        """Use `factory` (a Payload class) for values of a type, or of one of a tuple of types."""
        self._factories[order].append((factory, kind))

    def get(self, value: Any, **options: Any) -> Payload:
        """The payload for a value; options go to its constructor. A payload is returned as it is.

        Raises LookupError for a value of no registered type.
        """
        if isinstance(value, Payload):
            return value
        for order in (Order.TRY_FIRST, Order.NORMAL, Order.TRY_LAST):
            for factory, kind in self._factories[order]:
                if isinstance(value, kind):
                    return factory(value, **options)
        raise LookupError(
            f"cannot send a {value.__class__.__name__}; register a Payload class for it with payload_type()"
        )


PAYLOAD_REGISTRY: Final = PayloadRegistry()


def register_payload(factory: PayloadFactory, kind: Any, /, *, order: Order = Order.NORMAL) -> None:
    """Make get_payload() use a Payload class for values of a type."""
    PAYLOAD_REGISTRY.register(factory, kind, order=order)


def payload_type(kind: Any, /, *, order: Order = Order.NORMAL) -> Callable[[PayloadClass], PayloadClass]:
    """register_payload() as a decorator of the class."""

    def register(factory: PayloadClass) -> PayloadClass:
        PAYLOAD_REGISTRY.register(factory, kind, order=order)
        return factory

    return register


def settle_charset(
    encoding: str | None, content_type: str | None, headers: LooseHeaders | None
) -> tuple[str, str | None]:
    """The charset of a text payload and its content type with that charset, None where its headers already say it."""
    stated = content_type if content_type is not None else CIMultiDict(headers or ()).get(CONTENT_TYPE)
    if stated is None:
        encoding = encoding or "utf-8"
        return encoding, f"text/plain; charset={encoding}"
    charset = parse_media_type(stated).charset
    return encoding or charset or "utf-8", content_type
