"""How an accepted connection ends decently: by swallowing a bounded amount of what the peer still sends, for a bounded
time.

Closing a socket on which bytes are still arriving resets the connection, and the reset destroys answers that the peer
has not read yet. So after the last answer our half is closed first, and the rest of what comes is thrown away until the
peer closes too, or enough has come.
"""

from typing import Final

from .h1 import Role
from .limits import MAX_DRAINED_BODY, MAX_LINGERED, MAX_LINGERING_AT_CLOSE, Limits, ServerTimeouts
from .links import Link

# What an accepted connection is doing.
IDLE: Final = 0  # waiting for a request
SERVING: Final = 1  # an exchange is running
DRAINING: Final = 2  # swallowing the rest of a body, to save the connection
LINGERING: Final = 3  # swallowing whatever comes, to close the connection
UPGRADED: Final = 4  # forwarding to another protocol

# The same, typed when compiled.
_IDLE = IDLE
_DRAINING = DRAINING
_LINGERING = LINGERING
_DRAINED_LIMIT = MAX_DRAINED_BODY
_LINGERED_LIMIT = MAX_LINGERED
_LINGERING_LIMIT = MAX_LINGERING_AT_CLOSE


class LingeringLink(Link):
    """A link of the serving side that can drain a body and linger."""

    __slots__ = ("_activity", "_lingering_timeout", "_swallowed")

    def __init__(self, limits: Limits, timeouts: ServerTimeouts) -> None:
        super().__init__(Role.SERVER, limits, timeouts.write or 0.0, timeouts.min_write_rate or 0.0)
        self._activity = _IDLE
        self._lingering_timeout = timeouts.lingering or 0.0  # seconds, 0 for none
        self._swallowed = 0

    def _drain_body(self) -> None:
        """Swallow the rest of a body that nobody read, to save the connection."""
        self._activity = _DRAINING
        self._swallowed = 0
        self.resume_reading()
        self._read_within(self._lingering_timeout)

    def _linger(self) -> None:
        """Stop sending, and swallow what comes until the peer closes, or for long enough."""
        transport = self.transport
        if self._eof or self._lingering_timeout == 0.0 or transport is None:
            self._close_transport()
            return
        self._activity = _LINGERING
        self._swallowed = 0
        self._h1.trailing_data()
        if transport.can_write_eof() and not transport.is_closing():
            try:
                transport.write_eof()
            except OSError:  # the peer has reset the connection, and nobody has noticed while reading was paused
                self.abort()
                return
        self.resume_reading()
        self._read_within(self._lingering_timeout)

    def _linger_briefly(self) -> None:
        """The server is closing: linger for a short time from now on, and also if that has begun."""
        if self._lingering_timeout > _LINGERING_LIMIT:
            self._lingering_timeout = _LINGERING_LIMIT
            if self._activity == _DRAINING or self._activity == _LINGERING:
                self._read_within(_LINGERING_LIMIT)

    def _swallow(self, count: int) -> None:
        self._swallowed += count
        if self._activity == _LINGERING:
            if self._swallowed > _LINGERED_LIMIT:
                self._close_transport()
        elif self._swallowed > _DRAINED_LIMIT:
            self._linger()
