"""The tokens of a login, kept in its session and renewed in time. A refresh token is used once: requests of one session
that come together wait for one exchange, and its answer is remembered for a moment, for those that were under way with
the old session. On a server the new tokens are saved at once, whatever becomes of the request; and who is told that a
refresh token is used up looks there first, since another process may have been quicker."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn

from levante.http.deadlines import no_deadline
from levante.sessions.errors import SessionWriteTooLate
from levante.sessions.records import Handle, handle_of
from levante.sessions.revocations import Revocations
from levante.sessions.serverside import ServerSideStorage
from levante.sessions.session import Session
from levante.sessions.signed_cookie import SignedCookieStorage
from levante.sessions.visit import get_session, visit_of
from levante.web import Request, Response

from .errors import LoginEnded, LoginRefused, ProviderFault
from .login import CodeLogin, Login, Tokens

MARGIN: Final = 30  # seconds that an access token has left when it is handed out: it is on its way for a while
GRACE: Final = 60  # seconds that an exchange is remembered: a request that began before it has ended by then
TRIES: Final = 20  # looks at what another process may have saved
PAUSE: Final = 0.1  # seconds between them


class _Kept(NamedTuple):
    """The tokens in a session; `ends` in seconds since the epoch, None where the provider did not say."""

    access: str
    refresh: str | None
    ends: int | None

    def lasts(self, until: float) -> bool:
        return self.ends is None or until < self.ends


class _TakenElsewhere(Exception):
    """Another process exchanges this refresh token."""


class TokenKeeper:
    """Keeps the tokens of `login` in the session, under `key`. When they cannot be renewed any more the session ends,
    or, with `ends_session=False`, only they do. `shared` is a list that all processes of the service know, a
    RedisRevocations: then no two of them use one refresh token, which some providers answer by ending all of the
    login."""

    def __init__(
        self,
        login: CodeLogin,
        *,
        key: str = "tokens",
        ends_session: bool = True,
        shared: Revocations | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._login = login
        self._key = key
        self._ends_session = ends_session
        self._shared = shared
        self._clock = clock
        self._exchanges: dict[Handle, asyncio.Task[_Kept]] = {}

    def __repr__(self) -> str:
        return f"<TokenKeeper of {self._login!r}>"

    async def keep(self, request: Request, done: Login) -> None:
        """Keep the tokens of somebody who has just logged in; after `session.user` was set. Raises TypeError where
        the visitor could read them, in a signed cookie."""
        if isinstance(visit_of(request).storage, SignedCookieStorage):
            raise TypeError("a signed cookie shows the tokens to its visitor: use another session storage")
        tokens = Tokens(done.access_token, done.refresh_token, done.expires_in)
        (await get_session(request))[self._key] = list(self._made_of(tokens, None))

    async def access_token(self, request: Request) -> str:
        """An access token that lasts for some time, if one can be had. Raises LoginEnded, which is an answer (401);
        ProviderFault when the provider cannot be asked, and the login goes on; SessionWriteTooLate when the response
        head is made and new tokens could not be kept; and what sessions raise."""
        session = await get_session(request)
        kept = self._kept(session)
        if kept is None:
            raise LoginEnded("nobody has logged in")
        if kept.lasts(self._clock() + MARGIN):
            return kept.access
        if kept.refresh is None:
            return kept.access if kept.lasts(self._clock()) else self._end(session, "the tokens have expired")
        if session.frozen:
            raise SessionWriteTooLate("the tokens were to be renewed")
        try:
            return await self._renewed(request, session, kept, kept.refresh)
        except ProviderFault:
            if kept.lasts(self._clock()):
                return kept.access
            raise

    async def _renewed(self, request: Request, session: Session, kept: _Kept, refresh: str) -> str:
        try:
            fresh = await self._exchanged(kept, refresh)
        except (LoginRefused, _TakenElsewhere) as error:
            found = await self._found_elsewhere(request, kept)
            if found is None and isinstance(error, _TakenElsewhere):
                raise ProviderFault("another request is still renewing the tokens") from error
            if found is None:
                self._end(session, "the provider renews it no more")
            session[self._key] = list(found)
            return found.access
        session[self._key] = list(fresh)
        await self._save_at_once(request, fresh)
        return fresh.access

    def _kept(self, session: Session) -> _Kept | None:
        value: Any = session.get(self._key)
        return _Kept(*value) if isinstance(value, list) and len(value) == len(_Kept._fields) else None

    def _made_of(self, tokens: Tokens, before: str | None) -> _Kept:
        ends = None if tokens.expires_in is None else int(self._clock()) + tokens.expires_in
        return _Kept(tokens.access_token, tokens.refresh_token or before, ends)

    def _end(self, session: Session, why: str) -> NoReturn:
        if self._ends_session:
            session.invalidate()
        else:
            del session[self._key]
        raise LoginEnded(why)

    async def _exchanged(self, kept: _Kept, refresh: str) -> _Kept:
        """What the refresh token gives: the same for all who have the same tokens. The exchange goes on when they give
        up."""
        name = handle_of(f"tokens:{kept.access}:{refresh}")  # of both: some providers keep a refresh token
        task = self._exchanges.get(name)
        if task is None:
            with no_deadline():  # others wait for it as well
                task = self._exchanges[name] = asyncio.create_task(self._exchange(name, refresh))
            task.add_done_callback(lambda done: self._forget_later(name, done))
        return await asyncio.shield(task)

    async def _exchange(self, name: Handle, refresh: str) -> _Kept:
        if self._shared is not None and not await self._shared.revoke(name, GRACE):
            raise _TakenElsewhere
        return self._made_of(await self._login.refresh(refresh), refresh)

    def _forget_later(self, name: Handle, task: "asyncio.Task[_Kept]") -> None:
        is_good = not task.cancelled() and task.exception() is None
        task.get_loop().call_later(GRACE if is_good else 0, self._exchanges.pop, name, None)

    async def _found_elsewhere(self, request: Request, kept: _Kept) -> _Kept | None:
        """Tokens that another process has put into the session meanwhile; None if there are none."""
        storage = visit_of(request).storage
        for _ in range(TRIES if isinstance(storage, ServerSideStorage) else 0):
            found = self._kept(await storage.load_session(request))
            if found is not None and found != kept:
                return found
            await asyncio.sleep(PAUSE)
        return None

    async def _save_at_once(self, request: Request, fresh: _Kept) -> None:
        """The request may fail yet, and other processes look for them."""
        storage = visit_of(request).storage
        if not isinstance(storage, ServerSideStorage) or storage.conflict == "refuse":
            return  # there it would be a conflict with this very request
        session = await storage.load_session(request)
        if self._kept(session) is not None:
            session[self._key] = list(fresh)
            await storage.save_session(request, Response(), session)
