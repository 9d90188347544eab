"""The listener form: callbacks on a connection instead of `receive()`, for feeds in which every message counts.

No task and no queue stands between the bytes and the callback: messages are handed over while the event loop delivers
what was read. So a callback must not block, and answers with `write_str` and `write_bytes`, which never wait.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import WebSocketConnection

__all__ = ["WebSocketListener"]


class WebSocketListener:
    """What happens on a WebSocket, as methods to override; each gets the connection, so one listener can serve many.

    An exception that leaves one of them is logged and closes the connection with 1011.
    """

    __slots__ = ()

    def on_open(self, ws: "WebSocketConnection") -> None:
        """The connection is open: it can be written to."""

    def on_text(self, ws: "WebSocketConnection", data: str) -> None:
        """A text message; with `decode_text=False` its UTF-8 as bytes."""

    def on_binary(self, ws: "WebSocketConnection", data: memoryview) -> None:
        """A binary message, as a view of its bytes; what is to be kept after the call is copied by `bytes(data)`."""

    def on_ping(self, ws: "WebSocketConnection", data: bytes) -> None:
        """A ping; it is answered already unless `autoping` is off."""

    def on_pong(self, ws: "WebSocketConnection", data: bytes) -> None:
        """A pong, asked for or not."""

    def on_pause_writing(self, ws: "WebSocketConnection") -> None:
        """More than `writer_limit` bytes are unsent: the peer does not keep up. Writing still works, at the price of
        memory."""

    def on_resume_writing(self, ws: "WebSocketConnection") -> None:
        """The peer has caught up."""

    def on_close(self, ws: "WebSocketConnection", code: int, reason: str) -> None:
        """The connection is gone, for the last call of all: the peer's close code and reason, 1006 when there was no
        close frame, the code of its error when it broke the rules. `ws.exception()` tells more."""
