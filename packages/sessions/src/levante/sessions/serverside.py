"""Sessions that live in a table on a server; the browser has only their identity. What a cookie cannot do, these can:
end at once, be listed, and be changed by two requests at the same moment without a loss."""

from typing import Final, Literal, Unpack

from .cookie import CookieSource, CookieTarget
from .errors import SealRejected, SessionConflict, SessionStoreUnavailable
from .records import Handle, Record, SessionInfo, handle_of
from .session import Session
from .storage import AbstractStorage, Action, StorageOptions
from .store import Outcome, PutResult, SessionStore

MAX_ATTEMPTS: Final = 16  # each lost race means that somebody else's write went through; 16 in a row is a hot loop

Conflict = Literal["merge", "refuse"]
Outage = Literal["refuse", "anonymous"]


class ServerSideStorage(AbstractStorage):
    """Sessions in a SessionStore.

    `conflict`: when two requests change one session at once, "merge" keeps the changes of both, key by key, and of a
    key that both changed the later one's value; "refuse" raises SessionConflict in the later one, answered with 409.
    `outage`: while the store cannot be asked, "refuse" raises SessionStoreUnavailable, answered with 503; "anonymous"
    gives an empty session that cannot be changed. Either way the visitor's cookie stays as it is. The rest is
    StorageOptions; ValueError for other words.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        conflict: Conflict = "merge",
        outage: Outage = "refuse",
        **options: Unpack[StorageOptions],
    ) -> None:
        super().__init__(**options)
        if conflict not in ("merge", "refuse"):
            raise ValueError(f"conflict is {conflict!r}; expected 'merge' or 'refuse'")
        if outage not in ("refuse", "anonymous"):
            raise ValueError(f"outage is {outage!r}; expected 'refuse' or 'anonymous'")
        self.store = store
        self.conflict = conflict
        self.outage = outage

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.cookie_name!r} on {self.store!r}>"

    async def close(self) -> None:
        await self.store.close()

    async def load_session(self, request: CookieSource) -> Session:
        """The first of the presented identities that is known, else a new session: an unknown one is never adopted
        (session fixation). Raises SessionStoreUnavailable, unless `outage` is "anonymous"."""
        rejected = ""
        for value in self.cookie.values(request):
            try:
                return await self._open(value)
            except SealRejected as error:
                rejected = rejected or error.kind
            except SessionStoreUnavailable as error:
                if self.outage == "refuse":
                    raise
                self.notices.warn(error.reason, "%s; visitors are anonymous for now")
                return Session(dumps=self._encoder, clock=self.clock, read_only=True)
        if rejected:
            self.note_rejection(rejected)
        return await self.new_session()

    async def save_session(self, request: CookieSource, response: CookieTarget, session: Session) -> None:
        """As AbstractStorage; raises SessionConflict and SessionStoreUnavailable as well."""
        action = self.plan(request, session)
        if action is Action.KEEP:
            return
        presented = {handle_of(value) for value in self.cookie.values(request)}
        if action is Action.DELETE:
            await self.store.delete(presented)
            self.cookie.delete(response)
            return
        mine = {handle_of(identity) for identity in (session.identity, session.loaded_as) if identity is not None}
        if not session.stored:
            await self._write(session, refresh=action is Action.REFRESH)
            session.mark_stored()
        if others := presented - mine:  # what new_session() replaced must not be found any more
            await self.store.delete(others)
        self.save_cookie(response, session.identity, max_age=self.remaining(session))

    async def sessions_of(self, user: str) -> list[SessionInfo]:
        """The sessions that `Session.user` was set to `user` in, the one used last first."""
        records = await self.store.of_user(user)
        infos = [SessionInfo(handle, record.created, record.seen) for handle, record in records.items()]
        return sorted(infos, key=lambda info: info.seen, reverse=True)

    async def revoke(self, handle: Handle) -> None:
        """End one session, found by sessions_of()."""
        await self.store.delete([handle])

    async def revoke_user(self, user: str, *, keep: Session | None = None) -> None:
        """End all sessions of a user but `keep`, which is renewed with this response, so that a stolen copy of its
        cookie ends as well: at a change of password, or when an account is closed."""
        kept: set[Handle] = set()
        if keep is not None:
            presented = keep.identity if keep.loaded_as is None else keep.loaded_as
            keep.rebind()  # before anything is revoked: it raises where it is too late
            kept = {handle_of(presented), handle_of(keep.identity)}
        await self.store.delete_user(user, kept)

    async def _open(self, value: str) -> Session:
        handle = handle_of(value)
        record = await self.store.get(handle)
        if record is None:
            raise SealRejected("unknown session")
        try:
            self.check_times(created=record.created, seen=record.seen, max_age=record.max_age)
        except SealRejected:
            await self.store.delete([handle])
            raise
        return Session(value, data=self.decode_data(record.text), record=record, dumps=self._encoder, clock=self.clock)

    async def _write(self, session: Session, *, refresh: bool) -> None:
        for _ in range(MAX_ATTEMPTS):
            found = await self._put(session)
            if found is Outcome.WRITTEN or refresh:
                return  # who wrote in between has refreshed it as well
            if isinstance(found, Outcome):
                raise SessionConflict(ended=True)
            if session.new or self.conflict == "refuse":
                raise SessionConflict(ended=False)
            session.rebase(found, self.decode_data)
        raise SessionConflict(ended=False)

    async def _put(self, session: Session) -> PutResult:
        loaded = session.loaded
        version = 0 if loaded is None else loaded.version
        handle = handle_of(session.identity)
        return await self.store.put(
            handle,
            Record(session.text, session.created, int(self.clock()), session.max_age, session.user, version + 1),
            seconds=self.lifetime(session),
            replaces=handle if session.loaded_as is None else handle_of(session.loaded_as),
            # What does not depend on the one before may come twice, and both times it holds.
            expected=None if session.fresh else version,
        )
