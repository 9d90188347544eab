"""Through a proxy to the origin: the dialogue with the proxy on a fresh connection, and then TLS with the origin on
top of whatever the connection is, TLS with the proxy included.

What a dialogue says is decided without I/O: CONNECT by the engine of `levante.http`, so its limits hold for the
proxy's answer too, SOCKS by socks.py. Nobody speaks in a fresh tunnel before we do: bytes behind the proxy's answer
(a body that a 2xx to CONNECT cannot have, RFC 9110 section 9.3.6, or somebody else's) end the connection.
"""

import asyncio
from typing import Any, Protocol, cast

from multidict import CIMultiDictProxy

from levante.http import Connection, HttpVersion11, Limits, RemoteProtocolError, ResponseHead, Role

from .proxies import Proxy
from .socks import socks_dialogue

# Seconds; the proxy connects to the origin meanwhile. A proxy that stalls must not hold a place of the pool for ever
# where sock_connect is None.
DIALOGUE_TIMEOUT = 60.0


class ConnectRefusal(Exception):
    """The proxy answers CONNECT with something other than 2xx."""

    def __init__(self, status: int, reason: str, headers: CIMultiDictProxy[str]) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.headers = headers


class Handshake(Protocol):
    """A dialogue with a proxy: `start()` says what to send first, `receive(data)` what to send next; then `done` says
    whether the tunnel stands. Both raise what is wrong with the answer."""

    done: bool

    def start(self) -> bytes: ...

    def receive(self, data: bytes) -> bytes: ...


class ConnectHandshake:
    """CONNECT (RFC 9110 section 9.3.6) to `authority` (host:port), with the proxy's fields."""

    def __init__(self, authority: str, fields: tuple[tuple[str, str], ...], *, limits: Limits | None = None) -> None:
        self.done = False
        self._authority = authority
        self._fields = fields
        self._h1 = Connection(Role.CLIENT, limits)

    def start(self) -> bytes:
        """The request."""
        fields = [("Host", self._authority), *self._fields]
        return self._h1.send_request("CONNECT", self._authority, fields, 0, HttpVersion11) + self._h1.end(None)

    def receive(self, data: bytes) -> bytes:
        """Nothing more to send. ConnectRefusal for any answer but 2xx, RemoteProtocolError for none that is HTTP."""
        self._h1.receive_data(data)
        head = self._h1.next_event()
        while isinstance(head, ResponseHead):
            if head.status >= 300:
                raise ConnectRefusal(head.status, head.reason, head.headers)
            if head.status >= 200:
                self.done = True
                _expect_silence(self._h1.trailing_data())
                break
            head = self._h1.next_event()  # an interim answer came first
        return b""


class SocksHandshake:
    """A SOCKS dialogue, fed piece by piece."""

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self.done = False
        self._dialogue = socks_dialogue(proxy.url.scheme, host, port, proxy.auth)
        self._buffer = b""
        self._need = 0

    def start(self) -> bytes:
        """The greeting."""
        step = next(self._dialogue)
        self._need = step.need
        return step.data

    def receive(self, data: bytes) -> bytes:
        """The next message to the proxy, if it is time for one. SocksRefusal, SocksError."""
        self._buffer += data
        answer = b""
        while not self.done and len(self._buffer) >= self._need:
            piece, self._buffer = self._buffer[: self._need], self._buffer[self._need :]
            try:
                step = self._dialogue.send(piece)
            except StopIteration:
                self.done = True
                _expect_silence(self._buffer)
            else:
                answer += step.data
                self._need = step.need
        return answer


def _expect_silence(rest: bytes) -> None:
    if rest:
        raise RemoteProtocolError(f"{len(rest)} bytes behind the proxy's answer, where the tunnel begins with us")


class Talk(asyncio.Protocol):
    """Carries out a handshake on a transport. Await `finish()`; its errors are those of the handshake, and OSError
    when the proxy hangs up."""

    def __init__(self, handshake: Handshake) -> None:
        self._handshake = handshake
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._advance(self._handshake.start)

    def data_received(self, data: bytes) -> None:
        if self._done.done():
            if self._transport is not None:
                self._transport.abort()  # it speaks before we do: nobody may take that for an answer
            return
        self._advance(lambda: self._handshake.receive(data))

    def connection_lost(self, exc: BaseException | None) -> None:
        if not self._done.done():
            error = ConnectionResetError(None, "the proxy hung up in the middle of the dialogue")
            error.__cause__ = exc
            self._fail(error)

    async def finish(self) -> asyncio.Transport:
        """The transport, once the tunnel stands. TimeoutError after DIALOGUE_TIMEOUT."""
        async with asyncio.timeout(DIALOGUE_TIMEOUT):
            await self._done
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError(None, "the proxy hung up as soon as the tunnel stood")
        return self._transport

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: Exception) -> None:
        self._done.set_exception(error)
        self._done.exception()  # it is no news where whoever would wait for it has gone

    def _advance(self, step: Any) -> None:  # Any: a callable without arguments that returns bytes
        transport = self._transport
        if transport is None:
            return
        try:
            answer = step()
        except Exception as exc:  # noqa: BLE001 - every one of them goes to whoever awaits finish()
            self._fail(exc)
            transport.abort()
            return
        if answer:
            transport.write(answer)
        if self._handshake.done:
            self._done.set_result(None)


def handshake_for(proxy: Proxy, host: str, port: int, *, limits: Limits | None = None) -> Handshake:
    """The dialogue with `proxy` about a tunnel to `host` (a name, or an address) and `port`."""
    if proxy.is_socks:
        return SocksHandshake(proxy, host, port)
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return ConnectHandshake(authority, proxy.headers(), limits=limits)
