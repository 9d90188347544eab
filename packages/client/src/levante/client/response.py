"""A response: its head is here, its body may still be coming. Everything beyond the status is made on first touch.
The connection goes back to the pool by itself when the body is complete; letting go of a response before that closes
the connection."""

import asyncio
import codecs
import json as json_module
import re
import warnings
from collections.abc import Callable, Mapping
from http.cookies import SimpleCookie
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self

from multidict import CIMultiDictProxy
from yarl import URL

from levante.http import (
    DialedConnection,
    HttpVersion,
    MediaType,
    Payload,
    ResponseHead,
    disposition_filename,
    hdrs,
    parse_content_disposition,
    parse_media_type,
    parse_set_cookie,
)

from .connector import Lease
from .cookierules import make_morsel
from .errors import ClientConnectionError, ClientResponseError, ContentTypeError, RequestInfo
from .links import Links, parse_links
from .request import ClientRequest
from .timeouts import Deadline
from .transaction import Transaction, released_error

_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+?\+)?json", re.IGNORECASE)
_OCTETS = MediaType("application", "octet-stream")

CharsetResolver = Callable[["ClientResponse", bytes], str]
JSONDecoder = Callable[[str], Any]  # Any: whatever JSON holds


class ContentDisposition(NamedTuple):
    """The Content-Disposition of a response (RFC 6266)."""

    type: str | None
    parameters: Mapping[str, str]
    filename: str | None


class ClientResponse:
    """The answer to a request. `status` is the code; `method` and `url` are those of the last hop; `history` has the
    redirects before it; `content` is the body as a stream (decompressed unless `auto_decompress=False`)."""

    _released = False

    def __init__(
        self,
        request: ClientRequest,
        transaction: Transaction,
        head: ResponseHead,
        *,
        resolve_charset: CharsetResolver,
    ) -> None:
        self.method = request.method
        self.status: int = head.status
        self.content = transaction.content
        self._request = request
        self._transaction = transaction
        self._head = head
        self._resolve_charset = resolve_charset
        self._body: bytes | None = None
        self._history: tuple[ClientResponse, ...] = ()
        self._in_context = False
        self._cookies: SimpleCookie | None = None
        self._media_type: MediaType | None = None

    def __repr__(self) -> str:
        return f"<ClientResponse {self.method} {self.url} [{self.status} {self.reason}]>"

    def __del__(self) -> None:
        transaction = getattr(self, "_transaction", None)
        if transaction is None or transaction.ended:
            return
        loop = self._request.session.loop
        if loop.is_closed():
            return  # whatever ran is gone with it
        if loop.get_debug():
            text = f"unclosed response {self!r}: release() it or use `async with`"
            warnings.warn(text, ResourceWarning, stacklevel=1, source=self)
        transaction.give_up(released_error())

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
        return self._request.request_info

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
        """The values of Set-Cookie; an empty list costs one look at the head."""
        if self._head.field(b"set-cookie") is None:
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
        field = self._head.headers.get(hdrs.CONTENT_DISPOSITION)
        if field is None:
            return None
        try:
            kind, parameters = parse_content_disposition(field)
        except ValueError:
            return None
        return ContentDisposition(kind, MappingProxyType(parameters), disposition_filename(parameters))

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
                raise ClientConnectionError(
                    "the response was released before its body was read: read it inside `async with`"
                )
            try:
                self._body = await self.content.read()
            except BaseException:
                self.close()
                raise
        return self._body

    def get_encoding(self) -> str:
        """The encoding of the text: the charset if Python knows it, UTF-8 for JSON, else what the session's fallback
        says. RuntimeError when the fallback is needed and the body is not read yet."""
        charset = self.charset
        if charset is not None:
            try:
                return codecs.lookup(charset).name
            except (LookupError, ValueError):
                pass  # an unknown charset is no better than none
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
        if content_type and not self._is_of_type(content_type):
            raise ContentTypeError(
                self.request_info,
                self.history,
                status=self.status,
                message=f"expected {content_type}, got {self.content_type}; json(content_type=None) skips this check",
                headers=self.headers,
            )
        return loads(body.decode(encoding or self.get_encoding()))

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
        """As release(); the body cannot be read afterwards."""
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
        await self.wait_for_close()

    def set_history(self, history: "tuple[ClientResponse, ...]") -> None:
        """For the session: the redirects before this."""
        self._history = history

    def watch(self, deadline: Deadline) -> None:
        """For the session: `deadline` bounds the reading of the body."""
        self._transaction.watch(deadline)

    async def close_when_sent(self, body: Payload) -> None:
        """For the session: close `body`, which may still be read by the upload."""
        await self._transaction.close_when_sent(body)

    def _parsed_type(self) -> MediaType:
        if self._media_type is None:
            field = self._head.field(b"content-type")
            try:
                self._media_type = _OCTETS if field is None else parse_media_type(field.decode("latin-1"))
            except ValueError:
                self._media_type = _OCTETS
        return self._media_type

    def _is_of_type(self, expected: str) -> bool:
        if expected.lower() == "application/json":
            return _JSON_TYPE.fullmatch(self.content_type) is not None
        return expected.lower() in self.content_type
