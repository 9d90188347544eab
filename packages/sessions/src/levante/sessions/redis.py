"""Sessions in Redis: shared by all processes and machines of a service. Each is a hash under its handle that expires
by itself; a sorted set for each user finds his. A write is one script, which compares the version and moves the record
to its new handle in the same step. Needs the extra `redis`. For one Redis, or one with replicas: in a Redis Cluster
the keys of a script would have to live on one node, and these do not."""

import hashlib
import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Unpack

from redis.asyncio import Redis

from .records import Handle, Record
from .redis_link import PATIENCE, RedisLink, text
from .revocations import Revocations
from .serverside import Conflict, Outage, ServerSideStorage
from .session import IDENTITY_BYTES
from .storage import StorageOptions
from .store import Outcome, PutResult, SessionStore

PREFIX: Final = "levante:sessions:"
BATCH: Final = 500  # of a user's sessions that one question is about: so many answers come well within the patience
_FIELDS: Final = ("text", "created", "seen", "max_age", "user", "version")

# A write that is there already has been made: its confirmation was lost with a connection, and it is sent again.
# KEYS: where the record is, where it goes, its user's set.
# ARGV: the version expected (or ""), milliseconds to live (0: for good), handle that goes, handle that comes, user,
# then pairs of field and value. The time is that of Redis: a machine whose clock is ahead would sweep sessions out of
# the set that live, and no revocation would find them.
_PUT: Final = """
if ARGV[1] ~= '' then
  local version = redis.call('HGET', KEYS[1], 'version') or '0'
  if version ~= ARGV[1] then
    local kept = redis.call('HMGET', KEYS[2], 'text', 'created', 'seen', 'max_age', 'user', 'version')
    local same = true
    for at = 1, 6 do same = same and kept[at] == ARGV[5 + 2 * at] end
    if same then return 'written' end
    return redis.call('HMGET', KEYS[1], 'text', 'created', 'seen', 'max_age', 'user', 'version')
  end
end
if KEYS[1] ~= KEYS[2] then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[2], unpack(ARGV, 6))
local ttl = tonumber(ARGV[2])
if ttl > 0 then redis.call('PEXPIRE', KEYS[2], ttl) else redis.call('PERSIST', KEYS[2]) end
if ARGV[5] ~= '' then
  local left = redis.call('PTTL', KEYS[3])
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZADD', KEYS[3], ttl > 0 and string.format('%.0f', now + ttl) or '+inf', ARGV[4])
  if ARGV[3] ~= ARGV[4] then redis.call('ZREM', KEYS[3], ARGV[3]) end
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now))
  if ttl == 0 then redis.call('PERSIST', KEYS[3])
  elseif left ~= -1 and left < ttl then redis.call('PEXPIRE', KEYS[3], ttl) end
end
return 'written'
"""

# The user's set is emptied from its front, and a renewal adds to it in the step in which it moves a session: when
# nothing is left, no session is either.
# KEYS: the user's set. ARGV: the user, what the keys of sessions begin with, how many to end, handles that stay.
_END_USER: Final = """
local stays = {}
for at = 4, #ARGV do stays[ARGV[at]] = true end
local ended = 0
for _, handle in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[3] + #ARGV)) do
  if not stays[handle] then
    local key = ARGV[2] .. handle
    if redis.call('HGET', key, 'user') == ARGV[1] then redis.call('DEL', key) end
    redis.call('ZREM', KEYS[1], handle)
    ended = ended + 1
  end
end
return ended
"""

# KEYS: the revoked session. ARGV: a word of who revokes it, milliseconds to live (0: for good).
_REVOKE: Final = """
local before = redis.call('GET', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
local lives = tonumber(ARGV[2])
if not before then redis.call('SET', KEYS[1], ARGV[1]) end
if lives == 0 then redis.call('PERSIST', KEYS[1])
elseif left ~= -1 and left < lives then redis.call('PEXPIRE', KEYS[1], lives) end
return before
"""

# KEYS: the user's generation. ARGV: the time in milliseconds, milliseconds to live (0: for good).
_REVOKE_USER: Final = """
local before = tonumber(redis.call('GET', KEYS[1]) or '0')
redis.call('SET', KEYS[1], string.format('%.0f', math.max(before + 1, tonumber(ARGV[1]))))
if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
"""


