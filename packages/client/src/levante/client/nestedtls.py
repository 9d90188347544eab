"""TLS on top of any transport, which may be TLS itself: what an https:// proxy needs, for the tunnel to a TLS origin
runs inside of the TLS with the proxy. `loop.start_tls` cannot be had for this: asyncio's breaks on a failing
handshake before CPython 3.12.2, and other loops take no transport but their own.

`TLSTransport` is the transport for whoever speaks inside, and the protocol of the transport beneath. Bytes pass
through two memory buffers of OpenSSL and are never kept here: what is written goes down at once, and what comes up
is read while the reader wants it, the transport beneath being paused with it.
"""

import asyncio
import ssl
from typing import Any

# Bytes that are decrypted, or encrypted, in one go.
PIECE = 256 * 1024


class TLSTransport(asyncio.Transport):
    """TLS, as the client, over `beneath`; `protocol` is told when the handshake is done. `context` and
    `server_hostname` are as for `loop.create_connection`. Await `handshake()` once."""

    def __init__(
        self,
        beneath: asyncio.Transport,
        protocol: Any,  # known by its methods, for it may be compiled
        context: ssl.SSLContext,
        *,
        server_hostname: str,
    ) -> None:
        super().__init__()
        self._beneath = beneath
        self._protocol = protocol
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._paused = False
        self._closing = False
        self._ended = False

    async def handshake(self) -> None:
        """Shake hands, then tell the protocol. ssl.SSLError and its kind, OSError when the connection ends before."""
        carrier: Any = _Carrier(self)
        self._beneath.set_protocol(carrier)
        self._step()
        await self._opened

    # For whoever speaks inside.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; nothing is sent once the transport is closing."""
        if self._closing or not data:
            return
        view = memoryview(data)
        try:
            while view:
                view = view[self._tls.write(view[:PIECE]) :]
        except ssl.SSLError as exc:
            self._fail(exc)
            return
        self._flush()

    def close(self) -> None:
        """Say goodbye, send what is unsent, and close; the peer's goodbye is not waited for."""
        if not self._closing:
            self._closing = True
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # it wants the peer's goodbye
            self._flush()
            self._beneath.close()

    def abort(self) -> None:
        """Drop the connection."""
        self._closing = True
        self._beneath.abort()

    def is_closing(self) -> bool:
        """Whether the connection is gone, or going."""
        return self._closing or self._beneath.is_closing()

    def pause_reading(self) -> None:
        """Stop receiving."""
        self._paused = True
        self._beneath.pause_reading()

    def resume_reading(self) -> None:
        """Go on receiving, what was decrypted already first."""
        if self._paused:
            self._paused = False
            self._beneath.resume_reading()
            self._loop.call_soon(self._read)

    def is_reading(self) -> bool:
        """Whether bytes are received."""
        return not self._paused and not self.is_closing()

    def set_protocol(self, protocol: Any) -> None:
        """Tell `protocol` from now on."""
        self._protocol = protocol

    def get_protocol(self) -> Any:
        """Who is told."""
        return self._protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As of the transport beneath, in encrypted bytes."""
        self._beneath.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """As of the transport beneath, in encrypted bytes."""
        return self._beneath.get_write_buffer_size()

    def can_write_eof(self) -> bool:
        """TLS cannot close one side."""
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What TLS knows of the peer inside, the rest from beneath."""
        if name == "ssl_object":
            return self._tls
        if name == "sslcontext":
            return self._context
        if name in ("peercert", "cipher", "compression"):
            return self._tls.getpeercert() if name == "peercert" else getattr(self._tls, name)()
        return self._beneath.get_extra_info(name, default)

    # For the carrier, which the transport beneath tells.

    def receive(self, data: bytes) -> None:
        """Take encrypted bytes."""
        self._incoming.write(data)
        self._step()

    def beneath_is_writable(self, *, writable: bool) -> None:
        """Pass the pressure on."""
        if self._opened.done() and not self._ended:
            if writable:
                self._protocol.resume_writing()
            else:
                self._protocol.pause_writing()

    def end(self, exc: BaseException | None) -> None:
        """The transport beneath is gone."""
        self._closing = True
        if self._ended:
            return
        self._ended = True
        if not self._opened.done():
            self._opened.set_exception(exc or ConnectionResetError(None, "the connection ended in the TLS handshake"))
        elif not self._opened.cancelled() and self._opened.exception() is None:
            self._protocol.connection_lost(exc)

    # Beneath.

    def _step(self) -> None:
        if self._opened.done():
            self._read()
            return
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except (ssl.SSLError, ssl.CertificateError) as exc:
            self._flush()
            self._opened.set_exception(exc)
            self.abort()
        else:
            self._flush()
            self._opened.set_result(None)
            self._protocol.connection_made(self)
            self._read()

    def _read(self) -> None:
        if self._ended or not self._opened.done():
            return
        try:
            while not self._paused and not self._closing:
                data = self._tls.read(PIECE)
                if not data:
                    self._said_goodbye()
                    break
                self._protocol.data_received(data)
        except ssl.SSLWantReadError:
            self._flush()  # an answer to a new key, if there was one
        except ssl.SSLError as exc:
            self._fail(exc)

    def _said_goodbye(self) -> None:
        self._protocol.eof_received()
        self.close()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data and not self._beneath.is_closing():
            self._beneath.write(data)

    def _fail(self, exc: BaseException) -> None:
        self.abort()
        self.end(exc)


class _Carrier(asyncio.Protocol):
    """What the transport beneath tells."""

    def __init__(self, inside: TLSTransport) -> None:
        self._inside = inside

    def data_received(self, data: bytes) -> None:
        self._inside.receive(data)

    def pause_writing(self) -> None:
        self._inside.beneath_is_writable(writable=False)

    def resume_writing(self) -> None:
        self._inside.beneath_is_writable(writable=True)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._inside.end(exc)
