"""A response: its head is here, its body may still be coming. Everything beyond the status is made on first touch.
The connection goes back to the pool by itself when the body is complete; letting go of a response before that closes
the connection."""

import asyncio
import codecs
import json as json_module
import re
import warnings
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from http.cookies import SimpleCookie
from types import TracebackType
from typing import Any, Self

from multidict import CIMultiDictProxy
from yarl import URL

from levante.http import (
    DialedConnection,
    HttpVersion,
    MediaType,
    Payload,
    ResponseHead,
    StreamReader,
    hdrs,
    parse_media_type,
    parse_set_cookie,
)
from levante.http.fieldnames import SET_COOKIE

from .connector import Lease
from .cookierules import make_morsel
from .disposition import ContentDisposition, read_disposition
from .errors import ClientConnectionError, ClientResponseError, ContentTypeError, RequestInfo
from .eventstream import EVENT_STREAM, MAX_EVENT_SIZE, EventParser, ServerSentEvent, events_of
from .jsonrecords import MAX_RECORD_SIZE, SEQUENCE_TYPES, JSONFormat, RecordSplitter, records_of
from .links import Links, parse_links
from .request import ClientRequest
from .textlines import MAX_LINE_SIZE, LineDecoder, lines_of
from .timeouts import Deadline
from .transaction import Transaction, released_error

_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+?\+)?json", re.IGNORECASE)
_OCTETS = MediaType("application", "octet-stream")

CharsetResolver = Callable[["ClientResponse", bytes], str]
JSONDecoder = Callable[[str], Any]  # Any: whatever JSON holds


class _Neglected:
    """Held by a response that holds a connection, and by nothing else: so it learns when the response is dropped."""

    __slots__ = ("_loop", "_name", "_transaction")

    def __init__(self, name: str, transaction: Transaction, loop: asyncio.AbstractEventLoop) -> None:
        self._name = name
        self._transaction = transaction
        self._loop = loop

    def __del__(self) -> None:
        if self._transaction.ended or self._loop.is_closed():
            return  # where the loop is closed, whatever ran is gone with it
        if self._loop.get_debug():
            text = f"unclosed response {self._name}: release() it or use `async with`"
            warnings.warn(text, ResourceWarning, stacklevel=1, source=self)
        self._transaction.give_up(released_error())


