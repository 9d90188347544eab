"""Which sealed cookies have ended before their time: a small list on a server, beside cookies that need none. Single
sessions are listed by their handles until they would have expired; a user has a generation, which is sealed into each
of his cookies at login and grows when all of them are to end. A login copies the generation and compares no clocks, so
machines whose clocks differ revoke alike."""

import math
import time
from abc import ABC, abstractmethod

from .records import Handle


class Revocations(ABC):
    """What has been revoked. Every method raises SessionStoreUnavailable when the list cannot be asked in time:
    whether a session is revoked is then not known, and the request is answered with 503."""

    @abstractmethod
    async def is_revoked(self, handle: Handle, user: str | None, generation: int) -> bool:
        """Whether the session, or all of its user's from this generation, have ended."""

    @abstractmethod
    async def revoke(self, handle: Handle, seconds: int | None) -> bool:
        """End one session, and say whether it had not ended before: of two requests that end it, one is told so. It
        need not be remembered for longer than `seconds` (None: for good): it has expired then."""

    @abstractmethod
    async def generation(self, user: str) -> int:
        """The generation that a login of `user` gets now."""

    @abstractmethod
    async def revoke_user(self, user: str, seconds: int | None) -> None:
        """Begin a new generation: sessions of `user` from before have ended. None of them lives longer than `seconds`
        (None: they know no end)."""

    @abstractmethod
    async def close(self) -> None:
        """Give up what the list holds open. It is not used again."""


class MemoryRevocations(Revocations):
    """Revocations in this process's memory, for tests: forgotten at restart, unknown to other processes."""

    def __init__(self) -> None:
        self._sessions: dict[Handle, float] = {}  # with the time, monotonic, at which they may be forgotten
        self._users: dict[str, tuple[int, float]] = {}  # generations, and the same

    def __repr__(self) -> str:
        return f"<MemoryRevocations of {len(self._sessions)} sessions and {len(self._users)} users>"

    async def is_revoked(self, handle: Handle, user: str | None, generation: int) -> bool:
        return handle in self._sessions or (user is not None and generation < await self.generation(user))

    async def revoke(self, handle: Handle, seconds: int | None) -> bool:
        self._forget()
        first = handle not in self._sessions
        self._sessions[handle] = max(_end(seconds), self._sessions.get(handle, 0))
        return first

    async def generation(self, user: str) -> int:
        return self._users.get(user, (0, math.inf))[0]

    async def revoke_user(self, user: str, seconds: int | None) -> None:
        self._forget()
        self._users[user] = next_generation(await self.generation(user)), _end(seconds)

    async def close(self) -> None:
        self._sessions.clear()
        self._users.clear()

    def _forget(self) -> None:
        now = time.monotonic()
        self._sessions = {handle: end for handle, end in self._sessions.items() if now < end}
        self._users = {user: entry for user, entry in self._users.items() if now < entry[1]}


def _end(seconds: int | None) -> float:
    return math.inf if seconds is None else time.monotonic() + seconds


def next_generation(generation: int) -> int:
    """A later one: the time in milliseconds, so that it is later as well than one that was forgotten since."""
    return max(int(time.time() * 1000), generation + 1)
