"""Server-sent events from a server that may go away: an asynchronous iterator of events which connects again when the
stream ends or breaks, with the id of the last event, after the time that the server asked for or a growing one (WHATWG
HTML section 9.2). An answer of 204 ends it, as the standard says; a refusal that will be the same the next time is
raised."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from yarl import URL

from levante.http import hdrs

from .errors import ClientPayloadError, ClientResponseError, ResponseTooLarge
from .eventstream import EVENT_STREAM, MAX_EVENT_SIZE, EventParser, ServerSentEvent, events_of
from .response import ClientResponse
from .session import ClientSession
from .textlines import MAX_LINE_SIZE
from .timeouts import ClientTimeout
from .waits import SURE_SHARE, Backoff, asked_delay, check_attempts, is_temporary, said

_logger = logging.getLogger("levante.client")

# Seconds for a connection; the stream itself may last and be silent as long as it likes.
CONNECT_TIMEOUT = 10.0
STREAM_TIMEOUT = ClientTimeout(total=None, connect=CONNECT_TIMEOUT)

_BACKOFF = Backoff()
_NO_CONTENT = 204


def is_stream_temporary(error: Exception) -> bool:
    """Whether the same attempt may succeed later: what `is_temporary` says, and a stream that was cut."""
    if isinstance(error, ClientPayloadError):
        return not isinstance(error, ResponseTooLarge)
    return is_temporary(error)


class EventSource(AsyncIterator[ServerSentEvent]):
    """The events of `url`, over as many connections as it takes:

        async with EventSource(session, url) as events:
            async for event in events:
                ...

    `last_event_id` is the id to go on from, and is kept up to date. `backoff` says how long to wait before connecting
    again, unless the stream says so by `retry`, of which at most `backoff.last` is waited for; failures in a row wait
    longer each time. `retry` says which errors are tried again, others are raised, and so is the last of `max_attempts`
    in a row that brought no event (None: no limit). `options` are keywords of `ClientSession.get`; the timeout is 10 s
    for connecting and none for the stream: with `timeout=ClientTimeout(total=None, sock_read=45)` a server that pings
    every 15 s is missed when it is gone. Leaving the block closes the connection; so does `close()`.
    """

    def __init__(
        self,
        session: ClientSession,
        url: str | URL,
        *,
        last_event_id: str = "",
        backoff: Backoff = _BACKOFF,
        retry: Callable[[Exception], bool] = is_stream_temporary,
        max_attempts: int | None = None,
        max_line_size: int = MAX_LINE_SIZE,
        max_event_size: int = MAX_EVENT_SIZE,
        **options: Any,  # the keywords of ClientSession.get, each of its own type
    ) -> None:
        self._session = session
        self._url = URL(url)
        self._backoff = backoff
        self._retry = retry
        self._max_attempts = check_attempts(max_attempts)
        self._max_line_size = max_line_size
        self._headers: Mapping[str, str] = dict(options.pop("headers", None) or {})
        self._options = {"timeout": STREAM_TIMEOUT, **options}
        self._parser = EventParser(last_event_id=last_event_id, max_event_size=max_event_size)
        self._response: ClientResponse | None = None
        self._events: AsyncIterator[ServerSentEvent] | None = None
        self._fruitless = 0  # attempts in a row that brought no event
        self._over = False
        self.connections = 0
        """How many streams were opened."""

    @property
    def last_event_id(self) -> str:
        """The id to go on from, "" for none."""
        return self._parser.last_event_id

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; the iteration is over."""
        self._over = True
        await self._leave()

    async def __anext__(self) -> ServerSentEvent:
        while not self._over:
            try:
                if self._events is None:
                    self._events = await self._open()
                event = await anext(self._events, None)
            except Exception as error:
                await self._leave()
                self._fruitless += 1
                if not self._retry(error) or self._fruitless == self._max_attempts:
                    self._over = True
                    raise
                await self._wait_after(error)
                continue
            if event is not None:
                self._fruitless = 0
                return event
            if not self._over:
                await self._ended()
        raise StopAsyncIteration

    async def _open(self) -> AsyncIterator[ServerSentEvent]:
        headers = {hdrs.ACCEPT: EVENT_STREAM, hdrs.CACHE_CONTROL: "no-store", **self._headers}
        if self._parser.last_event_id.isprintable() and self._parser.last_event_id:
            headers["Last-Event-ID"] = self._parser.last_event_id
        response = self._response = await self._session.get(self._url, headers=headers, **self._options)
        if response.status == _NO_CONTENT:
            self._over = True
        elif response.status != 200:
            raise ClientResponseError(
                response.request_info,
                response.history,
                status=response.status,
                message=f"expected a stream of events with status 200, got {response.status} {response.reason}",
                headers=response.headers,
            )
        else:
            response.check_content_type(EVENT_STREAM)
            self.connections += 1
        self._parser.restart()
        return events_of(response.pieces(), self._parser, max_line_size=self._max_line_size)

    async def _ended(self) -> None:
        """The stream ended as it may; one that never says anything is asked less and less often."""
        await self._leave()
        self._fruitless += 1
        await self._wait(0.0)

    async def _wait_after(self, error: Exception) -> None:
        address = self._url.with_query(None).with_user(None)
        _logger.warning("the events of %s broke off, to be tried again: %s", address, said(error))
        await self._wait(asked_delay(error, at_most=self._backoff.last))

    async def _wait(self, asked: float) -> None:
        told = self._parser.retry
        wanted = 0.0 if told is None else min(told / 1000, self._backoff.last)
        attempt = self._fruitless - 1
        if told is None or attempt:
            # The chance is for spreading attempts, and guards nothing.
            wanted = max(wanted, self._backoff.delay(attempt) * random.uniform(SURE_SHARE, 1.0))  # noqa: S311
        await asyncio.sleep(max(wanted, asked))

    async def _leave(self) -> None:
        self._events = None
        response, self._response = self._response, None
        if response is not None:
            await response.wait_for_close()
