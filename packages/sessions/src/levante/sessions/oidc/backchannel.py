"""The page to which a provider says, from server to server, that somebody has logged out there (OpenID Connect
Back-Channel Logout 1.0): then his sessions end here, although no browser of his is present. That needs sessions that
can end without it: on a server, or in cookies with `revocations`."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from levante.sessions.errors import SessionStoreUnavailable
from levante.sessions.notices import Notices
from levante.sessions.records import handle_of
from levante.sessions.revocations import MemoryRevocations, Revocations
from levante.web import HTTPServiceUnavailable, Request, Response

from .errors import LogoutRefused, ProviderFault
from .logouttoken import LogoutNotice
from .openid import OpenIdLogin

EndSessions: TypeAlias = Callable[[LogoutNotice], Awaitable[None]]
"""Ends the sessions that a notice is about: `storage.revoke_user()` of the user whom `issuer` and `subject` name."""


class BackChannelLogout:
    """Answers the provider of `login`; `end_sessions` is called for each notice that holds. Each is believed once:
    `seen` keeps their ids (by default in this process; a RedisRevocations where there are several)."""

    def __init__(self, login: OpenIdLogin, end_sessions: EndSessions, *, seen: Revocations | None = None) -> None:
        self._login = login
        self._end_sessions = end_sessions
        self._seen = MemoryRevocations() if seen is None else seen
        self._notices = Notices()

    def __repr__(self) -> str:
        return f"<BackChannelLogout of {self._login!r}>"

    async def handle(self, request: Request) -> Response:
        """The handler, for POST: `app.router.add_post("/logout/by-provider", logout.handle)`.

        Raises LogoutRefused and ProviderFault, which are answers, and HTTPServiceUnavailable while sessions cannot be
        ended: the notice holds then when it is sent again.
        """
        try:
            await self._take(request)
        except (LogoutRefused, ProviderFault) as error:
            self._notices.warn(error.why, "logout by the provider: %s")
            raise
        except SessionStoreUnavailable as error:
            self._notices.warn(error.reason, "logout by the provider: %s")
            raise HTTPServiceUnavailable(headers={"Retry-After": "1", "Cache-Control": "no-store"}) from error
        return Response(headers={"Cache-Control": "no-store"})

    async def _take(self, request: Request) -> None:
        given = (await request.post()).getall("logout_token", [])
        token = given[0] if len(given) == 1 else None
        if not isinstance(token, str):
            raise LogoutRefused("the form has no logout_token, or several")
        notice = await self._login.logout_notice(token)
        handle = handle_of(f"logout:{notice.issuer}:{notice.token_id}")
        if await self._seen.is_revoked(handle, None, 0):
            raise LogoutRefused("the provider's logout token came before")
        await self._end_sessions(notice)
        # Only now: one that could not be carried out has to hold when it comes again.
        await self._seen.revoke(handle, max(1, notice.until - int(time.time())))
