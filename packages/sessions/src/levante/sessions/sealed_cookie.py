"""Sessions that live in the cookie itself, whichever way it is sealed. Inside the seal stand, before the JSON text,
the times and the identity that the server judges the session by:

    created (8 bytes) | last sealed (8) | own max_age or 0 (4) | identity (16) | generation (8) | user (1 and its bytes)

all big-endian. Two requests that change one session at the same moment each send a whole cookie, and the last one to
arrive wins: keep in the cookie what one page sets, and in a storage on the server what must be counted. Nothing is
compressed before sealing: lengths would tell secrets (CRIME). A copy of a cookie that somebody kept outlives a logout,
unless a list of revocations is kept on a server."""

import contextlib
import struct
from collections.abc import Iterator, Sequence
from typing import ClassVar, Final, Unpack

from . import payload
from .cookie import MAX_COOKIE, CookieSource, CookieTarget
from .errors import SealRejected, SessionConflict
from .legacy import LegacyCookies
from .records import Record, handle_of
from .revocations import Revocations
from .session import IDENTITY_BYTES, MAX_LIFETIME, Session
from .signing import Keys, Sealer
from .storage import FUTURE_TOLERANCE, AbstractStorage, Action, StorageOptions

_HEAD: Final = struct.Struct(f">QQI{IDENTITY_BYTES}sQB")


