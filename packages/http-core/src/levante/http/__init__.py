"""HTTP/1.1 without I/O, asyncio drivers for both ends of a connection, and the vocabulary around them.

What every server and client needs is imported at once; codings, forms, multipart and payloads are imported when first asked for, because
many programs never do.
"""

from . import _plain

_plain.install()  # before anything that has a compiled form

from .accept import AcceptedConnection, ConnectionOwner, Service  # noqa: E402 - see above
from .dial import ClientExchange, DialedConnection  # noqa: E402
from .errors import (  # noqa: E402
    ContentCodingError,
    ExchangeTimeout,
    IllegalCharacter,
    IncompleteMessage,
    LimitExceeded,
    LineTooLong,
    LocalProtocolError,
    PayloadAccessError,
    PeerDisconnected,
    ProtocolError,
    RemoteProtocolError,
)
from .exchange import Exchange  # noqa: E402
from .h1 import NEED_DATA, PAUSED, Connection, ConnectionClosed, Data, EndOfMessage, Role  # noqa: E402
from .heads import Head, RequestHead, ResponseHead  # noqa: E402
from .limits import Limits, ServerTimeouts  # noqa: E402
from .octets import is_token  # noqa: E402
from .streams import EMPTY_PAYLOAD, StreamReader  # noqa: E402
from .versions import SERVER_SOFTWARE, HttpVersion, HttpVersion10, HttpVersion11  # noqa: E402

__all__ = [
    "EMPTY_PAYLOAD",
    "NEED_DATA",
    "PAUSED",
    "SERVER_SOFTWARE",
    "AcceptedConnection",
    "ClientExchange",
    "Connection",
    "ConnectionClosed",
    "ConnectionOwner",
    "ContentCodingError",
    "Data",
    "DialedConnection",
    "EndOfMessage",
    "Exchange",
    "ExchangeTimeout",
    "Head",
    "HttpVersion",
    "HttpVersion10",
    "HttpVersion11",
    "IllegalCharacter",
    "IncompleteMessage",
    "LimitExceeded",
    "Limits",
    "LineTooLong",
    "LocalProtocolError",
    "PayloadAccessError",
    "PeerDisconnected",
    "ProtocolError",
    "RemoteProtocolError",
    "RequestHead",
    "ResponseHead",
    "Role",
    "ServerTimeouts",
    "Service",
    "StreamReader",
    "is_compiled",
    "is_token",
]


def is_compiled() -> bool:
    """Whether the engines run in their compiled form."""
    from . import h1

    return not str(h1.__file__).endswith(".py")
