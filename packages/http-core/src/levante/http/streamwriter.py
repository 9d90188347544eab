"""The writing end of a response under the names that aiohttp's `AbstractStreamWriter` has, on top of an Exchange: for
code that writes below `StreamResponse`, and for what `prepare` returns. The head waits in memory until the first byte
of the body, so both leave in one write.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .errors import LocalProtocolError
from .exchange import Exchange

if TYPE_CHECKING:
    from .encodedwriter import EncodedWriter

Buffer = bytes | bytearray | memoryview


class AbstractStreamWriter(ABC):
    """What a body is written to."""

    __slots__ = ()

    length: int | None = None
    """Bytes that the body will have; None where that is not known before."""

    buffer_size: int = 0
    """Bytes that wait for the peer."""
    output_size: int = 0
    """Bytes written so far, head included."""

    @abstractmethod
    async def write(self, chunk: Buffer) -> None:
        """Write a piece of the body, waiting while the peer is slow."""

    @abstractmethod
    async def write_eof(self, chunk: bytes = b"") -> None:
        """Write the last piece and finish."""

    @abstractmethod
    async def drain(self) -> None:
        """Send what is held back, and wait until the peer has taken enough of it."""

    @abstractmethod
    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        """Put the body into a content coding; the header that says so is the caller's."""

    @abstractmethod
    def enable_chunking(self) -> None:
        """Send the body in chunks (RFC 9112 7.1)."""

    @abstractmethod
    async def write_headers(self, status_line: str, headers: Mapping[str, str]) -> None:
        """Send the head, together with the first piece of the body."""

    def send_headers(self) -> None:  # noqa: B027  # most writers have nothing that waits
        """Send the head now, if it still waits for the body."""


class ExchangeWriter(AbstractStreamWriter):
    """Writes the response of an exchange. Errors are those of Exchange: PeerDisconnected when the connection is gone,
    LocalProtocolError beyond the Content-Length (where aiohttp cuts the body silently) and before the head.
    """

    __slots__ = ("_chunked", "_coded", "_exchange", "length")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._chunked = False
        self._coded: EncodedWriter | None = None
        self.length: int | None = None

    @property
    def buffer_size(self) -> int:  # type: ignore[override]  # nobody writes what is told here
        transport = self._exchange.transport
        return 0 if transport is None else transport.get_write_buffer_size()

    @property
    def output_size(self) -> int:  # type: ignore[override]  # as above
        return self._exchange.bytes_sent

    async def write(self, chunk: Buffer) -> None:
        if self._coded is not None:
            await self._coded.write(chunk)
        elif len(chunk):
            await self._exchange.write(chunk)

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Write the last piece and finish; nothing happens the second time."""
        if self._exchange.finished:
            return
        if chunk:
            await self.write(chunk)
        if self._coded is not None:
            coded, self._coded = self._coded, None
            await coded.finish()
        await self._exchange.finish()

    async def drain(self) -> None:
        if self._coded is not None:
            await self._coded.flush()
        await self._exchange.drain()

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        """Put the body into a coding that `levante.http.encoder` knows; ValueError for another one. The header that
        says so is the caller's.
        """
        # Imported here: only responses that are compressed need a coder.
        from .codings import encoder
        from .encodedwriter import EncodedWriter

        self.encode_with(EncodedWriter(self._exchange.write, encoder(encoding, strategy=strategy)))

    def encode_with(self, coded: "EncodedWriter") -> None:
        """Write through `coded` from now on, which writes to this exchange."""
        self._coded = coded

    def enable_chunking(self) -> None:
        """Send the body in chunks, whatever its length. LocalProtocolError once the head is made."""
        if self._exchange.head_sent:
            raise LocalProtocolError("chunks cannot be enabled: the head of the response is already on its way")
        self._chunked = True

    async def write_headers(self, status_line: str, headers: Mapping[str, str]) -> None:
        """Make the head of `status_line` ("HTTP/1.1 200 OK", whose version is ours to say) and `headers`.

        Raises ValueError for a malformed status line, LocalProtocolError for headers that cannot be sent.
        """
        _, _, rest = status_line.partition(" ")
        status, _, reason = rest.partition(" ")
        if not status.isdecimal():
            raise ValueError(f"expected a status line such as 'HTTP/1.1 200 OK', got {status_line[:100]!r}")
        declared = headers.get("Content-Length")
        length = self.length if declared is None else int(declared)
        self._exchange.send_head(
            int(status), reason or None, list(headers.items()), length=None if self._chunked else length
        )

    def send_headers(self) -> None:
        self._exchange.flush_head()
