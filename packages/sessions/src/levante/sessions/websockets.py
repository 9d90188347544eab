"""WebSockets that end with the session. The session is asked before the 101, as the origin is, and again every half
minute while the socket is open: a logout, an expiry or a revocation closes it with 4401, for a page that stays open
overnight must not go on hearing what its visitor may not hear any more."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from levante.web import HTTPUnauthorized, Request, WebSocketResponse

from .errors import SessionStoreUnavailable
from .session import Session
from .visit import get_session, visit_of

RECHECK: Final = 30.0  # seconds between two looks at the session: one read of the storage each
SESSION_ENDED: Final = 4401  # close code: 4000 and the status of HTTP; codes from 4000 are for applications
TRY_AGAIN: Final = 1013  # close code: the session cannot be asked; come back later
FAILED: Final = 1011  # close code: the question raised
OUTAGE_CHECKS: Final = (
    4  # failed looks in a row that are forgiven: Redis restarts in less, and a door stays shut longer
)

Allowed = Callable[[Session], bool | Awaitable[bool]]
"""Whether a session may have the WebSocket; may be `async def`."""


def has_user(session: Session) -> bool:
    """Whether somebody has logged in."""
    return session.user is not None


@asynccontextmanager
async def guard_websocket(
    request: Request, ws: WebSocketResponse, *, allowed: Allowed = has_user, recheck: float = RECHECK
) -> AsyncIterator[Session]:
    """Open `ws` for a session that is `allowed` to, and close it when it no longer is:

        async with guard_websocket(request, ws):
            async for message in ws: ...
        return ws

    Every `recheck` seconds the session is read anew; when it has ended, has another identity (a renewal) or user, or is
    not allowed any more, the socket is closed with 4401. While the storage is away the socket stays open, for four
    looks, and is then closed with 1013. Raises HTTPUnauthorized before the 101, what `ws.prepare()` raises (403 for a
    foreign origin), and SessionStoreUnavailable.

    A cookie that holds its session itself says nothing of a logout unless its storage keeps `revocations`, and stays as
    it came: its idle time runs from the request that opened the socket.
    """
    if recheck <= 0:
        raise ValueError(f"recheck is {recheck}; expected seconds above 0")
    session = await get_session(request)
    if not await _is_allowed(allowed, session):
        raise HTTPUnauthorized(headers={"WWW-Authenticate": 'Session realm="login"'})
    await ws.prepare(request)
    watch = _Watch(request, ws, session, allowed)
    task = asyncio.create_task(watch.run(recheck))
    try:
        yield session
    finally:
        if not watch.has_seen_the_end:
            task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


class _Watch:
    """Looks at the session of an open WebSocket until one of them ends."""

    def __init__(self, request: Request, ws: WebSocketResponse, session: Session, allowed: Allowed) -> None:
        self._request = request
        self._ws = ws
        self._storage = visit_of(request).storage
        self._known = (session.identity, session.user)
        self._allowed = allowed
        self._failed = 0
        self.has_seen_the_end = False

    async def run(self, recheck: float) -> None:
        try:
            code, reason = await self._end(recheck)
        except Exception:
            await self._close(FAILED, b"")
            raise
        await self._close(code, reason)

    async def _end(self, recheck: float) -> tuple[int, bytes]:
        """Wait for it; close code and reason."""
        while self._failed < OUTAGE_CHECKS:
            await asyncio.sleep(recheck)
            if not await self._lives():
                return SESSION_ENDED, b"the session has ended"
        return TRY_AGAIN, b"the session cannot be asked"

    async def _close(self, code: int, reason: bytes) -> None:
        self.has_seen_the_end = True
        await self._ws.close(code=code, message=reason)

    async def _lives(self) -> bool:
        """Whether the session goes on, as far as is known."""
        try:
            found = await self._storage.load_session(self._request)
        except SessionStoreUnavailable:
            self._failed += 1
            return True
        if found.read_only:  # an empty one stands in for it during an outage
            self._failed += 1
            return True
        self._failed = 0
        return (found.identity, found.user) == self._known and await _is_allowed(self._allowed, found)


async def _is_allowed(allowed: Allowed, session: Session) -> bool:
    verdict = allowed(session)
    return (await verdict if inspect.isawaitable(verdict) else verdict) is True
