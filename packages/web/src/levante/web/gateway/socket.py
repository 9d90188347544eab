"""A WebSocket that came by an ASGI server. The server speaks the protocol with the client and gives us messages; our
WebSockets are connections that speak in frames. Between the two stands a transport that is a WebSocket client in
memory: what our side writes to it as frames leaves as messages, and messages arrive as frames. So everything that a
WebSocket of ours can do (heartbeats, limits, rooms, close codes) works as on a connection.
"""

import asyncio
from collections import deque
from typing import Any, Final

from levante.http import LocalProtocolError
from levante.http.writers import Headers
from levante.ws import Role, WebSocketProtocol, WSCloseCode, WSMsgType

from .exchange import AsgiExchange, field_pairs
from .link import AsgiLink
from .types import Message

HANDSHAKE: Final = frozenset(
    {b"connection", b"upgrade", b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-protocol"}
)
"""Fields of our 101 that the server has its own of."""

NO_STATUS: Final = 1005


class SocketTransport(asyncio.Transport):
    """The client in memory."""

    def __init__(self, link: AsgiLink, protocol: Any) -> None:  # Any: known by its methods, as asyncio's protocols are
        super().__init__()
        self._link = link
        self._protocol = protocol
        self._engine = WebSocketProtocol(Role.CLIENT, max_msg_size=0)
        self._loop = asyncio.get_running_loop()
        self._messages: deque[tuple[Message, int]] = deque()
        self._size = 0
        self._high = 0
        self._low = 0
        self._writing_paused = False
        self._closing = False
        self._readable = asyncio.Event()
        self._readable.set()
        self._writable = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Done when nothing is sent or received any more."""

    def begin(self) -> None:
        """Begin to receive and to send."""
        self._tasks = [asyncio.create_task(self._receive()), asyncio.create_task(self._send())]

    # What our side calls.

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # as asyncio's, whose values are of any type
        return self._link.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high or 0
        self._low = low or 0

    def get_write_buffer_size(self) -> int:
        return self._size

    def is_closing(self) -> bool:
        return self._closing

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self._readable.clear()

    def resume_reading(self) -> None:
        self._readable.set()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Frames: the messages in them are sent, pings are answered here."""
        self._engine.receive_data(data)
        for event in self._engine.events():
            if event.type is WSMsgType.TEXT:
                self._post({"type": "websocket.send", "text": event.data}, event.size)
            elif event.type is WSMsgType.BINARY:
                self._post({"type": "websocket.send", "bytes": event.data}, event.size)
            elif event.type is WSMsgType.PING and not self._engine.close_sent:
                self._loop.call_soon(self._arrive, self._engine.pong(event.data))
            elif event.type is WSMsgType.CLOSE:
                code = event.data or WSCloseCode.OK
                if not self._engine.close_sent:  # else the server has closed it already
                    self._post({"type": "websocket.close", "code": int(code), "reason": event.extra or ""}, 0)
                    self._loop.call_soon(self._arrive, self._engine.answer_close())

    def close(self) -> None:
        """End, once everything has been sent."""
        self._closing = True
        self._writable.set()

    def abort(self) -> None:
        """End at once."""
        self._messages.clear()
        self._size = 0
        self.close()
        for task in self._tasks:
            task.cancel()
        self._loop.call_soon(self._lose)

    # To the server.

    def _post(self, message: Message, size: int) -> None:
        self._messages.append((message, size))
        self._size += size
        self._writable.set()
        if self._size > self._high and not self._writing_paused:
            self._writing_paused = True
            self._protocol.pause_writing()

    async def _send(self) -> None:
        try:
            await self._link.flush()  # the acceptance
            while True:
                while self._messages:
                    message, size = self._messages[0]
                    self._link.post(message)
                    await self._link.flush()
                    self._messages.popleft()
                    self._size -= size
                    if self._writing_paused and self._size <= self._low:
                        self._writing_paused = False
                        self._protocol.resume_writing()
                if self._closing:
                    return
                self._writable.clear()
                await self._writable.wait()
        except ConnectionError:
            self._messages.clear()
        finally:
            self._lose()

    # From the server.

    async def _receive(self) -> None:
        while True:
            await self._readable.wait()
            message = await self._link.receive()
            if message["type"] == "websocket.disconnect":
                self._disconnected(message.get("code", NO_STATUS), str(message.get("reason") or ""))
                return
            text = message.get("text")
            if not self._engine.close_sent:
                self._arrive(
                    self._engine.send_binary(message["bytes"]) if text is None else self._engine.send_text(text)
                )

    def _disconnected(self, code: int | None, reason: str) -> None:
        """The server has said goodbye to the client: nothing can be sent any more."""
        self._messages.clear()
        if code != WSCloseCode.ABNORMAL_CLOSURE and not self._engine.close_sent:
            try:
                frame = self._engine.close(0 if code in (None, NO_STATUS) else int(code or 0), reason.encode())
            except ValueError:
                pass  # a code that says nothing: as good as none
            else:
                self._arrive(frame)
        self.close()

    def _arrive(self, frame: bytes) -> None:
        if not self.ended.done():
            self._protocol.data_received(frame)

    def _lose(self) -> None:
        if self.ended.done():
            return
        self._closing = True
        self.ended.set_result(None)
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._protocol.connection_lost(None)
        self._link.lose()


class AsgiSocketExchange(AsgiExchange):
    """The exchange of the opening of a WebSocket: it is upgraded, or refused with a response."""

    kind = "websocket.http.response"

    def upgrade(self, protocol: asyncio.BaseProtocol, *, status: int = 101, headers: Headers) -> asyncio.Transport:
        """Accept the WebSocket, which `protocol` takes over."""
        self._check_connected()
        if self.head_sent or status != 101:
            raise LocalProtocolError(f"accepting a WebSocket with status {status} after a head; expected 101, once")
        fields = field_pairs(headers)
        chosen = [value.decode() for name, value in fields if name == b"sec-websocket-protocol"]
        self.connection.post(
            {
                "type": "websocket.accept",
                "subprotocol": chosen[0] if chosen else None,
                "headers": [pair for pair in fields if pair[0] not in HANDSHAKE],
            }
        )
        self.status = status
        self.head_sent = True
        self.finished = True
        self.socket = transport = SocketTransport(self.connection, protocol)
        protocol.connection_made(transport)
        transport.begin()
        return transport

    def send_head(self, status: int, reason: str | None, headers: Headers, *, length: int | None) -> None:
        """Refuse the WebSocket: with this response if the server can send one, else it sends 403."""
        super().send_head(status, reason, headers, length=length)
        if "websocket.http.response" not in self.extensions:
            self.connection.refuse({"type": "websocket.close"})
