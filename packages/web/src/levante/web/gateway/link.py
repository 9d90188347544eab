"""The stand-in for a connection where there is none of ours: it turns what an ASGI server gives and takes into what
exchanges and servers of ours know a connection by. Messages are received only while somebody wants them, and those to
be sent wait in a queue that every `await` on the exchange empties, so that answering stays a plain call.
"""

import asyncio
from collections import deque
from typing import Any

from levante.http import Limits, PeerDisconnected, RemoteProtocolError, StreamReader

from .types import Message, Receive, Scope, Send


class AsgiTransport(asyncio.Transport):
    """A transport to be asked, and to be closed, but not to be written to."""

    def __init__(self, link: "AsgiLink") -> None:
        super().__init__()
        self._link = link

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # as asyncio's, whose values are of any type
        return self._link.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._link.unsent_bytes()

    def is_closing(self) -> bool:
        return self._link.lost

    def close(self) -> None:
        self._link.abort()

    abort = close


class AsgiLink:
    """One scope with its `receive` and `send`. `current` is the exchange that it serves."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, limits: Limits) -> None:
        self.limits = limits
        self.lost = False
        self.current: Any = None  # Any: an exchange of either kind, which knows this link in turn
        self.transport = AsgiTransport(self)
        self._scope = scope
        self._receive = receive
        self._send = send
        self._unsent: deque[Message] = deque()
        self._refused = False
        self._sending = asyncio.Lock()
        self._pump: asyncio.Task[None] | None = None
        self._body: StreamReader | None = None
        self._declared: int | None = None
        self._watching = False
        self._readable = asyncio.Event()
        self._readable.set()

    # What exchanges and the server ask a connection.

    @property
    def write_paused(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._unsent)

    def is_lost(self) -> bool:
        """Whether the client is gone, or the response was given up."""
        return self.lost

    def is_idle(self) -> bool:
        """Never: it is there for one request."""
        return False

    def close_when_idle(self) -> None:
        """Ask the server to close its connection after this response."""
        if self.current is not None:
            self.current.keep_alive = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # as asyncio's, whose values are of any type
        """`peername`, `sockname`, and `asgi_scope`."""
        if name == "asgi_scope":
            return self._scope
        address = {"peername": self._scope.get("client"), "sockname": self._scope.get("server")}.get(name)
        if address is None:
            return default
        host, port = address
        return host if port is None else (host, port)

    def disconnected_error(self) -> PeerDisconnected:
        """The error for whoever still wants something of a client that is gone."""
        return PeerDisconnected("the client is gone")

    def abort(self) -> None:
        """Give the response up: what has not been sent is not sent, and the server sees that it is not whole."""
        self._unsent.clear()
        self.lose()

    # Sending.

    def post(self, message: Message) -> None:
        """Have a message sent with the next `flush`."""
        if not self._refused:
            self._unsent.append(message)

    def refuse(self, message: Message) -> None:
        """Have this message sent instead of all that was, and will be, posted."""
        self._unsent.clear()
        self._unsent.append(message)
        self._refused = True

    def unsent_bytes(self) -> int:
        """Bytes of bodies that wait to be sent."""
        return sum(len(message.get("body", b"")) for message in self._unsent)

    async def flush(self) -> None:
        """Send what waits, as fast as the server takes it. PeerDisconnected when the client is gone."""
        async with self._sending:
            while self._unsent and not self.lost:
                try:
                    await self._send(self._unsent.popleft())
                except OSError as exc:
                    self.abort()
                    raise PeerDisconnected("the ASGI server says that the client is gone") from exc
        if self.lost:
            raise self.disconnected_error()

    # Receiving.

    async def receive(self) -> Message:
        """The next message."""
        return await self._receive()

    def carry(self, body: StreamReader, declared: int | None) -> None:
        """Begin to receive the body, of which Content-Length has declared so many bytes."""
        self._body = body
        self._declared = declared
        self._run_pump()

    def watch(self) -> None:
        """From now on, notice when the client goes away. A WebSocket notices by itself."""
        if self._scope["type"] == "websocket":
            return
        self._watching = True
        self._run_pump()

    def pause_reading(self) -> None:
        """Receive no more of the body for now."""
        self._readable.clear()

    def resume_reading(self) -> None:
        """Go on receiving."""
        self._readable.set()

    def _run_pump(self) -> None:
        if self._pump is None and not self.lost:
            self._pump = asyncio.create_task(self._pump_messages())

    async def _pump_messages(self) -> None:
        try:
            while self._watching or (self._body is not None and not self._body.is_eof()):
                await self._readable.wait()
                message = await self._receive()
                if message["type"] != "http.request":
                    self.lose()
                    return
                self.take_body(message)
        finally:
            self._pump = None

    def take_body(self, message: Message) -> None:
        """A piece of the body has come."""
        body = self._body
        if body is None or body.is_eof():
            return
        body.feed_data(bytes(message.get("body", b"")))
        if self._declared is not None and body.total_bytes > self._declared:  # whoever reads it trusts that
            body.set_exception(RemoteProtocolError(f"a body longer than its Content-Length, {self._declared}"))
        if not message.get("more_body", False):
            body.feed_eof()

    def lose(self) -> None:
        """The client is gone."""
        if self.lost:
            return
        self.lost = True
        if self._body is not None and not self._body.is_eof():
            self._body.set_exception(self.disconnected_error())
        if self.current is not None:
            self.current.note_gone()

    async def close(self) -> None:
        """The request is over: nothing is received any more."""
        pump = self._pump
        if pump is not None:
            pump.cancel()
            await asyncio.wait((pump,))
