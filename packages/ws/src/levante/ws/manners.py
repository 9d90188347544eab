"""The differences between the two roles above the wire, in one place."""

from dataclasses import dataclass

from levante.http import Role

from .limits import MAX_RECEIVES_AFTER_CLOSE

__all__ = ["MANNERS", "Manners"]


@dataclass(frozen=True, slots=True)
class Manners:
    """How one role behaves where aiohttp's server and client sockets differ, or RFC 6455 tells them apart."""

    # The RFC has the server end the TCP connection (section 7.1.1): the waiting-out of the last packets is its cost.
    hangs_up_first: bool
    # A receive() that times out or is cancelled marks the connection 1006; it stays open in both roles.
    timeout_marks_abnormal: bool
    # Calls of receive() after the end that return CLOSED before one raises; None: all of them do.
    max_receives_after_close: int | None


MANNERS = {
    Role.SERVER: Manners(
        hangs_up_first=True, timeout_marks_abnormal=False, max_receives_after_close=MAX_RECEIVES_AFTER_CLOSE
    ),
    Role.CLIENT: Manners(hangs_up_first=False, timeout_marks_abnormal=True, max_receives_after_close=None),
}
