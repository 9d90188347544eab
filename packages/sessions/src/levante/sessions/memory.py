"""Sessions in this process's memory, for tests and for trying things out: gone at restart, not shared with other
processes."""

import math
import time
from collections.abc import Collection, Iterable
from typing import Final, Unpack

from .records import Handle, Record
from .serverside import Conflict, ServerSideStorage
from .storage import StorageOptions
from .store import Outcome, PutResult, SessionStore

MAX_SESSIONS: Final = 10_000  # visitors without cookies make one each request: the one idle longest makes room


class MemoryStore(SessionStore):
    """Records in a dict, at most `max_sessions` of them."""

    def __init__(self, *, max_sessions: int = MAX_SESSIONS) -> None:
        self._max_sessions = max_sessions
        self._entries: dict[Handle, tuple[Record, float]] = {}  # with their ends; in the order of last use

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self._entries)} sessions>"

    async def get(self, handle: Handle) -> Record | None:
        return self._alive(handle)

    async def put(
        self, handle: Handle, record: Record, *, seconds: int | None, replaces: Handle, expected: int | None
    ) -> PutResult:
        found = self._alive(replaces)
        if expected is not None and expected != (0 if found is None else found.version):
            if self._alive(handle) == record:
                return Outcome.WRITTEN
            return Outcome.GONE if found is None else found
        await self.delete([replaces, handle])
        while len(self._entries) >= self._max_sessions:
            del self._entries[next(iter(self._entries))]
        self._entries[handle] = record, math.inf if seconds is None else time.monotonic() + seconds
        return Outcome.WRITTEN

    async def delete(self, handles: Iterable[Handle]) -> None:
        for handle in handles:
            self._entries.pop(handle, None)

    async def of_user(self, user: str) -> dict[Handle, Record]:
        records = {handle: self._alive(handle) for handle in list(self._entries)}
        return {handle: record for handle, record in records.items() if record is not None and record.user == user}

    async def delete_user(self, user: str, keep: Collection[Handle]) -> None:
        await self.delete((await self.of_user(user)).keys() - set(keep))

    async def close(self) -> None:
        self._entries.clear()

    def _alive(self, handle: Handle) -> Record | None:
        record, end = self._entries.get(handle, (None, math.inf))
        if time.monotonic() < end:
            return record
        del self._entries[handle]
        return None


class MemoryStorage(ServerSideStorage):
    """Sessions in a MemoryStore; the parameters are those of ServerSideStorage, but for `outage`: memory has none."""

    def __init__(
        self, *, max_sessions: int = MAX_SESSIONS, conflict: Conflict = "merge", **options: Unpack[StorageOptions]
    ) -> None:
        super().__init__(MemoryStore(max_sessions=max_sessions), conflict=conflict, **options)
