"""A session as a storage keeps it, and the name it is kept under: a hash of its identity, so that who reads a dump of
the table opens nobody's session."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple, NewType

Handle = NewType("Handle", str)
"""64 hexadecimal digits that name a session without opening it: for lists, logs and revocation."""


class Record(NamedTuple):
    """What is known of a session besides its identity. Times are seconds since the epoch."""

    text: str
    created: int
    seen: int
    max_age: int | None = None
    user: str | None = None
    version: int = 0  # counts the writes, where a storage on the server keeps it
    generation: int = 0  # of its user's sessions, where a cookie keeps it


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session of a user, for a page that lists them: `created` and `seen` in seconds since the epoch."""

    handle: Handle
    created: int
    seen: int


def handle_of(identity: str) -> Handle:
    """The handle of an identity, well-formed or not."""
    return Handle(hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest())
