"""What `receive()` hands out: one named tuple for each kind of message, and `WSMessage`, the union of them.

Every one has `data`, `size` (bytes of payload), `extra` and `type`, in that order, so that code can switch on `type`
and type checkers narrow `data` by it.
"""

import json
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from .codes import WSMsgType

__all__ = [
    "WS_CLOSED_MESSAGE",
    "WS_CLOSING_MESSAGE",
    "WSMessage",
    "WSMessageBinary",
    "WSMessageClose",
    "WSMessageClosed",
    "WSMessageClosing",
    "WSMessageContinuation",
    "WSMessageError",
    "WSMessagePing",
    "WSMessagePong",
    "WSMessageText",
    "WSMessageTextBytes",
]


class WSMessageContinuation(NamedTuple):
    """A bare continuation frame. The engine joins fragments and never makes one; it is here so that a switch can name
    it."""

    data: bytes
    size: int
    extra: str | None = None
    type: Literal[WSMsgType.CONTINUATION] = WSMsgType.CONTINUATION


class WSMessageText(NamedTuple):
    """A text message, decoded."""

    data: str
    size: int
    extra: str | None = None
    type: Literal[WSMsgType.TEXT] = WSMsgType.TEXT

    def json(self, *, loads: Callable[[str], Any] = json.loads) -> Any:
        """The text parsed as JSON; raises what `loads` raises (`ValueError` by default)."""
        return loads(self.data)


class WSMessageTextBytes(NamedTuple):
    """A text message left as its (checked) UTF-8 bytes, for `decode_text=False`."""

    data: bytes
    size: int
    extra: str | None = None
    type: Literal[WSMsgType.TEXT] = WSMsgType.TEXT

    def json(self, *, loads: Callable[[bytes], Any] = json.loads) -> Any:
        """The text parsed as JSON; raises what `loads` raises (`ValueError` by default)."""
        return loads(self.data)


class WSMessageBinary(NamedTuple):
    """A binary message."""

    data: bytes
    size: int
    extra: str | None = None
    type: Literal[WSMsgType.BINARY] = WSMsgType.BINARY

    def json(self, *, loads: Callable[[bytes], Any] = json.loads) -> Any:
        """The bytes parsed as JSON; raises what `loads` raises (`ValueError` by default)."""
        return loads(self.data)


class WSMessagePing(NamedTuple):
    """A ping; seen only with `autoping=False`."""

    data: bytes
    size: int
    extra: str | None = None
    type: Literal[WSMsgType.PING] = WSMsgType.PING


class WSMessagePong(NamedTuple):
    """A pong; seen only with `autoping=False`."""

    data: bytes
    size: int
    extra: str | None = None
    type: Literal[WSMsgType.PONG] = WSMsgType.PONG


class WSMessageClose(NamedTuple):
    """The peer's close frame: `data` is its code (0 when it had none), `extra` its reason."""

    data: int
    size: int
    extra: str | None = None
    type: Literal[WSMsgType.CLOSE] = WSMsgType.CLOSE


class WSMessageClosing(NamedTuple):
    """This side's `close()` was called while a `receive()` was waiting."""

    data: None = None
    size: int = 0
    extra: str | None = None
    type: Literal[WSMsgType.CLOSING] = WSMsgType.CLOSING


class WSMessageClosed(NamedTuple):
    """The connection is closed; nothing more will come."""

    data: None = None
    size: int = 0
    extra: str | None = None
    type: Literal[WSMsgType.CLOSED] = WSMsgType.CLOSED


class WSMessageError(NamedTuple):
    """The connection failed: `data` is the exception, also to be had from `exception()`."""

    data: BaseException
    size: int = 0
    extra: str | None = None
    type: Literal[WSMsgType.ERROR] = WSMsgType.ERROR


WSMessage: TypeAlias = (
    WSMessageContinuation
    | WSMessageText
    | WSMessageTextBytes
    | WSMessageBinary
    | WSMessagePing
    | WSMessagePong
    | WSMessageClose
    | WSMessageClosing
    | WSMessageClosed
    | WSMessageError
)

WS_CLOSED_MESSAGE: Final = WSMessageClosed()
WS_CLOSING_MESSAGE: Final = WSMessageClosing()
