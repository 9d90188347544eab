"""The client's WebSocket: the opening handshake over an ordinary request, then the connection handed to
`levante.ws`. What a client wants to know besides (the response of the opening, what was agreed on) is added here;
the protocol itself is all there."""

import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from multidict import CIMultiDict
from yarl import URL

from levante.ws import DeflateParams, DialHandshake, Role, WebSocketConnection, WebSocketListener, WSHandshakeError

from .errors import ClientConnectionResetError, WSServerHandshakeError
from .request import LooseHeaders
from .response import ClientResponse
from .timeouts import ClientWSTimeout

# Precedent: aiohttp. Larger messages should be streams.
MAX_MSG_SIZE = 4 * 1024 * 1024
# `ws_close=None` means no limit, and loops want a number: a year of seconds.
UNLIMITED = 365 * 24 * 3600.0


class ClientWebSocketResponse(WebSocketConnection):
    """An open WebSocket, as `ClientSession.ws_connect` returns it: `receive`, `async for`, `send_str`, `send_bytes`,
    `send_json`, `ping`, `pong`, `close`, and `async with`, which closes. A receive that times out or is cancelled
    marks the connection with 1006, a lost connection is a CLOSED message with that code, not an exception.
    `response` is the answer to the opening."""

    response: ClientResponse
    gone_error = ClientConnectionResetError

    @property
    def compress(self) -> int:
        """The window bits that compress what is sent, 0 without compression."""
        return 0 if self.deflate is None else self.deflate.client_max_window_bits

    @property
    def client_notakeover(self) -> bool:
        """Whether each message is compressed by itself."""
        return self.deflate is not None and self.deflate.client_no_context_takeover

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def as_timeout(timeout: ClientWSTimeout | float, receive_timeout: float | None) -> ClientWSTimeout:
    """What users of aiohttp may still write, with a warning: a number for `ws_close`, `receive_timeout` for
    `ws_receive`."""
    if not isinstance(timeout, ClientWSTimeout):
        _warn(f"timeout={timeout!r}", f"ClientWSTimeout(ws_close={timeout!r})")
        timeout = ClientWSTimeout(ws_close=timeout)
    if receive_timeout is not None:
        _warn(f"receive_timeout={receive_timeout!r}", f"timeout=ClientWSTimeout(ws_receive={receive_timeout!r})")
        timeout = replace(timeout, ws_receive=receive_timeout)
    return timeout


def _warn(got: str, better: str) -> None:
    warnings.warn(f"got {got} for a WebSocket, which is deprecated; use {better}", DeprecationWarning, stacklevel=4)


class Opening:
    """One opening handshake: `headers` for the request, then `accept(response)`."""

    def __init__(self, protocols: Sequence[str], *, compress: int | DeflateParams, origin: str | None) -> None:
        self._handshake = DialHandshake(protocols, compress=compress, origin=origin)
        self.headers = self._handshake.headers()

    def verify(self, response: ClientResponse) -> tuple[str | None, DeflateParams | None]:
        """What the server agreed to. WSServerHandshakeError, the response then closed, when it is no valid 101."""
        try:
            return self._handshake.verify(response)
        except WSHandshakeError as exc:
            response.close()
            raise WSServerHandshakeError(
                response.request_info,
                response.history,
                status=response.status,
                message=exc.message,
                headers=response.headers,
            ) from exc


def take_over(websocket: ClientWebSocketResponse, response: ClientResponse) -> None:
    """Let `websocket` speak on the connection of `response` from now on; its place in the pool is free when it is
    closed."""
    websocket.response = response
    lease = response.upgrade(websocket)
    websocket.add_closed_callback(lambda _: lease.end())


async def open_websocket(
    request: Callable[..., Awaitable[ClientResponse]],  # ClientSession.request; its keywords pass through
    url: str | URL,
    *,
    method: str,
    protocols: Sequence[str],
    timeout: ClientWSTimeout,
    autoclose: bool,
    autoping: bool,
    heartbeat: float | None,
    origin: str | None,
    headers: LooseHeaders | None,
    compress: int | DeflateParams,
    max_msg_size: int,
    decode_text: bool,
    listener: WebSocketListener | None = None,
    websocket_class: type[ClientWebSocketResponse] = ClientWebSocketResponse,
    **options: object,
) -> ClientWebSocketResponse:
    """Open a WebSocket; see `ClientSession.ws_connect`."""
    opening = Opening(protocols, compress=compress, origin=origin)
    fields: CIMultiDict[str] = CIMultiDict(headers or ())
    for name, value in opening.headers:
        fields[name] = value
    response = await request(method, url, headers=fields, **options)
    protocol, deflate = opening.verify(response)
    websocket = websocket_class(
        Role.CLIENT,
        protocol=protocol,
        deflate=deflate,
        max_msg_size=max_msg_size,
        heartbeat=heartbeat,
        receive_timeout=timeout.ws_receive,
        close_timeout=UNLIMITED if timeout.ws_close is None else timeout.ws_close,
        autoping=autoping,
        autoclose=autoclose,
        decode_text=decode_text,
        listener=listener,
    )
    take_over(websocket, response)
    return websocket
