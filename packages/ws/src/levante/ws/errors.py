"""The error tree of levante.ws; each error holds facts, and the close code or the status to answer with.

    WebSocketError(Exception)         the peer broke RFC 6455 or 7692, or a limit: `code` is the close code to fail with
    WSHandshakeError(Exception)       an opening that cannot be accepted: `status` and `headers` to answer with
    WSMessageTypeError(TypeError)     a message of another kind than the one asked for

Sending on a connection that is gone raises `levante.http.PeerDisconnected`, as writing a body does.
"""

from collections.abc import Iterable

__all__ = ["WSHandshakeError", "WSMessageTypeError", "WebSocketError"]


class WebSocketError(Exception):
    """The peer broke the protocol or a limit; the connection fails with close code `code` (RFC 6455 section 7.1.7)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class WSHandshakeError(Exception):
    """An opening handshake was refused.

    `status` is the HTTP status: on the server the one to answer with, on the client the one that came. `headers` are,
    on the server, fields that the answer must have (such as `Sec-WebSocket-Version`), on the client those that came.
    """

    def __init__(self, message: str, *, status: int, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.headers = tuple(headers)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_handshake_error, (self.message, self.status, self.headers)


class WSMessageTypeError(TypeError):
    """`receive_str`, `receive_bytes` or `receive_json` met a message of another kind."""


def _rebuild_handshake_error(message: str, status: int, headers: tuple[tuple[str, str], ...]) -> WSHandshakeError:
    """Keyword-only parameters need a hand with pickling."""
    return WSHandshakeError(message, status=status, headers=headers)
