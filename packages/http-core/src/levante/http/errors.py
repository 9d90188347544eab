"""The error tree of the engines: whose fault it is, the status a server should answer with, and the facts.

ProtocolError
    LocalProtocolError          our side broke the rules
        IllegalCharacter        (also ValueError) a control character on its way into a head
        PayloadAccessError      a body was read after its exchange was over
    RemoteProtocolError         the peer broke them
        LimitExceeded           something was larger, longer or more than allowed
            LineTooLong
        IncompleteMessage       the peer closed inside a message
        ContentCodingError      a coded body is broken, cut short or too large
        MalformedContent        (also ValueError) a form or multipart body breaks its own grammar
PeerDisconnected                (ConnectionResetError) the connection is gone
ExchangeTimeout                 (TimeoutError) a driver waited long enough
"""

from typing import Final

# How much of an offending text an error message shows: enough to recognise it, too little to flood a log.
_SHOWN: Final = 60

# The status that answers each exceeded limit; whatever is not named here concerns a body (RFC 9110 15.5.14).
_STATUS_OF_LIMIT: Final = {
    "max_chunk_extensions": 400,
    "max_cookie_size": 431,
    "max_cookies": 431,
    "max_line_size": 414,
    "max_query_fields": 414,
    "max_field_size": 431,
    "max_headers": 431,
    "max_head_size": 431,
    "max_trailers": 431,
    "max_trailer_size": 431,
}


def shown(value: bytes | str) -> str:
    """Return `value` quoted and escaped as by repr for an error message, cut to a readable length; bytes without the
    `b` before them, for whoever reads the message need not know Python.
    """
    quoted = repr(value[:_SHOWN]).removeprefix("b")
    return quoted if len(value) <= _SHOWN else f"{quoted}..."


class ProtocolError(Exception):
    """A rule of HTTP was broken; `status` is what a server should answer with, `message` says what happened."""

    status: int = 500

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if status is not None:
            self.status = status


class LocalProtocolError(ProtocolError):
    """Our side broke the rules: the caller must be corrected, the peer is innocent."""


class IllegalCharacter(LocalProtocolError, ValueError):
    """A name, value, reason, method or target holds a character that would end its line (RFC 9110 5.5)."""


class PayloadAccessError(LocalProtocolError):
    """A message body was read after its exchange was over and its rest thrown away."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the rules."""

    status = 400


class LimitExceeded(RemoteProtocolError):
    """Something that the peer sent is over the limit named `limit`, which allows `maximum` (bytes or items)."""

    def __init__(self, limit: str, *, maximum: int, actual: int | None = None, status: int | None = None) -> None:
        got = "" if actual is None else f", got {actual}"
        super().__init__(
            f"more than {limit} allows: at most {maximum}{got}",
            status=_STATUS_OF_LIMIT.get(limit, 413) if status is None else status,
        )
        self.limit = limit
        self.maximum = maximum
        self.actual = actual


class LineTooLong(LimitExceeded):
    """A line is longer than allowed, whether its end has been seen or not."""


class IncompleteMessage(RemoteProtocolError):
    """The peer closed the connection inside a message (RFC 9112 8)."""


class ContentCodingError(RemoteProtocolError):
    """A coded body is broken (400), larger than allowed once decoded (413) or in an unknown coding (415)."""


class MalformedContent(RemoteProtocolError, ValueError):
    """A form or multipart body breaks the grammar of its type, while its framing is sound (400, 415 for an unknown
    charset).
    """


class PeerDisconnected(ConnectionResetError):
    """The connection is gone; nothing more can be read from it or written to it."""


class ExchangeTimeout(TimeoutError):
    """A driver waited for the peer as long as it may; `phase` is what it waited for: head, body, read, write."""

    def __init__(self, phase: str) -> None:
        super().__init__(f"the peer took too long (phase: {phase})")
        self.phase = phase
