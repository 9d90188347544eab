"""The WebSocket as a response: a thin adapter that answers the opening handshake and hands the connection to
`levante.ws`, which does everything else. The server knows the open ones and closes them with 1001 when it shuts down,
and when the handler returns or raises.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from levante.ws import (
    AcceptedHandshake,
    Conversation,
    DeflateParams,
    Role,
    WebSocketConnection,
    WebSocketListener,
    WSCloseCode,
    WSHandshakeError,
    WSMessage,
    WSMsgType,
    accept_handshake,
)

from .exceptions import HTTPMethodNotAllowed, HTTPServiceUnavailable, exception_for_status
from .http_exception import HTTPException
from .jsoncodec import CODEC
from .stream_response import StreamResponse

if TYPE_CHECKING:
    from levante.http.streamwriter import AbstractStreamWriter

    from .types import BaseRequest, JSONBytesEncoder, JSONDecoder, JSONEncoder

CLOSE_TIMEOUT = 10.0
"""Seconds that the close handshake may take."""

MAX_MSG_SIZE = 4 * 1024 * 1024
"""Bytes of a message that is received; a larger one closes the connection with 1009."""

WRITER_LIMIT = 256 * 1024
"""Unsent bytes above which sending waits."""


class WebSocketReady(NamedTuple):
    """Whether a request is a WebSocket opening that would be accepted (it is true then), and the subprotocol that
    would be chosen.
    """

    ok: bool
    protocol: str | None

    def __bool__(self) -> bool:
        return self.ok


class WebSocketResponse(StreamResponse, Conversation):
    """A WebSocket: `await ws.prepare(request)`, then send, receive, iterate, and return it.

    `timeout` bounds the close handshake, `receive_timeout` each `receive`; after `heartbeat` seconds of silence a
    ping is sent, which the peer has half that time to answer. `protocols` are the subprotocols known here; the
    client's first choice among them is taken. `compress`: whether permessage-deflate is agreed to where the client
    offers it; `DeflateParams` say how far this side goes in each of its four parameters. `max_msg_size` in bytes, 0 is
    no limit. `origins` are those that may connect from a browser: None is the same origin only, `("*",)` any. Times are
    in seconds.

    With a `listener` messages go to its methods instead of `receive` and iteration, without a task's turn for each:
    `return WebSocketResponse(listener=Feed())` is a whole handler, which ends when the connection does.
    """

    __slots__ = ("_codec", "_connection", "_listener", "_make", "_options")

    def __init__(
        self,
        *,
        timeout: float = CLOSE_TIMEOUT,
        receive_timeout: float | None = None,
        autoclose: bool = True,
        autoping: bool = True,
        heartbeat: float | None = None,
        protocols: Sequence[str] = (),
        compress: bool | DeflateParams = True,
        max_msg_size: int = MAX_MSG_SIZE,
        writer_limit: int = WRITER_LIMIT,
        decode_text: bool = True,
        origins: Collection[str] | None = None,
        listener: WebSocketListener | None = None,
    ) -> None:
        super().__init__(status=101)
        self._codec = CODEC.get()  # here, for others than the handler's task may send
        self._connection: WebSocketConnection | None = None
        self._listener = listener
        self._options = {"protocols": tuple(protocols), "compress": compress, "origins": origins}

        def make(accepted: AcceptedHandshake) -> WebSocketConnection:
            return WebSocketConnection(
                Role.SERVER,
                protocol=accepted.protocol,
                deflate=accepted.deflate,
                max_msg_size=max_msg_size,
                heartbeat=heartbeat,
                receive_timeout=receive_timeout,
                close_timeout=timeout,
                autoping=autoping,
                autoclose=autoclose,
                writer_limit=writer_limit,
                decode_text=decode_text,
                listener=listener,
            )

        self._make: Callable[[AcceptedHandshake], WebSocketConnection] = make

    # The opening.

    def can_prepare(self, request: "BaseRequest") -> WebSocketReady:
        """Whether `prepare` would succeed. RuntimeError when it was called already."""
        if self._connection is not None:
            raise RuntimeError("the WebSocket is open already")
        try:
            accepted = self._handshake(request)
        except HTTPException:
            return WebSocketReady(ok=False, protocol=None)
        return WebSocketReady(ok=True, protocol=accepted.protocol)

    async def prepare(self, request: "BaseRequest") -> "AbstractStreamWriter | None":
        """Answer the opening handshake (RFC 6455 section 4.2).

        Raises HTTPBadRequest, HTTPForbidden (origin), HTTPMethodNotAllowed or HTTPUpgradeRequired when it cannot be
        accepted, HTTPServiceUnavailable while the server shuts down.
        """
        if self._claim(request):
            await self._start(request)
        return request.writer

    async def _start(self, request: "BaseRequest") -> None:
        accepted = self._handshake(request)
        if request.has_prepare_hooks:
            await request.prepare_hook(self)
        connection = self._make(accepted)
        self._status = 101  # whatever it was set to
        request.exchange.upgrade(connection, headers=[*accepted.headers, *self._wire_headers()])
        self._exchange = request.exchange
        self._connection = connection
        connection.add_closed_callback(self._hung_up)
        if request.server is not None:
            request.server.websocket_opened(request.exchange, self)

    def _handshake(self, request: "BaseRequest") -> AcceptedHandshake:
        if request.server is not None and request.server.draining:
            raise HTTPServiceUnavailable(text="the server is shutting down")  # it would be closed at once
        options: dict[str, Any] = self._options  # Any: the keywords of accept_handshake, each of its own type
        try:
            return accept_handshake(request, **options)
        except WSHandshakeError as exc:
            if exc.status == HTTPMethodNotAllowed.status_code:
                raise HTTPMethodNotAllowed(request.method, ["GET"], text=exc.message) from exc
            raise exception_for_status(exc.status)(text=exc.message, headers=exc.headers) from exc

    def _hung_up(self, connection: WebSocketConnection) -> None:
        """The connection is lost. Who knows that it was ending is left to do what comes after: no client of theirs has
        gone away.
        """
        if connection.knows_of_the_end or self._listener is not None:
            self._leave_running()

    def _leave_running(self) -> None:
        if self._exchange is not None:
            self._exchange.cancel_on_disconnect = False

    # The conversation.

    @property
    def connection(self) -> WebSocketConnection:
        """The connection below: what `levante.ws.Rooms` takes. RuntimeError before `prepare`."""
        if self._connection is None:
            raise RuntimeError("the WebSocket is not open; call `await ws.prepare(request)` first")
        return self._connection

    async def send_frame(self, message: bytes, opcode: WSMsgType, compress: int | None = None) -> None:
        await self.connection.send_frame(message, opcode, compress)

    async def send_json(
        self, data: Any, compress: int | None = None, *, dumps: "JSONEncoder | JSONBytesEncoder | None" = None
    ) -> None:
        """Send `data` as JSON (Any: what the encoder takes) in a text message. Without `dumps` it is encoded as the
        application has it, which is `json.dumps` unless it was told otherwise.
        """
        encoded = (self._codec.dumps if dumps is None else dumps)(data)
        if isinstance(encoded, bytes):
            await self.send_frame(encoded, WSMsgType.TEXT, compress)
        else:
            await self.send_str(encoded, compress)

    async def receive_json(self, *, loads: "JSONDecoder | None" = None, timeout: float | None = None) -> Any:
        """The next message, which must be text, parsed as JSON (Any: of whatever shape) by `loads`, or as the
        application has it.
        """
        return (self._codec.loads if loads is None else loads)(await self.receive_str(timeout=timeout))

    async def receive(self, timeout: float | None = None) -> WSMessage:
        return await self.connection.receive(timeout)

    async def send_str(self, data: str, compress: int | None = None) -> None:
        """Send a text message; waits while the peer does not keep up."""
        pending = (self._connection or self.connection).begin_str(data, compress)
        if pending is not None:
            await pending

    async def send_bytes(self, data: bytes | bytearray | memoryview, compress: int | None = None) -> None:
        """Send a binary message; waits while the peer does not keep up."""
        pending = (self._connection or self.connection).begin_bytes(data, compress)
        if pending is not None:
            await pending

    def __aiter__(self) -> Conversation:
        """What iterates: the connection itself, unless a subclass has its own way to receive."""
        kind = type(self)
        if kind.receive is WebSocketResponse.receive and kind.__anext__ is Conversation.__anext__:
            return self.connection
        return self

    async def wait_closed(self) -> None:
        """Wait until the connection is gone: what a handler with a `listener` does, if it does not return at once."""
        await self.connection.wait_closed()

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes | str = b"", drain: bool = True) -> bool:
        """Close with `code`, waiting for the peer's close frame; a pending `receive` elsewhere gets CLOSING. False
        when closed already. What comes after it in the handler is not cancelled by the end of the connection.
        """
        self._leave_running()
        return await self.connection.close(code=code, message=message, drain=drain)

    @property
    def closed(self) -> bool:
        """Whether it is closed; it is not before it was opened."""
        return self._connection is not None and self._connection.closed

    @property
    def close_code(self) -> int | None:
        """The close code of the peer, 1006 when there was none; None while it is open."""
        return None if self._connection is None else self._connection.close_code

    @property
    def ws_protocol(self) -> str | None:
        """The subprotocol agreed on."""
        return None if self._connection is None else self._connection.protocol

    @property
    def compress(self) -> bool:
        """Whether permessage-deflate was agreed on."""
        return self._connection is not None and self._connection.deflate is not None

    def exception(self) -> BaseException | None:
        """What the connection failed with."""
        return None if self._connection is None else self._connection.exception()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`get_extra_info` of the transport (Any: as asyncio has it)."""
        return default if self._connection is None else self._connection.get_extra_info(name, default)

    # As a response.

    async def write(self, _: bytes | bytearray | memoryview) -> NoReturn:
        """Refused: send_str, send_bytes or send_json send messages."""
        raise RuntimeError("a WebSocket sends messages: use send_str, send_bytes or send_json instead of write")

    async def write_eof(self, _: bytes = b"") -> None:
        """Close."""
        if not self._finished:
            self._finished = True
            await self.close()

    async def deliver(self, request: "BaseRequest") -> None:
        await self.prepare(request)
        if self._listener is not None:
            await self.wait_closed()
        await self.write_eof()