class ClientResponse:
    """The answer to a request. `status` is the code; `method` and `url` are those of the last hop; `history` has the
    redirects before it; `content` is the body as a stream (decompressed unless `auto_decompress=False`)."""

    # What a response begins with; most keep it.
    _body: bytes | None = None
    _history: "tuple[ClientResponse, ...]" = ()
    _in_context = False
    _released = False
    _cookies: SimpleCookie | None = None
    _media_type: MediaType | None = None
    _neglected: "_Neglected | None" = None

    def __init__(
        self,
        request: ClientRequest,
        transaction: Transaction,
        head: ResponseHead,
        resolve_charset: CharsetResolver,
    ) -> None:
        self.method = request.method
        self.status: int = head.status
        self.content = transaction.content
        self._request = request
        self._transaction = transaction
        self._head = head
        self._resolve_charset = resolve_charset

    def __repr__(self) -> str:
        return f"<ClientResponse {self.method} {self.url} [{self.status} {self.reason}]>"

    @property
    def url(self) -> URL:
        """The URL of the last hop, without fragment."""
        return self._request.url

    @property
    def real_url(self) -> URL:
        """The URL of the last hop, with fragment."""
        return self._request.original_url

    @property
    def host(self) -> str:
        """The host of the URL."""
        return self.url.host or ""

    @property
    def version(self) -> HttpVersion:
        """The HTTP version of the response."""
        return self._head.version

    @property
    def informational(self) -> tuple[ResponseHead, ...]:
        """The heads of the interim responses before this one, the oldest first, such as 103 (Early Hints) with its
        Link fields (RFC 8297)."""
        return tuple(self._transaction.exchange.informational)

    @property
    def reason(self) -> str:
        """The reason phrase, possibly empty."""
        return self._head.reason

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The header fields."""
        return self._head.headers

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The header fields as received."""
        return self._head.raw_headers

    @property
    def request_info(self) -> RequestInfo:
        """What was asked on the last hop."""
        info = self._request.request_info
        if not self._transaction.sent.unlisted:
            return info
        headers = info.headers.copy()
        headers[hdrs.CONTENT_LENGTH] = str(self._transaction.sent.size)
        return info._replace(headers=CIMultiDictProxy(headers))

    @property
    def history(self) -> "tuple[ClientResponse, ...]":
        """The redirects that led here, oldest first."""
        return self._history

    @property
    def cookies(self) -> SimpleCookie:
        """The cookies that this very response sets."""
        if self._cookies is None:
            self._cookies = SimpleCookie()
            for cookie in parse_set_cookie(self.set_cookie_fields()):
                coded = cookie.value if cookie.raw_value is None else cookie.raw_value
                morsel = make_morsel(cookie.name, cookie.value, coded)
                for name in ("path", "domain", "secure", "httponly", "samesite"):
                    morsel[name] = getattr(cookie, name) or ""
                morsel["max-age"] = "" if cookie.max_age is None else str(cookie.max_age)
                self._cookies[cookie.name] = morsel
        return self._cookies

    def set_cookie_fields(self) -> list[str]:
        """The values of Set-Cookie."""
        if not self._head.seen & SET_COOKIE:
            return []
        return self._head.headers.getall(hdrs.SET_COOKIE)

    @property
    def links(self) -> Links:
        """The links of the Link fields (RFC 8288), keyed by relation."""
        return parse_links(self.headers.getall(hdrs.LINK, []), self.url)

    @property
    def content_type(self) -> str:
        """The media type without parameters, lower case; application/octet-stream when there is none, or an
        unreadable one."""
        return self._parsed_type().essence

    @property
    def charset(self) -> str | None:
        """The charset parameter of the content type."""
        return self._parsed_type().charset

    @property
    def content_length(self) -> int | None:
        """The value of Content-Length."""
        return self._head.content_length

    @property
    def content_disposition(self) -> ContentDisposition | None:
        """The Content-Disposition field; None when there is none, or an unreadable one."""
        return read_disposition(self._head.headers.get(hdrs.CONTENT_DISPOSITION))

    @property
    def connection(self) -> DialedConnection | None:
        """The connection while the response holds it."""
        lease = self._transaction.lease
        return None if lease.ended else lease.connection

    def upgrade(self, protocol: asyncio.BaseProtocol) -> Lease:
        """After a 101: hand the connection to `protocol`. The lease is the caller's to end; the response holds the
        connection no longer."""
        return self._transaction.upgrade(protocol)

    @property
    def closed(self) -> bool:
        """Whether the response holds its connection no longer."""
        return self._transaction.ended

    @property
    def output_size(self) -> int:
        """How many bytes of request body have been written."""
        return self._transaction.sent.bytes_sent

    @property
    def upload_complete(self) -> "asyncio.Future[None]":
        """Done when the request body is sent, or was given up."""
        upload = self._transaction.upload
        if upload is None:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        return asyncio.shield(upload)

    async def read(self) -> bytes:
        """The whole body. It is kept: further calls return the same bytes. ClientPayloadError when it is cut short
        or broken, ClientConnectionError after release(), SocketTimeoutError and TimeoutError as the timeouts say."""
        if self._body is None:
            if self._released:
                raise _read_too_late()
            try:
                body = self.content.rest()
                self._body = await self.content.read() if body is None else body
            except BaseException:
                self.close()
                raise
        return self._body

    def get_encoding(self) -> str:
        """The encoding of the text: the charset if Python knows it, UTF-8 for JSON, else what the session's fallback
        says. RuntimeError when the fallback is needed and the body is not read yet."""
        known = self._known_charset()
        if known is not None:
            return known
        media_type = self._parsed_type()
        if media_type.type == "application" and (media_type.subtype in {"json", "rdap"} or media_type.suffix == "json"):
            return "utf-8"
        if self._body is None:
            raise RuntimeError("the encoding cannot be guessed before the body is read: await read() first")
        return self._resolve_charset(self, self._body)

    async def text(self, encoding: str | None = None, errors: str = "strict") -> str:
        """The whole body as text. UnicodeDecodeError when it is none (`errors="replace"` to get it anyway)."""
        body = await self.read()
        return body.decode(encoding or self.get_encoding(), errors)

    async def json(
        self,
        *,
        encoding: str | None = None,
        loads: JSONDecoder = json_module.loads,
        content_type: str | None = "application/json",
    ) -> Any:  # Any: whatever JSON holds
        """The whole body as JSON. ContentTypeError when the content type is not JSON (`content_type=None` skips the
        check), ValueError (json.JSONDecodeError) when the body is not, an empty one included."""
        body = await self.read()
        if content_type:
            self.check_content_type(content_type, "json")
        return loads(body.decode(encoding or self.get_encoding()))

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in the pieces that arrive; what was read already, as one."""
        if self._body is not None:
            yield self._body
            return
        if self._released:
            raise _read_too_late()
        while piece := await self.content.readany():
            yield piece

    def iter_lines(
        self, *, encoding: str | None = None, errors: str = "strict", max_line_size: int = MAX_LINE_SIZE
    ) -> AsyncIterator[str]:
        """The body as lines of text, as they arrive, without their ends (LF, CR or CRLF). `encoding`: by default the
        charset of the response, else UTF-8. ResponseTooLarge for a line of more than `max_line_size` characters,
        UnicodeDecodeError as `errors` says, and what reading raises."""
        decoder = LineDecoder(encoding or self._known_charset() or "utf-8", errors=errors, max_line_size=max_line_size)
        return lines_of(self.pieces(), decoder)

    def iter_sse(
        self,
        *,
        content_type: str | None = EVENT_STREAM,
        max_line_size: int = MAX_LINE_SIZE,
        max_event_size: int = MAX_EVENT_SIZE,
    ) -> AsyncIterator[ServerSentEvent]:
        """The body as server-sent events (WHATWG HTML section 9.2), as they arrive. ContentTypeError when the response
        is no `content_type` (None skips the check), ResponseTooLarge for a line or the data of an event that is
        longer, in characters, and what reading raises. `EventSource` is the form that connects again."""
        if content_type:
            self.check_content_type(content_type, "iter_sse")
        return events_of(self.pieces(), EventParser(max_event_size=max_event_size), max_line_size=max_line_size)

    async def iter_json(
        self,
        *,
        form: JSONFormat | None = None,
        loads: JSONDecoder = json_module.loads,
        max_record_size: int = MAX_RECORD_SIZE,
    ) -> AsyncIterator[Any]:  # Any: whatever JSON holds
        """The body as JSON values, as they arrive: one a line (`form="lines"`: NDJSON, JSON Lines), or a JSON text
        sequence (`"seq"`, RFC 7464), which is what a content type of application/json-seq means by default.
        ResponseTooLarge for a value of more than `max_record_size` bytes, ValueError (json.JSONDecodeError) for one
        that is no JSON, ClientPayloadError for a sequence that is cut short, and what reading raises."""
        if form is None:
            form = "seq" if self.content_type in SEQUENCE_TYPES else "lines"
        async for record in records_of(self.pieces(), RecordSplitter(form, max_size=max_record_size)):
            yield loads(record)

    def check_content_type(self, expected: str, method: str = "") -> None:
        """ContentTypeError when the response is not of type `expected`; `method` can skip this check."""
        if not self._is_of_type(expected):
            cure = f"; {method}(content_type=None) skips this check" if method else ""
            raise ContentTypeError(
                self.request_info,
                self.history,
                status=self.status,
                message=f"expected {expected}, got {self.content_type}{cure}",
                headers=self.headers,
            )

    def raise_for_status(self) -> None:
        """ClientResponseError for a status of 400 and above; the connection is released unless `async with` will do
        it."""
        if self.ok:
            return
        if not self._in_context:
            self.release()
        raise ClientResponseError(
            self.request_info, self.history, status=self.status, message=self.reason, headers=self.headers
        )  # fmt: skip

    def release(self) -> None:
        """Let go: a body that is not complete is given up, and its connection closed. What was read stays."""
        self._released = True
        self._transaction.give_up(released_error())

    def close(self) -> None:
        """As release()."""
        self.release()

    async def wait_for_close(self) -> None:
        """Let go, and return when the request body is no longer being sent."""
        self._released = True
        await self._transaction.settle()

    async def __aenter__(self) -> Self:
        self._in_context = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in_context = False
        self._released = True
        if not self._transaction.settled:
            await self._transaction.settle()

    def set_history(self, history: "tuple[ClientResponse, ...]") -> None:
        """For the session: the redirects before this."""
        self._history = history

    def watch_body(self, wrap: Callable[[StreamReader], StreamReader]) -> None:
        """For the session: what `wrap` makes of the body is what is read."""
        self.content = self._transaction.content = wrap(self.content)

    def watch_for_neglect(self) -> None:
        """For the session: let go of the connection when nobody has this response any more."""
        self._neglected = _Neglected(repr(self), self._transaction, self._request.session.loop)

    def watch(self, deadline: Deadline) -> None:
        """For the session: `deadline` bounds the reading of the body."""
        self._transaction.watch(deadline)

    async def close_when_sent(self, body: Payload) -> None:
        """For the session: close `body`, which may still be read by the upload."""
        await self._transaction.close_when_sent(body)

    def _known_charset(self) -> str | None:
        charset = self.charset
        if charset is None:
            return None
        try:
            return codecs.lookup(charset).name
        except (LookupError, ValueError):
            return None  # an unknown charset is no better than none

    def _parsed_type(self) -> MediaType:
        if self._media_type is None:
            self._media_type = _media_type(self._head.field(b"content-type"))
        return self._media_type

    def _is_of_type(self, expected: str) -> bool:
        if expected.lower() == "application/json":
            return _JSON_TYPE.fullmatch(self.content_type) is not None
        return expected.lower() in self.content_type


# Servers answer with few types; what one makes up is at most as long as a field may be.
@lru_cache(maxsize=64)
def _media_type(field: bytes | None) -> MediaType:
    if field is None:
        return _OCTETS
    try:
        return parse_media_type(field.decode("latin-1"))
    except ValueError:
        return _OCTETS


def _read_too_late() -> ClientConnectionError:
    return ClientConnectionError("the response was released before its body was read: read it inside `async with`")