class RedisStore(SessionStore):
    """A SessionStore on Redis. `redis` is a URL or a client of redis-py; `patience` in seconds; every key begins with
    `prefix`."""

    def __init__(self, redis: "Redis | str", *, prefix: str = PREFIX, patience: float = PATIENCE) -> None:
        self._link = RedisLink(redis, patience=patience)
        self._prefix = prefix
        self._put = self._link.client.register_script(_PUT)
        self._end_user = self._link.client.register_script(_END_USER)

    def __repr__(self) -> str:
        return f"<RedisStore {self._prefix!r}>"

    async def get(self, handle: Handle) -> Record | None:
        return _record(await self._link.ask(lambda: self._link.client.hmget(self._key(handle), _FIELDS)))

    async def put(
        self, handle: Handle, record: Record, *, seconds: int | None, replaces: Handle, expected: int | None
    ) -> PutResult:
        lives = 0 if seconds is None else seconds * 1000
        arguments = ["" if expected is None else expected, lives, replaces, handle, record.user or ""]
        for field in _FIELDS:
            value = getattr(record, field)
            arguments += [field, "" if value is None else value]
        keys = [self._key(replaces), self._key(handle), self._user_key(record.user or "")]
        answer = await self._link.ask(lambda: self._put(keys=keys, args=arguments))
        if not isinstance(answer, list):
            return Outcome.WRITTEN
        return _record(answer) or Outcome.GONE

    async def delete(self, handles: Iterable[Handle]) -> None:
        keys = [self._key(handle) for handle in handles]
        if keys:
            await self._link.ask(lambda: self._link.client.delete(*keys))

    async def of_user(self, user: str) -> dict[Handle, Record]:
        client, key = self._link.client, self._user_key(user)
        members = await self._link.ask(lambda: client.zrange(key, 0, -1))
        handles = [Handle(text(member)) for member in members]
        found: dict[Handle, Record | None] = {}
        for begin in range(0, len(handles), BATCH):
            found |= await self._records(handles[begin : begin + BATCH])
        # Who has logged out, or logged in as somebody else, still stands in the set; it is swept at the next write.
        return {handle: record for handle, record in found.items() if record is not None and record.user == user}

    async def delete_user(self, user: str, keep: Collection[Handle]) -> None:
        arguments: list[str | int] = [user, self._key(Handle("")), BATCH, *keep]
        while await self._link.ask(lambda: self._end_user(keys=[self._user_key(user)], args=arguments)):
            pass

    async def close(self) -> None:
        await self._link.close()

    async def _records(self, handles: list[Handle]) -> dict[Handle, Record | None]:
        pipeline = self._link.client.pipeline(transaction=False)
        for handle in handles:
            pipeline.hmget(self._key(handle), _FIELDS)
        return dict(zip(handles, map(_record, await self._link.ask(pipeline.execute)), strict=True))

    def _key(self, handle: Handle) -> str:
        return f"{self._prefix}session:{handle}"

    def _user_key(self, user: str) -> str:
        return f"{self._prefix}user:{_digest(user)}"


class RedisStorage(ServerSideStorage):
    """Sessions in a RedisStore: `RedisStorage("redis://...")`, or with a client of redis-py, which is then not closed.

    `prefix` begins every key; no request waits for Redis longer than `patience` seconds; the other parameters are those
    of ServerSideStorage.
    """

    def __init__(
        self,
        redis: "Redis | str",
        *,
        prefix: str = PREFIX,
        patience: float = PATIENCE,
        conflict: Conflict = "merge",
        outage: Outage = "refuse",
        **options: Unpack[StorageOptions],
    ) -> None:
        super().__init__(
            RedisStore(redis, prefix=prefix, patience=patience), conflict=conflict, outage=outage, **options
        )


class RedisRevocations(Revocations):
    """Revocations of sealed cookies, in Redis; the parameters are those of RedisStore. What Redis forgets was not
    revoked: have it keep its writes (appendonly), and evict nothing (maxmemory-policy noeviction)."""

    def __init__(self, redis: "Redis | str", *, prefix: str = PREFIX, patience: float = PATIENCE) -> None:
        self._link = RedisLink(redis, patience=patience)
        self._prefix = prefix
        self._revoke = self._link.client.register_script(_REVOKE)
        self._revoke_user = self._link.client.register_script(_REVOKE_USER)

    def __repr__(self) -> str:
        return f"<RedisRevocations {self._prefix!r}>"

    async def is_revoked(self, handle: Handle, user: str | None, generation: int) -> bool:
        keys = [self._session_key(handle)] + ([] if user is None else [self._user_key(user)])
        answer = await self._link.ask(lambda: self._link.client.mget(keys))
        return answer[0] is not None or any(int(newest) > generation for newest in answer[1:] if newest is not None)

    async def revoke(self, handle: Handle, seconds: int | None) -> bool:
        mine = secrets.token_hex(IDENTITY_BYTES)
        arguments: list[str | int] = [mine, 0 if seconds is None else seconds * 1000]
        before = await self._link.ask(lambda: self._revoke(keys=[self._session_key(handle)], args=arguments))
        # Our own word is there before us if the connection broke and the command was sent again.
        return before is None or text(before) == mine

    async def generation(self, user: str) -> int:
        return int(await self._link.ask(lambda: self._link.client.get(self._user_key(user))) or 0)

    async def revoke_user(self, user: str, seconds: int | None) -> None:
        arguments = [int(time.time() * 1000), 0 if seconds is None else seconds * 1000]
        await self._link.ask(lambda: self._revoke_user(keys=[self._user_key(user)], args=arguments))

    async def close(self) -> None:
        await self._link.close()

    def _session_key(self, handle: Handle) -> str:
        return f"{self._prefix}revoked:{handle}"

    def _user_key(self, user: str) -> str:
        return f"{self._prefix}generation:{_digest(user)}"


def _digest(user: str) -> str:
    """Keys are seen by whoever watches Redis; and a user's id may hold anything."""
    return hashlib.sha256(user.encode()).hexdigest()


def _record(fields: Sequence[Any]) -> Record | None:  # Any: bytes or str, as the client was made
    """None for no record, and for what is none of ours."""
    if any(field is None for field in fields):
        return None
    try:
        content, created, seen, max_age, user, version = map(text, fields)
        return Record(content, int(created), int(seen), int(max_age) if max_age else None, user or None, int(version))
    except ValueError:
        return None
