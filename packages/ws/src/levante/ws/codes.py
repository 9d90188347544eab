"""Opcodes, message types and close codes of RFC 6455, and the rule which close codes may travel in a close frame.

`WSMsgType` carries, beside the six opcodes, the three values above 255 that never travel: what `receive()` reports
about the connection itself.
"""

from enum import IntEnum

__all__ = ["CLOSE_NO_STATUS", "WSCloseCode", "WSMsgType", "is_sendable_close_code"]


class WSMsgType(IntEnum):
    """The kind of a message: opcodes of RFC 6455 section 5.2, and CLOSING, CLOSED and ERROR, which are local."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA
    CLOSING = 0x100
    CLOSED = 0x101
    ERROR = 0x102


class WSCloseCode(IntEnum):
    """Close codes of RFC 6455 section 7.4 and the IANA registry. ABNORMAL_CLOSURE is only ever reported, never sent."""

    OK = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    ABNORMAL_CLOSURE = 1006
    INVALID_TEXT = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014


# What RFC 6455 section 7.1.5 calls the close code when the peer's close frame had no body. It never travels.
CLOSE_NO_STATUS = 1005

_SENDABLE = frozenset(code for code in WSCloseCode if code is not WSCloseCode.ABNORMAL_CLOSURE)
_FIRST_PRIVATE = 3000
_LAST_PRIVATE = 4999


def is_sendable_close_code(code: int) -> bool:
    """Whether `code` may stand in a close frame: registered ones and 3000 to 4999 (RFC 6455 section 7.4.2)."""
    return code in _SENDABLE or _FIRST_PRIVATE <= code <= _LAST_PRIVATE