class SealedCookieStorage(AbstractStorage):
    """Base of the signed and the encrypted cookie. `keys` newest first (see signing.parse_keys); `app` keeps two
    applications that share keys and a cookie name apart. `revocations` ends sessions before their time: with it a
    logout, renew() and revoke_user() hold against a copy of the cookie as well. `legacy` reads the cookies of
    aiohttp-session, until they have been replaced. The rest is StorageOptions. Raises WeakKey and ValueError."""

    sealer_class: ClassVar[type[Sealer]]

    def __init__(
        self,
        keys: Keys,
        *,
        app: str = "",
        revocations: Revocations | None = None,
        legacy: Sequence[LegacyCookies] = (),
        **options: Unpack[StorageOptions],
    ) -> None:
        super().__init__(**options)
        self._sealer = self.sealer_class(keys, cookie_name=self.cookie_name, app=app)
        self._revocations = revocations
        self._legacy = tuple(legacy)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.cookie_name!r}, {self._sealer!r}>"

    async def close(self) -> None:
        if self._revocations is not None:
            await self._revocations.close()

    async def load_session(self, request: CookieSource) -> Session:
        """The first of the presented cookies that opens, else a new session and a line in the log. Raises
        SessionStoreUnavailable when revocations are kept and cannot be asked."""
        rejected = ""
        for value in self.cookie.values(request):
            try:
                session, newest = self._open(value)
                await self._check_revoked(session)
            except SealRejected as error:
                rejected = rejected or error.kind
            else:
                if not newest:
                    session.changed()  # sealed anew with the newest key on this response
                return session
        if rejected:
            self.note_rejection(rejected)
        return await self._adopted(request) or await self.new_session()

    async def save_session(self, request: CookieSource, response: CookieTarget, session: Session) -> None:
        action = self.plan(request, session)
        if action is Action.KEEP:
            return
        value = ""
        if action is not Action.DELETE:
            value = self._seal(session, await self._generation(session))
        self.save_cookie(response, value, max_age=self.remaining(session))
        for legacy in self._legacy:
            legacy.delete(request, response)
        if not session.stored and (action is Action.DELETE or session.identity != session.loaded_as):
            await self._revoke_presented(request, session, ends=action is Action.DELETE)
            session.mark_stored()

    def plan(self, request: CookieSource, session: Session) -> Action:
        action = super().plan(request, session)
        if session.empty and any(legacy.presented(request) for legacy in self._legacy):
            return Action.DELETE
        return action

    async def revoke_user(self, user: str, *, keep: Session | None = None) -> None:
        """End all sessions of a user but `keep`, which gets a new seal with this response: at a change of password, or
        when an account is closed. Raises RuntimeError without `revocations`, and SessionStoreUnavailable."""
        if self._revocations is None:
            raise RuntimeError("cookies cannot be revoked without a list on a server: give the storage revocations=")
        if keep is not None:
            keep.rebind()  # before anything is revoked: it raises where it is too late
        await self._revocations.revoke_user(user, None if self.max_age is None else MAX_LIFETIME + FUTURE_TOLERANCE)

    async def _check_revoked(self, session: Session) -> None:
        """Raise SealRejected for one that has ended."""
        if self._revocations is not None:
            generation = session.loaded.generation if session.loaded is not None else 0
            if await self._revocations.is_revoked(handle_of(session.identity), session.user, generation):
                raise SealRejected("revoked")

    async def _generation(self, session: Session) -> int:
        """The generation to seal the session with: the newest at a login, and only then. All of the user's sessions may
        have ended while this request was under way; one that was merely renewed has ended with them."""
        if session.bound and session.user is not None:
            return 0 if self._revocations is None else await self._revocations.generation(session.user)
        return 0 if session.loaded is None else session.loaded.generation

    async def _revoke_presented(self, request: CookieSource, session: Session, *, ends: bool) -> None:
        """End what the request came with: it was logged out, renewed or replaced. Raises SessionConflict when the
        session was to go on, and another request has ended it meanwhile."""
        if self._revocations is None:
            return
        for presented in self._presented(request):
            if presented.identity == session.identity and not ends:  # of aiohttp-session, and going on in our cookie
                continue
            lasts = self.remaining(presented)
            first = await self._revocations.revoke(
                handle_of(presented.identity), None if lasts is None else lasts + FUTURE_TOLERANCE
            )
            if not (first or ends or session.fresh) and presented.identity == session.loaded_as:
                raise SessionConflict(ended=True)

    def _presented(self, request: CookieSource) -> Iterator[Session]:
        for value in self.cookie.values(request):
            with contextlib.suppress(SealRejected):
                yield self._open(value)[0]
        for legacy in self._legacy:
            with contextlib.suppress(SealRejected):
                if (session := self._adopt(legacy, request)) is not None:
                    yield session

    async def _adopted(self, request: CookieSource) -> Session | None:
        """A session found in a cookie of aiohttp-session, to be written in ours."""
        for legacy in self._legacy:
            try:
                session = self._adopt(legacy, request)
                if session is not None:
                    await self._check_revoked(session)
                    return session
            except SealRejected as error:
                self.note_rejection(f"of aiohttp-session: {error.kind}")
        return None

    def _adopt(self, legacy: LegacyCookies, request: CookieSource) -> Session | None:
        found = legacy.read(request)
        if found is None:
            return None
        self.check_times(created=found.created, seen=found.created, max_age=None)
        payload.check_loaded(found.data, found.text)
        session = Session(found.identity, created=found.created, user=found.user, dumps=self._encoder, clock=self.clock)
        session.update(found.data)
        return session

    def _open(self, value: str) -> tuple[Session, bool]:
        """The session, and whether the newest key sealed it. Raises SealRejected."""
        if len(value) > MAX_COOKIE:
            raise SealRejected("too long")
        body, newest = self._sealer.open(value)
        try:
            created, seen, max_age, identity, generation, user_size = _HEAD.unpack_from(body)
            start = _HEAD.size + user_size
            user = body[_HEAD.size : start].decode("utf-8") or None
            text = body[start:].decode("utf-8")
        except (struct.error, UnicodeDecodeError):
            raise SealRejected("bad payload") from None
        self.check_times(created=created, seen=seen, max_age=max_age or None)
        record = Record(text, created, seen, max_age or None, user, 0, generation)
        data = self.decode_data(text)
        return Session(identity.hex(), data=data, record=record, dumps=self._encoder, clock=self.clock), newest

    def _seal(self, session: Session, generation: int) -> str:
        user = (session.user or "").encode("utf-8")
        head = _HEAD.pack(
            session.created,
            int(self.clock()),
            session.max_age or 0,
            bytes.fromhex(session.identity),
            generation,
            len(user),
        )
        return self._sealer.seal(head + user + session.text.encode("utf-8"))
