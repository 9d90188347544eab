"""Sessions in this process's memory, for tests and for trying things out: gone at restart, not shared with other
processes. The cookie holds only the identity; the table holds only a hash of it, so that a dump of the table opens
nobody's session."""

import hashlib
from dataclasses import dataclass
from typing import Final, Unpack

from .cookie import CookieSource, CookieTarget
from .errors import SealRejected
from .session import Session
from .storage import AbstractStorage, Action, StorageOptions

MAX_SESSIONS: Final = 10_000  # visitors without cookies make one each request: the one idle longest makes room


@dataclass(frozen=True, slots=True)
class _Record:
    text: str
    created: int
    seen: int
    max_age: int | None


class MemoryStorage(AbstractStorage):
    """Sessions in a dict; the options are StorageOptions. When two requests change one session at once, the last to
    finish wins."""

    def __init__(self, *, max_sessions: int = MAX_SESSIONS, **options: Unpack[StorageOptions]) -> None:
        super().__init__(**options)
        self._max_sessions = max_sessions
        self._records: dict[bytes, _Record] = {}  # in the order of last use

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"<MemoryStorage {self.cookie_name!r}, {len(self._records)} sessions>"

    async def load_session(self, request: CookieSource) -> Session:
        rejected = ""
        for value in self.cookie.values(request):
            try:
                return self._open(value)
            except SealRejected as error:
                rejected = rejected or error.kind
        if rejected:
            self.note_rejection(rejected)
        return await self.new_session()

    async def save_session(self, request: CookieSource, response: CookieTarget, session: Session) -> None:
        action = self.plan(request, session)
        if action is Action.KEEP:
            return
        for value in self.cookie.values(request):
            if value != session.identity or action is Action.DELETE:
                self._records.pop(
                    _hash(value), None
                )  # a renewed or replaced session must not be found under its old identity
        if action is Action.DELETE:
            self.cookie.delete(response)
            return
        key = _hash(session.identity)
        self._records.pop(key, None)
        while len(self._records) >= self._max_sessions:
            del self._records[next(iter(self._records))]
        self._records[key] = _Record(session.text, session.created, int(self.clock()), session.max_age)
        self.save_cookie(response, session.identity, max_age=self.remaining(session))

    def _open(self, value: str) -> Session:
        key = _hash(value)
        record = self._records.get(key)
        if record is None:
            raise SealRejected("unknown session")  # its identity is never adopted (session fixation)
        try:
            self.check_times(created=record.created, seen=record.seen, max_age=record.max_age)
        except SealRejected:
            del self._records[key]
            raise
        return Session(
            value,
            data=self.decode_data(record.text),
            text=record.text,
            created=record.created,
            seen=record.seen,
            max_age=record.max_age,
            dumps=self._encoder,
            clock=self.clock,
        )


def _hash(identity: str) -> bytes:
    return hashlib.sha256(identity.encode("utf-8", "surrogateescape")).digest()
