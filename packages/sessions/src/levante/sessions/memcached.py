"""Sessions in memcached: shared by all processes and machines of a service, and kept as long as there is room. Needs
the extra `memcached`. Whose session memcached throws out, or loses at a restart, is logged out; and it has no lists:
the sessions of a user can be neither listed nor ended together. Where that matters, use `levante.sessions.redis`.

Every write is compared and set (CAS). memcached has no step that concerns two keys, so a session that gets a new handle
is written there first, while nobody knows it, and then the old record is claimed: by a write that is over when it
arrives, and that only the unchanged record accepts. Whoever comes too late takes the new one back."""

import contextlib
import json
import time
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple, NoReturn, Unpack

from emcache import Client, NotFoundCommandError, NotStoredStorageCommandError, StorageCommandError

from .errors import SessionConflict, SessionRecordTooLarge
from .memcached_link import PATIENCE, Connect, MemcachedLink
from .records import Handle, Record
from .serverside import MAX_ATTEMPTS, Conflict, Outage, ServerSideStorage
from .storage import StorageOptions
from .store import Outcome, PutResult, SessionStore

PREFIX: Final = "levante:sessions:"
MAX_RECORD: Final = 1_000_000  # bytes: memcached takes 1 MiB by default, the key and its own head included
MAX_RELATIVE: Final = 30 * 24 * 3600  # seconds: memcached takes more than that for a time since 1970
MAX_PREFIX: Final = 170  # bytes: a key of memcached has at most 250, and a handle 64
OVER: Final = -1  # the time to live of what is gone when it arrives


class MemcachedStore(SessionStore):
    """A SessionStore on memcached. `memcached` is an address (`host`, `host:port`, `[::1]:port`, `unix:/path`) or a
    coroutine function that makes a client of emcache; `patience` in seconds; every key begins with `prefix`. Raises
    ValueError."""

    def __init__(self, memcached: str | Connect, *, prefix: str = PREFIX, patience: float = PATIENCE) -> None:
        if len(prefix) > MAX_PREFIX or not all("!" <= character <= "~" for character in prefix):
            raise ValueError(f"expected a prefix of ASCII without blanks, {MAX_PREFIX} bytes at most; got {prefix!r}")
        self._link = MemcachedLink(memcached, patience=patience)
        self._prefix = prefix

    def __repr__(self) -> str:
        return f"<MemcachedStore {self._prefix!r}>"

    async def get(self, handle: Handle) -> Record | None:
        return (await self._link.ask(lambda client: _read(client, self._key(handle))))[0]

    async def put(
        self, handle: Handle, record: Record, *, seconds: int | None, replaces: Handle, expected: int | None
    ) -> PutResult:
        """As SessionStore; also raises SessionRecordTooLarge."""
        value, expiry = _encoded(record), _expiry(seconds)
        write = _Write(self._key(handle), record, value, expiry)
        return await self._link.ask(lambda client: write.to(client, replaces=self._key(replaces), expected=expected))

    async def delete(self, handles: Iterable[Handle]) -> None:
        keys = [self._key(handle) for handle in handles]

        async def forget(client: Client) -> None:
            for key in keys:
                await _delete(client, key)

        if keys:
            await self._link.ask(forget)

    async def of_user(self, user: str) -> dict[Handle, Record]:
        """Raises RuntimeError: memcached cannot say."""
        del user
        _refuse_lists()

    async def delete_user(self, user: str, keep: Collection[Handle]) -> None:
        """Raises RuntimeError: memcached cannot find them."""
        del user, keep
        _refuse_lists()

    async def close(self) -> None:
        await self._link.close()

    def _key(self, handle: Handle) -> bytes:
        return f"{self._prefix}session:{handle}".encode()


