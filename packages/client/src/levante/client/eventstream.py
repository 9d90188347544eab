"""Server-sent events, read as the WHATWG standard says (HTML, section 9.2.6): lines in, events out. UTF-8 with an
optional BOM, lines ended by LF, CR or CRLF, data of several lines joined by LF, `id` that stays until the next one,
`retry` in milliseconds, comments ignored, an event that the stream breaks off discarded. No I/O."""

import json
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Any

from .errors import ResponseTooLarge
from .textlines import MAX_LINE_SIZE, LineDecoder, lines_of

EVENT_STREAM = "text/event-stream"
# Characters of one event's data, its line ends included: a stream that never ends an event costs no more than this.
MAX_EVENT_SIZE = 4 * 1024 * 1024
# Digits of a `retry` that is looked at: more would be longer than anybody waits.
_RETRY_DIGITS = 12


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event. `event` is its type; `id` the last one the stream has given, which a client that comes back sends as
    Last-Event-ID; `retry` the milliseconds that the stream last asked to wait before that, None when it never did."""

    data: str
    event: str = "message"
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:  # Any: whatever JSON holds
        """The data as JSON. ValueError (json.JSONDecodeError) when it is none."""
        return json.loads(self.data)


class EventParser:
    """Lines in, events out. `last_event_id` and `retry` (milliseconds, None: not given) are what a reconnection needs;
    both stay when the parser is handed to the next stream."""

    def __init__(self, *, last_event_id: str = "", max_event_size: int = MAX_EVENT_SIZE) -> None:
        self.last_event_id = last_event_id
        self.retry: int | None = None
        self._max = max_event_size
        self.restart()

    def restart(self) -> None:
        """Forget the event that has begun: a new stream begins."""
        self._data: list[str] = []
        self._size = 0
        self._event = ""
        self._id = self.last_event_id

    def feed(self, line: str) -> ServerSentEvent | None:
        """The event that `line` ends, if it does. ResponseTooLarge for one with more data than allowed."""
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._size += len(value) + 1
            if self._size > self._max:
                raise ResponseTooLarge("event", maximum=self._max)
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry" and value.isascii() and value.isdecimal() and len(value) <= _RETRY_DIGITS:
            self.retry = int(value)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        self.last_event_id = self._id
        event = None
        if self._data:
            event = ServerSentEvent("\n".join(self._data), self._event or "message", self.last_event_id, self.retry)
        self._data = []
        self._size = 0
        self._event = ""
        return event


async def events_of(
    pieces: AsyncIterable[bytes], parser: EventParser, *, max_line_size: int = MAX_LINE_SIZE
) -> AsyncIterator[ServerSentEvent]:
    """The events of `pieces`."""
    decoder = LineDecoder("utf-8-sig", errors="replace", max_line_size=max_line_size)
    async for line in lines_of(pieces, decoder):
        event = parser.feed(line)
        if event is not None:
            yield event
