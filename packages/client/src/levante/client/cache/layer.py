"""The cache of a session: between the caller's middlewares and the retries. It asks the storage, lets the rules decide,
sends what must be sent, and keeps what may be kept, once somebody has read it to its end.

Requests for one URL that miss at the same time are all sent: to hold one back until the other is read to its end would
let a slow reader hold up all. What is asked in the background, because a stale answer was handed out, is asked once.
"""

import asyncio
import copy
import logging
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from yarl import URL

from levante.client.errors import ClientConnectionError, ClientError
from levante.client.middlewares import ClientHandlerType
from levante.client.request import ClientRequest
from levante.client.response import ClientResponse
from levante.client.retry import leave
from levante.client.tls import is_verified
from levante.http import hdrs
from levante.http.deadlines import no_deadline

from . import rules
from .answers import Reading, WatchedBody, stored_response
from .entries import Entry, StoredHead
from .storage import CacheStorage, MemoryStorage

_logger = logging.getLogger("levante.client")

# Bytes of the largest body that is kept: what is larger is a download, and its pieces are not held in memory.
MAX_BODY = 8 * 1024 * 1024
# Seconds for a question in the background whose request has no total timeout.
BACKGROUND_TIMEOUT = 60.0
# Name of this cache in Cache-Status (RFC 9211).
CACHE_NAME = "levante"
_NO_CONTENT = 204
_SERVER_ERROR = 500
_GATEWAY_TIMEOUT = 504


@dataclass(slots=True, weakref_slot=True, eq=False)
class _Fetch:
    """A request whose answer may be stored. `void` when something else made that answer doubtful meanwhile."""

    key: str
    void: bool = False


