"""Stored responses handed out as responses, and live ones watched until they are complete: the two places where the
cache meets the types of the client."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

from multidict import CIMultiDictProxy

from levante.client.connector import Lease
from levante.client.request import ClientRequest
from levante.client.response import CharsetResolver, ClientResponse
from levante.client.transaction import Sent, Transaction
from levante.http import ClientExchange, DecodedStream, ResponseHead, StreamReader

from .entries import Fields

OnComplete = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a session reads bodies, and what it makes of them. `limit`: as for StreamReader."""

    auto_decompress: bool
    limit: int
    resolve_charset: CharsetResolver
    max_body_size: int | None = None
    response_class: type[ClientResponse] = ClientResponse


class _NoExchange:
    """Nothing was exchanged for a response out of a cache."""

    def __init__(self) -> None:
        self.informational: list[ResponseHead] = []


class _NoLease:
    """No connection is held for it."""

    ended = True


def stored_response(
    request: ClientRequest,
    *,
    status: int,
    reason: str,
    fields: Fields,
    body: bytes,
    reading: Reading,
) -> ClientResponse:
    """A response to `request` that is complete and holds no connection."""
    content = StreamReader(None, reading.limit)
    content.feed_data(body)
    content.feed_eof()
    # The two stand in for what a response asks for of them: nothing, where no connection is held.
    transaction = Transaction(
        cast("ClientExchange", _NoExchange()), cast("Lease", _NoLease()), sent=Sent(), content=content
    )  # fmt: skip
    head = ResponseHead.build(status, reason, fields)
    return reading.response_class(request, transaction, head, resolve_charset=reading.resolve_charset)


class WatchedBody(DecodedStream):
    """The body `raw`, which is read as it was; when its end is read, `complete` gets all of it. What grows beyond
    `max_size` bytes is not kept, and a body that breaks off or is left unread is never complete."""

    __slots__ = ("_complete", "_max_size", "_pieces")

    def __init__(self, raw: StreamReader, *, limit: int, max_size: int, complete: OnComplete) -> None:
        super().__init__(raw, None, limit=limit)
        self._complete: OnComplete | None = complete
        self._max_size = max_size
        self._pieces: list[bytes] = []

    def feed_data(self, data: bytes, chunk_ends: Iterable[int] = ()) -> None:
        super().feed_data(data, chunk_ends)
        if self._complete is None:
            return
        self._pieces.append(bytes(data))
        if self.total_bytes > self._max_size:
            self._complete = None
            self._pieces.clear()

    def feed_eof(self, trailers: CIMultiDictProxy[str] | None = None) -> None:
        super().feed_eof(trailers)
        complete, self._complete = self._complete, None
        if complete is not None:
            complete(b"".join(self._pieces))
            self._pieces.clear()
