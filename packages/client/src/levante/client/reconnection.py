"""A WebSocket that comes back: an asynchronous iterator of connections, the next one opened when the last one is lost.

Between attempts it waits, longer each time, cut by chance so that the clients of a server that went away do not all
come back in the same moment. A server's refusal that will be the same the next time (a 4xx answer, a wrong certificate,
a wrong URL) is raised; everything else is tried again. What to do, and how long to wait, is decided by functions
without I/O.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self

from yarl import URL

from .session import ClientSession
from .waits import SURE_SHARE, Backoff, asked_delay, check_attempts, is_temporary, said
from .websocket import ClientWebSocketResponse

__all__ = ["Reconnecting", "reconnecting"]

_logger = logging.getLogger("levante.client")

# Seconds that one attempt may take, the opening handshake included: an address that swallows packets is not waited for
# as long as a slow answer may be.
OPEN_TIMEOUT = 10.0
_BACKOFF = Backoff()


class Reconnecting(AsyncIterator[ClientWebSocketResponse]):
    """What `reconnecting` returns. As an asynchronous context manager it closes the connection that is open when the
    block ends, however it ends."""

    def __init__(
        self,
        session: ClientSession,
        url: str | URL,
        *,
        backoff: Backoff,
        retry: Callable[[Exception], bool],
        max_attempts: int | None,
        open_timeout: float | None,
        options: dict[str, Any],  # the keywords of ws_connect, each of its own type
    ) -> None:
        self._session = session
        self._url = URL(url)
        self._backoff = backoff
        self._retry = retry
        self._max_attempts = check_attempts(max_attempts)
        self._open_timeout = open_timeout
        self._options = options
        self._current: ClientWebSocketResponse | None = None
        self._opened_at: float | None = None
        self._attempt: int | None = None  # None: the very first one, which waits for nothing
        self.connections = 0
        """How many were opened."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close_current()

    async def __anext__(self) -> ClientWebSocketResponse:
        """Close the last connection, and open the next one."""
        await self._close_current()
        asked, failures = 0.0, 0
        while True:
            await self._wait(asked)
            try:
                async with asyncio.timeout(self._open_timeout):
                    websocket = await self._session.ws_connect(self._url, **self._options)
            except Exception as error:
                failures += 1
                if not self._retry(error) or failures == self._max_attempts:
                    raise
                asked = asked_delay(error, at_most=self._backoff.last)
                address = self._url.with_query(None).with_user(None)
                _logger.warning("connecting to %s failed, to be tried again: %s", address, said(error))
            else:
                self.connections += 1
                self._current, self._opened_at = websocket, asyncio.get_running_loop().time()
                return websocket

    async def _wait(self, asked: float) -> None:
        if self._attempt is None:
            self._attempt = 0
            return
        # The chance is for spreading attempts, and guards nothing.
        delay = self._backoff.delay(self._attempt) * random.uniform(SURE_SHARE, 1.0)  # noqa: S311
        self._attempt += 1
        await asyncio.sleep(max(delay, asked))

    async def _close_current(self) -> None:
        websocket, self._current = self._current, None
        if websocket is None:
            return
        await websocket.close()
        if self._opened_at is not None and asyncio.get_running_loop().time() - self._opened_at >= self._backoff.stable:
            self._attempt = 0


def reconnecting(
    session: ClientSession,
    url: str | URL,
    *,
    backoff: Backoff = _BACKOFF,
    retry: Callable[[Exception], bool] = is_temporary,
    max_attempts: int | None = None,
    open_timeout: float | None = OPEN_TIMEOUT,
    **options: Any,
) -> Reconnecting:
    """Connections to `url`, one after the other, for as long as the loop goes on:

        async for ws in reconnecting(session, url, heartbeat=20):
            async for message in ws:
                ...

    The body gets an open WebSocket; when it is done with it (the connection was lost or closed, by whomever), the next
    one is opened. `break` ends it; inside `async with reconnecting(...) as connections` that closes the connection too.
    `retry` says which errors of an attempt are tried again; others are raised (by default answers of 4xx and all that
    will be the same the next time), and so is the last of `max_attempts` in a row (None: no limit). `open_timeout` in
    seconds is for each attempt. `options` are keywords of `ClientSession.ws_connect`; without `heartbeat` a peer that
    is gone without a word is never missed.
    """
    return Reconnecting(
        session,
        url,
        backoff=backoff,
        retry=retry,
        max_attempts=max_attempts,
        open_timeout=open_timeout,
        options=options,
    )