class MemcachedStorage(ServerSideStorage):
    """Sessions in a MemcachedStore: `MemcachedStorage("127.0.0.1:11211")`.

    `prefix` begins every key; no request waits for memcached longer than `patience` seconds; the other parameters are
    those of ServerSideStorage. `sessions_of` and `revoke_user` raise RuntimeError, and a session of more than a
    megabyte SessionRecordTooLarge.
    """

    def __init__(
        self,
        memcached: str | Connect,
        *,
        prefix: str = PREFIX,
        patience: float = PATIENCE,
        conflict: Conflict = "merge",
        outage: Outage = "refuse",
        **options: Unpack[StorageOptions],
    ) -> None:
        super().__init__(
            MemcachedStore(memcached, prefix=prefix, patience=patience), conflict=conflict, outage=outage, **options
        )


class _Write(NamedTuple):
    """A record on its way to its key."""

    key: bytes
    record: Record
    value: bytes
    expiry: int

    async def to(self, client: Client, *, replaces: bytes, expected: int | None) -> PutResult:
        if expected is None:
            await client.set(self.key, self.value, exptime=self.expiry)
            if replaces != self.key:
                await _delete(client, replaces)
            return Outcome.WRITTEN
        for _ in range(MAX_ATTEMPTS):
            found, token = await _read(client, replaces)
            if expected != (0 if found is None else found.version):
                if (await _read(client, self.key))[0] == self.record:
                    return Outcome.WRITTEN
                return Outcome.GONE if found is None else found
            if await (self._in_place(client, token) if replaces == self.key else self._moved(client, replaces, token)):
                return Outcome.WRITTEN
        raise SessionConflict(ended=False)

    async def _in_place(self, client: Client, token: int | None) -> bool:
        if token is not None:
            return await _swap(client, self.key, self.value, token, self.expiry)
        try:
            await client.add(self.key, self.value, exptime=self.expiry)
        except NotStoredStorageCommandError:
            return False
        return True

    async def _moved(self, client: Client, replaces: bytes, token: int | None) -> bool:
        await client.set(self.key, self.value, exptime=self.expiry)
        if token is None or await _swap(client, replaces, b"", token, OVER):
            return True
        await _delete(client, self.key)
        return False


async def _read(client: Client, key: bytes) -> tuple[Record | None, int | None]:
    """The record, None for none and for what is none of ours; and the token by which to replace what is there."""
    item = await client.gets(key)
    return (None, None) if item is None else (_decoded(item.value), item.cas)


async def _swap(client: Client, key: bytes, value: bytes, token: int, expiry: int) -> bool:
    """Write if nobody has written since the token was read, and say whether."""
    try:
        await client.cas(key, value, token, exptime=expiry)
    except NotStoredStorageCommandError:
        return False
    except StorageCommandError:
        if await client.gets(key) is None:  # it was deleted, which emcache does not tell from failures
            return False
        raise
    return True


async def _delete(client: Client, key: bytes) -> None:
    with contextlib.suppress(NotFoundCommandError):
        await client.delete(key)


def _refuse_lists() -> NoReturn:
    raise RuntimeError(
        "memcached keeps no list of a user's sessions, so that they can be neither listed nor ended together; "
        "RedisStorage can do both"
    )


def _expiry(seconds: int | None) -> int:
    """A lifetime as memcached takes it: in seconds, or a time since 1970 for a long one; 0 is for good."""
    if seconds is None:
        return 0
    return seconds if seconds <= MAX_RELATIVE else int(time.time()) + seconds


def _encoded(record: Record) -> bytes:
    facts = json.dumps([record.created, record.seen, record.max_age, record.user, record.version])
    value = f"{facts}\n{record.text}".encode()
    if len(value) > MAX_RECORD:
        raise SessionRecordTooLarge(size=len(value), maximum=MAX_RECORD)
    return value


def _decoded(value: bytes) -> Record | None:
    facts, _, text = value.partition(b"\n")
    try:
        created, seen, max_age, user, version = json.loads(facts)
        record = Record(text.decode(), created, seen, max_age, user, version)
    except (ValueError, TypeError):
        return None
    numbers = (record.created, record.seen, 0 if max_age is None else max_age, version)
    is_ours = all(type(number) is int for number in numbers) and (user is None or isinstance(user, str))
    return record if is_ours else None