class Cache:
    """A private HTTP cache (RFC 9111; stale-while-revalidate and stale-if-error of RFC 5861): `ClientSession(
    cache=Cache())`, shared by sessions if you like.

    `storage`: where responses are kept, a `MemoryStorage` or a `DiskStorage`, or one of your own. Bodies of more than
    `max_body` bytes are not. Answers to requests with credentials (Authorization, Cookie) are given to requests with
    the same ones only, unless they are `public`; where it is the certificate of the client or the socket that makes
    the difference, each has a cache of its own. What came over TLS that was not verified, or for another name
    (`server_hostname`), is not kept, nor is a body that only the end of its connection ends. Responses from
    here have `Age` and `Cache-Status` fields, and no Set-Cookie.
    """

    def __init__(
        self,
        storage: CacheStorage | None = None,
        *,
        max_body: int = MAX_BODY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._storage: CacheStorage = MemoryStorage() if storage is None else storage
        self._max_body = max_body
        self._clock = clock
        self._fetches: weakref.WeakSet[_Fetch] = weakref.WeakSet()
        self._writes: dict[str, asyncio.Task[None]] = {}
        self._questions: dict[str, asyncio.Task[None]] = {}

    async def forget(self, url: URL | str) -> None:
        """Forget the responses for `url`."""
        await self._invalidate([URL(url)])

    async def settle(self) -> None:
        """Stop what is asked in the background, and wait until what was read is stored. Sessions do so when they
        close."""
        questions = list(self._questions.values())
        for question in questions:
            question.cancel()
        await asyncio.gather(*questions, *self._writes.values(), return_exceptions=True)

    def before(self, handler: ClientHandlerType, reading: Reading) -> ClientHandlerType:
        """`handler` with this cache before it."""

        async def cached(request: ClientRequest) -> ClientResponse:
            return await self.answer(request, handler, reading)

        return cached

    async def answer(self, request: ClientRequest, handler: ClientHandlerType, reading: Reading) -> ClientResponse:
        """The response to `request`: a stored one, or what `handler` gives."""
        # A certificate that was checked for another name says nothing about the host of the URL.
        believable = not request.is_ssl() or (is_verified(request.ssl) and request.server_hostname is None)
        if not believable or not rules.is_cacheable_request(request):
            return await self._pass_on(request, handler)
        key = _key(request.url)
        head_of = _selector(request, reading)
        await self._written(key)
        entry = await self._storage.find(key, head_of)
        if entry is None or (reading.max_body_size is not None and len(entry.body) > reading.max_body_size):
            if "only-if-cached" in rules.control(request.headers):
                return self._nothing(request, reading)
            return await self._fetch(request, handler, reading)
        use = rules.verdict(request.headers, entry.head, self._clock())
        if use is rules.Use.VALIDATE:
            if "only-if-cached" in rules.control(request.headers):
                return self._nothing(request, reading)
            return await self._validate(request, handler, reading, entry=entry)
        if use is rules.Use.STALE:
            self._ask_in_background(request, handler, reading, entry=entry)
        return self._stored(request, entry, reading, said="hit")

    async def _pass_on(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        response = await handler(request)
        urls = rules.invalidated(request.method, request.url, status=response.status, headers=response.headers)
        await self._invalidate(urls)
        return response

    async def _invalidate(self, urls: Iterable[URL]) -> None:
        keys = {_key(url) for url in urls}
        if not keys:
            return
        for fetch in self._fetches:
            fetch.void = fetch.void or fetch.key in keys
        for key in keys:
            await self._written(key)
            await self._storage.remove(key)

    async def _fetch(
        self, request: ClientRequest, handler: ClientHandlerType, reading: Reading
    ) -> ClientResponse:  # fmt: skip
        fetch = _Fetch(_key(request.url))
        self._fetches.add(fetch)
        requested_at = self._clock()
        response = await handler(request)
        return await self._keep(request, response, reading, fetch=fetch, requested_at=requested_at)

    async def _keep(
        self, request: ClientRequest, response: ClientResponse, reading: Reading, *, fetch: _Fetch, requested_at: float
    ) -> ClientResponse:
        """`response`, to be stored when it has been read, if it may be."""
        length = response.content_length
        if not rules.is_storable(response.status, response.headers) or (length or 0) > self._max_body:
            return response
        if length is None and hdrs.TRANSFER_ENCODING not in response.headers and response.status != _NO_CONTENT:
            return response  # it ends when the connection does: nobody can tell all of it from a part
        head = StoredHead(
            url=fetch.key,
            status=response.status,
            reason=response.reason,
            fields=rules.storable_fields(response.headers),
            selecting=rules.selecting_fields(request.headers, response.headers),
            decoded=reading.auto_decompress,
            requested_at=requested_at,
            received_at=self._clock(),
        )

        def complete(body: bytes) -> None:
            if not fetch.void:
                self._write(fetch.key, Entry(head, body))

        if response.content.at_eof():
            complete(b"")
            return response
        response.watch_body(
            lambda raw: WatchedBody(raw, limit=reading.limit, max_size=self._max_body, complete=complete)
        )
        if 300 <= response.status < 400 and length is not None:
            await response.read()  # nobody else reads the body of a redirect
        return response

    async def _validate(
        self, request: ClientRequest, handler: ClientHandlerType, reading: Reading, *, entry: Entry
    ) -> ClientResponse:
        """Ask whether `entry` still holds: it if so, or if the server fails and it may stand in; else the new
        answer."""
        asks = rules.conditions(entry.head)
        fetch = _Fetch(_key(request.url))
        self._fetches.add(fetch)
        requested_at = self._clock()
        request.headers.update(asks)
        try:
            response = await handler(request)
        except ClientConnectionError:
            if not rules.may_stand_in(request.headers, entry.head, self._clock()):
                raise
            return self._stored(request, entry, reading, said="hit; detail=stale-if-error")
        finally:
            for name in asks:
                request.headers.popall(name, None)
        if response.status >= _SERVER_ERROR and rules.may_stand_in(request.headers, entry.head, self._clock()):
            await leave(response, request)
            return self._stored(request, entry, reading, said="hit; detail=stale-if-error")
        if response.status != 304 or not asks:
            return await self._keep(request, response, reading, fetch=fetch, requested_at=requested_at)
        await leave(response, request)
        if not rules.is_same_representation(entry.head, response.headers):
            return await self._fetch(request, handler, reading)
        head = rules.freshened(
            entry.head, request.headers, response.headers, requested_at=requested_at, received_at=self._clock()
        )
        fresh = Entry(head, entry.body)
        if not rules.is_storable(head.status, head.headers):
            await self._invalidate([request.url])
        elif not fetch.void:
            self._write(fetch.key, fresh)
        return self._stored(request, fresh, reading, said="fwd=stale; fwd-status=304")

    def _ask_in_background(
        self, request: ClientRequest, handler: ClientHandlerType, reading: Reading, *, entry: Entry
    ) -> None:
        key = _key(request.url)
        if key in self._questions:
            return
        asking = copy.copy(request)
        asking.headers = request.headers.copy()
        with no_deadline():
            task = asyncio.create_task(self._ask(asking, handler, reading, entry=entry))
        self._questions[key] = task
        task.add_done_callback(lambda _: self._questions.pop(key, None))

    async def _ask(
        self, request: ClientRequest, handler: ClientHandlerType, reading: Reading, *, entry: Entry
    ) -> None:  # fmt: skip
        try:
            async with asyncio.timeout(request.timeout.total or BACKGROUND_TIMEOUT):
                async with await self._validate(request, handler, reading, entry=entry) as response:
                    await response.read()
        except (ClientError, TimeoutError) as error:
            _logger.warning("a stale response could not be renewed: %s", type(error).__name__)

    def _write(self, key: str, entry: Entry) -> None:
        """Store in a task of its own, for who reads a body need not wait for that; who looks for `key` does."""
        before = self._writes.get(key)
        task = asyncio.create_task(self._put(key, entry, before))
        self._writes[key] = task
        task.add_done_callback(lambda done: self._writes.pop(key) if self._writes.get(key) is done else None)

    async def _put(self, key: str, entry: Entry, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await asyncio.wait([before])
        await self._storage.put(key, entry)

    async def _written(self, key: str) -> None:
        write = self._writes.get(key)
        if write is not None:
            await asyncio.wait([write])

    def _stored(self, request: ClientRequest, entry: Entry, reading: Reading, *, said: str) -> ClientResponse:
        head = entry.head
        old = int(rules.age(head, self._clock()))
        fields = [(name, value) for name, value in head.fields if name.lower() not in ("age", "cache-status")]
        fields += [(hdrs.AGE, str(old)), ("Cache-Status", f"{CACHE_NAME}; {said}")]
        return stored_response(
            request,
            status=head.status,
            reason=head.reason,
            fields=tuple(fields),
            body=entry.body,
            reading=reading,
        )

    def _nothing(self, request: ClientRequest, reading: Reading) -> ClientResponse:
        """The answer to only-if-cached where nothing is (RFC 9111 section 5.2.1.7)."""
        return stored_response(
            request,
            status=_GATEWAY_TIMEOUT,
            reason="Gateway Timeout",
            fields=(("Cache-Status", f"{CACHE_NAME}; detail=only-if-cached"), (hdrs.CONTENT_LENGTH, "0")),
            body=b"",
            reading=reading,
        )


def _key(url: URL) -> str:
    return str(url.with_fragment(None).with_user(None))


def _selector(request: ClientRequest, reading: Reading) -> Callable[[StoredHead], bool]:
    url, decoded, headers = _key(request.url), reading.auto_decompress, request.headers.copy()
    return lambda head: head.url == url and head.decoded is decoded and rules.selects(headers, head.selecting)
