"""The response that is written piece by piece, and the base of all responses. Its states: open (status, headers and
cookies may be changed), prepared (the head is on its way: changing it is an error, not a silent loss), finished. A
response belongs to the one request that prepared it.
"""

import asyncio
import contextlib
import datetime
import math
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from levante.http.dates import format_date, parse_date
from levante.http.errors import PeerDisconnected
from levante.http.exchange import Exchange
from levante.http.hdrs import SERVER
from levante.http.mediatypes import parse_media_type
from levante.http.status import has_empty_body, reason_phrase
from levante.http.validators import ETag, parse_etags
from levante.http.versions import HttpVersion11

from .compression import Compression, ContentCoding, check_available
from .http_exception import refuse_line_breaks
from .response_cookies import CookieMixin
from .sent_headers import SentHeaders
from .trailers import TrailersMixin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from levante.http.encodedwriter import EncodedWriter
    from levante.http.streamwriter import AbstractStreamWriter

    from .types import BaseRequest, LooseHeaders

OCTET_STREAM = "application/octet-stream"

RESET_CONTENT = 205
"""The status of a response without a body that is framed as one with an empty body (RFC 9110 section 15.3.6)."""


class StreamResponse(TrailersMixin, CookieMixin):
    """A response whose body is written with `write`, between `prepare` and `write_eof`.

    As a mapping it holds what handlers leave for middlewares, by `str` or `ResponseKey`.
    """

    __slots__ = (
        "__weakref__",
        "_chunked",
        "_coded",
        "_compression",
        "_cookies",
        "_exchange",
        "_finished",
        "_headers",
        "_initial",
        "_keep_alive",
        "_reason",
        "_request",
        "_status",
        "_unshown",
    )

    def __init__(self, *, status: int = 200, reason: str | None = None, headers: "LooseHeaders | None" = None) -> None:
        self._set_up(status, reason, headers)

    def _set_up(self, status: int, reason: str | None, headers: "LooseHeaders | None") -> None:
        """What __init__ does, by position: a Response is made for every request, and keywords cost twice as much."""
        self._state = None
        self._initial: tuple[tuple[str, str], ...] = ()
        self._headers: CIMultiDict[str] | None = None if headers is None else CIMultiDict(headers)
        self._cookies = None
        self._request: BaseRequest | None = None
        self._exchange: Exchange | None = None
        self._unshown: Exchange | None = None
        self._finished = False
        self._keep_alive: bool | None = None
        self._chunked = False
        self._compression: Compression | None = None
        self._coded: EncodedWriter | None = None
        self._status = status if type(status) is int else int(status)
        if reason is not None:
            refuse_line_breaks("reason", reason)
        self._reason = reason

    # What may be changed until the head is sent.

    @property
    def status(self) -> int:
        """The status code."""
        return self._status

    @property
    def reason(self) -> str:
        """The reason phrase; that of the status unless given."""
        return reason_phrase(self._status) if self._reason is None else self._reason

    def set_status(self, status: int, reason: str | None = None) -> None:
        """Change the status. RuntimeError once prepared; ValueError for CR, LF or NUL in the reason."""
        self._check_changeable("status")
        if reason is not None:
            refuse_line_breaks("reason", reason)
        self._status = int(status)
        self._reason = reason

    @property
    def headers(self) -> CIMultiDict[str]:
        """The headers; once prepared a copy that refuses changes with RuntimeError."""
        if self._headers is None:
            self._headers = CIMultiDict(self._initial)
        if self._unshown is not None:
            shown, self._unshown = self._unshown, None
            for name, value in shown.added_fields():
                self._headers.setdefault(name, value)
        if self._exchange is not None and not isinstance(self._headers, SentHeaders):
            self._headers = SentHeaders(self._headers)
        return self._headers

    @property
    def chunked(self) -> bool:
        """Whether chunked encoding was asked for; a body of unknown length is sent chunked anyway."""
        return self._chunked

    def enable_chunked_encoding(self) -> None:
        """Send chunks even if the length is known. RuntimeError when Content-Length is set, and once prepared."""
        self._check_changeable("chunked encoding")
        if "Content-Length" in self.headers:
            raise RuntimeError("a response is either chunked or has a Content-Length; remove the header first")
        self._chunked = True

    @property
    def compression(self) -> bool:
        """Whether compression was enabled."""
        return self._compression is not None

    def enable_compression(
        self,
        force: ContentCoding | None = None,
        strategy: int | None = None,
        *,
        codings: "Iterable[ContentCoding] | None" = None,
        level: int | None = None,
        flush: bool | None = None,
    ) -> None:
        """Compress the body with the coding that the client likes best (q-values count, `Vary` is added), or with
        `force`. Without `codings` all that are installed are on offer: zstd, br, gzip, deflate.

        Nothing happens when Content-Encoding or Content-Range is set already. A strong ETag becomes a weak one.
        `level` is the coding's own, `strategy` zlib's (br and zstd are then not on offer). What is written may be held
        back to be compressed with what follows, until `drain`; with `flush` it never is, which None means for
        `text/event-stream`. ValueError for a coding whose library is not installed, RuntimeError once prepared.
        """
        self._check_changeable("compression")
        offered = None if codings is None else tuple(codings)
        for coding in (*(() if force is None else (force,)), *(offered or ())):
            if not isinstance(coding, ContentCoding):
                raise TypeError(f"a coding is a ContentCoding; got {coding!r}")
            check_available((coding,))
        self._compression = Compression(force, offered, level, strategy, flush)

    @property
    def keep_alive(self) -> bool | None:
        """False closes the connection after this response; None leaves it to the request."""
        return self._keep_alive

    def force_close(self) -> None:
        """Close the connection after this response; once prepared the client is not told before."""
        self._keep_alive = False
        if self._exchange is not None:
            self._exchange.keep_alive = False

    @property
    def content_length(self) -> int | None:
        """The Content-Length header as a number; None removes it."""
        value = self.headers.get("Content-Length")
        return None if value is None else int(value)

    @content_length.setter
    def content_length(self, value: int | None) -> None:
        if value is None:
            self.headers.pop("Content-Length", None)
            return
        if self._chunked:
            raise RuntimeError(
                "a response is either chunked or has a Content-Length; chunked encoding is enabled already"
            )
        self.headers["Content-Length"] = str(int(value))

    @property
    def content_type(self) -> str:
        """The media type of the body, without its parameters."""
        value = self.headers.get("Content-Type")
        return OCTET_STREAM if value is None else value.partition(";")[0].strip().lower()

    @content_type.setter
    def content_type(self, value: str) -> None:
        charset = self.charset
        self.headers["Content-Type"] = value if charset is None else f"{value}; charset={charset}"

    @property
    def charset(self) -> str | None:
        """The charset parameter of Content-Type. RuntimeError when it is set on `application/octet-stream`."""
        value = self.headers.get("Content-Type")
        return None if value is None else parse_media_type(value).charset

    @charset.setter
    def charset(self, value: str | None) -> None:
        content_type = self.content_type
        if content_type == OCTET_STREAM:
            raise RuntimeError("application/octet-stream has no charset; set content_type first")
        self.headers["Content-Type"] = content_type if value is None else f"{content_type}; charset={value.lower()}"

    @property
    def last_modified(self) -> datetime.datetime | None:
        """Last-Modified; set it from a datetime, seconds since the epoch (a fraction is rounded up), text, or None to
        remove it.
        """
        return parse_date(self.headers.get("Last-Modified"))

    @last_modified.setter
    def last_modified(self, value: float | datetime.datetime | str | None) -> None:
        if value is None:
            self.headers.pop("Last-Modified", None)
        elif isinstance(value, str):
            self.headers["Last-Modified"] = value
        elif isinstance(value, int | float):
            self.headers["Last-Modified"] = format_date(math.ceil(value))
        elif isinstance(value, datetime.datetime):
            moment = value if value.tzinfo is not None else value.replace(tzinfo=datetime.UTC)
            self.headers["Last-Modified"] = format_date(math.ceil(moment.timestamp()))
        else:
            raise TypeError(f"last_modified is a datetime, a number, a str or None; got {value!r}")

    @property
    def etag(self) -> ETag | None:
        """ETag; set it from an `ETag`, from the text between the quotes, or None to remove it. ValueError for a `"`
        inside.
        """
        found = parse_etags(self.headers.get("ETag"))
        return found[0] if found else None

    @etag.setter
    def etag(self, value: ETag | str | None) -> None:
        if value is None:
            self.headers.pop("ETag", None)
        elif isinstance(value, ETag | str):
            self.headers["ETag"] = str(value if isinstance(value, ETag) else ETag(value))
        else:
            raise TypeError(f"etag is an ETag, a str or None; got {value!r}")

    def _check_changeable(self, what: str) -> None:
        if self._exchange is not None:
            raise RuntimeError(f"cannot change {what}: the head of the response is already on its way")

    # Sending.

    @property
    def prepared(self) -> bool:
        """Whether the head is on its way."""
        return self._exchange is not None

    @property
    def task(self) -> object:
        """The task that handles the request, None until prepared."""
        return None if self._request is None else self._request.task

    @property
    def body_length(self) -> int:
        """The bytes sent so far, head included."""
        return 0 if self._exchange is None else self._exchange.bytes_sent

    async def prepare(self, request: "BaseRequest") -> "AbstractStreamWriter | None":
        """Send the head, together with what the handler writes at once. The writer of the body, None when the response
        is already complete.

        Raises RuntimeError when the response was used for another request; LocalProtocolError when a header cannot be
        sent.
        """
        if self._claim(request):
            await self._start(request)
            asyncio.get_running_loop().call_soon(self._send_held_head)
        if self._finished:
            return None
        writer = request.writer
        if self._coded is not None:
            writer.encode_with(self._coded)
        return writer

    def _claim(self, request: "BaseRequest") -> bool:
        """Bind to `request`: True the first time, False when it is bound to it already."""
        if self._request is None:
            self._request = request
            return True
        if self._request.exchange is not request.exchange:  # a clone is the same request
            raise RuntimeError(f"{self!r} was already used for another request; make a new response for each request")
        return False

    async def _start(self, request: "BaseRequest") -> None:
        if request.has_prepare_hooks:
            self._add_defaults(request)
            await request.prepare_hook(self)
        await self._begin(request)

    def _send_held_head(self) -> None:
        """The head waits for the first piece of the body, but not for a handler that waits for something else."""
        if self._exchange is not None and not self._finished:
            with contextlib.suppress(PeerDisconnected):  # which the handler gets to know when it writes
                self._exchange.flush_head()

    def show_added_fields(self, request: "BaseRequest") -> None:
        """Have in `headers` what is added to every head below, Date and Server: receivers of `on_response_prepare` look
        for them there. Most do not look at all, so they are put there for the first who does.
        """
        self._unshown = request.exchange

    def hide_removed_fields(self, request: "BaseRequest") -> None:
        """A receiver may have removed Server. (A Date is sent in any case: RFC 9110 section 6.6.1.)"""
        if self._unshown is not None:
            self._unshown = None  # nobody has looked
        elif SERVER not in self.headers:
            request.exchange.leave_out_server()

    async def _begin(self, request: "BaseRequest") -> None:
        if self._compression:
            await self._start_compression(request)
        self._add_defaults(request)
        self._send_head(request)

    def _add_defaults(self, request: "BaseRequest") -> None:
        """The headers that depend on the body; what depends on the connection is added below."""
        if self._headers is None and self._initial:
            return  # what the constructor made is the type
        if not self._is_empty(request) and self._length() != 0:
            self.headers.setdefault("Content-Type", OCTET_STREAM)

    def _is_empty(self, request: "BaseRequest") -> bool:
        """Whether the status says that there is no body and nothing about one (RFC 9110 section 6.4.1)."""
        return request.method != "HEAD" and has_empty_body(request.method, self._status)

    def _length(self) -> int | None:
        return self.content_length

    def _send_head(self, request: "BaseRequest") -> None:
        if self._chunked and request.version < HttpVersion11:
            self._chunked = self._drop_trailers()
        exchange = request.exchange
        if self._keep_alive is False:
            exchange.keep_alive = False
        length = None if self._chunked else self._length()
        if self._is_empty(request) or self._status == RESET_CONTENT:
            length = 0 if self._status == RESET_CONTENT else None
            self.headers.pop("Content-Length", None)
            self.headers.pop("Transfer-Encoding", None)
        exchange.send_head(self._status, self._reason, self._wire_headers(), length=length)
        self._exchange = exchange

    def _wire_headers(self) -> list[tuple[str, str]]:
        headers = list(self._initial if self._headers is None else self._headers.items())
        if self._cookies:
            headers.extend(("Set-Cookie", cookie.header()) for cookie in self._cookies.values())
        return headers

    async def _start_compression(self, request: "BaseRequest") -> None:
        coding = self._settle_coding(request)
        if coding is not ContentCoding.identity and self._compression is not None:
            self._coded = self._compression.open(coding, request.exchange.write, content_type=self.content_type)

    def _settle_coding(self, request: "BaseRequest") -> ContentCoding:
        """The coding of the body, with the headers set accordingly; identity where there is none."""
        is_empty = self._is_empty(request)
        if self._compression is None or (is_empty and self._status != 304) or self._status == RESET_CONTENT:
            return ContentCoding.identity
        coding = self._compression.settle(self.headers, request.headers, has_body=not is_empty)
        return ContentCoding.identity if is_empty else coding

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write a piece of the body, waiting while the client is slower than the handler.

        Raises RuntimeError before `prepare` and after `write_eof`, TypeError for other types, PeerDisconnected when
        the client is gone, LocalProtocolError beyond the Content-Length.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"a body is written as bytes, bytearray or memoryview; got {type(data).__name__}")
        if self._finished:
            raise RuntimeError("cannot write: the response is finished")
        if self._exchange is None:
            raise RuntimeError("cannot write before prepare()")
        if self._coded is not None:
            await self._coded.write(data)
        elif len(data):
            await self._exchange.write(data)

    async def drain(self) -> None:
        """Send what is held back, of a compressed body as well, and wait until the client has taken enough of it."""
        if self._coded is not None:
            await self._coded.flush()
        if self._exchange is not None:
            await self._exchange.drain()

    async def write_eof(self, data: bytes = b"") -> None:
        """Write the last piece and finish; nothing happens when the response is finished already."""
        if self._finished:
            return
        if self._exchange is None:
            raise RuntimeError("cannot finish a response before prepare()")
        if data:
            await self.write(data)
        if self._coded is not None:
            coded, self._coded = self._coded, None
            await coded.finish()
        if not self._exchange.finished:  # by write_eof() of the writer
            await self._exchange.finish(self._final_trailers() if self._state else None)
        self._finished = True

    async def deliver(self, request: "BaseRequest") -> None:
        """Do what is left to do: prepare and finish, and give back what the body holds, however it ends. The server
        calls this with what the handler returned.
        """
        await self.prepare(request)
        await self.write_eof()

    def __repr__(self) -> str:
        if self._finished:
            info = "finished"
        elif self._exchange is None or self._request is None:
            info = "not prepared"
        else:
            info = f"{self._request.method} {self._request.head.target}"
        return f"<{type(self).__name__} {self._status} {self.reason} {info}>"
