"""WebSockets: an engine without I/O (RFC 6455, RFC 7692), an asyncio connection for both roles, and rooms."""

# First of all: it decides, by LEVANTE_PURE, in which form the hot modules below are loaded.
import levante.http  # noqa: F401  # isort: skip

from levante.http import Role

from .codes import CLOSE_NO_STATUS, WSCloseCode, WSMsgType
from .connection import WebSocketConnection
from .conversation import Conversation
from .deflate import DeflateParams
from .errors import WebSocketError, WSHandshakeError, WSMessageTypeError
from .handshake import AcceptedHandshake, DialHandshake, accept_handshake
from .listener import WebSocketListener
from .messagetypes import (
    WS_CLOSED_MESSAGE,
    WS_CLOSING_MESSAGE,
    WSMessage,
    WSMessageBinary,
    WSMessageClose,
    WSMessageClosed,
    WSMessageClosing,
    WSMessageContinuation,
    WSMessageError,
    WSMessagePing,
    WSMessagePong,
    WSMessageText,
    WSMessageTextBytes,
)
from .protocol import WebSocketProtocol
from .rooms import Backplane, Rooms, SlowConsumer

__all__ = [
    "CLOSE_NO_STATUS",
    "WS_CLOSED_MESSAGE",
    "WS_CLOSING_MESSAGE",
    "AcceptedHandshake",
    "Backplane",
    "Conversation",
    "DeflateParams",
    "DialHandshake",
    "Role",
    "Rooms",
    "SlowConsumer",
    "WSCloseCode",
    "WSHandshakeError",
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
    "WSMessageTypeError",
    "WSMsgType",
    "WebSocketConnection",
    "WebSocketError",
    "WebSocketListener",
    "WebSocketProtocol",
    "accept_handshake",
]
