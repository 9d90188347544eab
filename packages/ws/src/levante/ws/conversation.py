"""Sending and receiving by kind: text, bytes, JSON, and iteration, on top of one primitive for each direction."""

import abc
import json
from collections.abc import Callable
from typing import Any

from .codes import WSMsgType
from .errors import WSMessageTypeError
from .messagetypes import WSMessage, WSMessageClose, WSMessageClosed, WSMessageClosing

__all__ = ["END_MESSAGES", "Conversation", "as_bytes"]

# What ends an iteration.
END_MESSAGES = frozenset({WSMessageClose, WSMessageClosing, WSMessageClosed})


class Conversation(abc.ABC):
    """The part of a WebSocket's API that both roles and every layer share; `levante.web` and `levante.client` build
    on it too.

    What is sent on a connection that is closing or gone raises `levante.http.PeerDisconnected`.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def send_frame(self, message: bytes, opcode: WSMsgType, compress: int | None = None) -> None:
        """Send one message of kind `opcode`: TEXT, BINARY, PING or PONG; `compress` (9 to 15) is for this message
        only."""

    @abc.abstractmethod
    async def receive(self, timeout: float | None = None) -> WSMessage:
        """The next message. `timeout` in seconds (None: the connection's own); `TimeoutError` when none came."""

    async def send_str(self, data: str, compress: int | None = None) -> None:
        """Send a text message; waits while the peer does not keep up."""
        if not isinstance(data, str):
            raise TypeError(f"got {type(data).__name__} to send as text; expected str")
        await self.send_frame(data.encode("utf-8"), WSMsgType.TEXT, compress)

    async def send_bytes(self, data: bytes | bytearray | memoryview, compress: int | None = None) -> None:
        """Send a binary message; waits while the peer does not keep up."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"got {type(data).__name__} to send as binary; expected bytes, bytearray or memoryview")
        await self.send_frame(bytes(data), WSMsgType.BINARY, compress)

    async def send_json(
        self, data: Any, compress: int | None = None, *, dumps: Callable[[Any], str] = json.dumps
    ) -> None:
        """Send `data` as JSON in a text message."""
        await self.send_str(dumps(data), compress)

    async def send_json_bytes(self, data: Any, compress: int | None = None, *, dumps: Callable[[Any], bytes]) -> None:
        """Send `data` as JSON in a binary message, by an encoder that makes bytes."""
        await self.send_bytes(dumps(data), compress)

    async def ping(self, message: bytes | str = b"") -> None:
        """Send a ping; at most 125 bytes, else `ValueError`."""
        await self.send_frame(as_bytes(message), WSMsgType.PING)

    async def pong(self, message: bytes | str = b"") -> None:
        """Send a pong; at most 125 bytes, else `ValueError`. Pings are answered by themselves unless `autoping` is
        off."""
        await self.send_frame(as_bytes(message), WSMsgType.PONG)

    async def receive_str(self, *, timeout: float | None = None) -> str:
        """The next message, which must be text, else `WSMessageTypeError`. With `decode_text=False` it is bytes."""
        message = await self.receive(timeout)
        if message.type is not WSMsgType.TEXT:
            raise _unexpected(message, "text")
        # With decode_text=False the data are bytes, as in aiohttp.
        return message.data  # type: ignore[return-value]

    async def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """The next message, which must be binary, else `WSMessageTypeError`."""
        message = await self.receive(timeout)
        if message.type is not WSMsgType.BINARY:
            raise _unexpected(message, "binary")
        return message.data

    async def receive_json(self, *, loads: Callable[[Any], Any] = json.loads, timeout: float | None = None) -> Any:
        """The next message, which must be text, parsed as JSON."""
        return loads(await self.receive_str(timeout=timeout))

    def __aiter__(self) -> "Conversation":
        return self

    async def __anext__(self) -> WSMessage:
        """The next message; iteration ends when the connection does, and yields ERROR before."""
        message = await self.receive()
        if type(message) in END_MESSAGES:
            raise StopAsyncIteration
        return message


def as_bytes(message: bytes | str) -> bytes:
    """The payload of a control frame, of which text is UTF-8."""
    return message.encode("utf-8") if isinstance(message, str) else bytes(message)


def _unexpected(message: WSMessage, wanted: str) -> WSMessageTypeError:
    return WSMessageTypeError(f"got a message of type {message.type.name} ({message.data!r}); expected {wanted}")
