"""Responses whose body is known as a whole: bytes, text, JSON, or anything that the payload registry knows (files,
async iterators, multipart). A small body leaves with its head in one write, without a signal, a coder or a mapping of
headers having been made for it.
"""

from concurrent.futures import Executor
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from levante.http.hdrs import CONTENT_LENGTH, CONTENT_TYPE
from levante.http.limits import EXECUTOR_THRESHOLD
from levante.http.payloads import Payload, get_payload
from levante.http.status import has_empty_body, is_bodiless
from levante.http.writers import Headers

from .compression import ContentCoding
from .http_exception import HTTPException
from .jsoncodec import CODEC
from .stream_response import RESET_CONTENT, StreamResponse

if TYPE_CHECKING:
    from .types import BaseRequest, JSONBytesEncoder, JSONEncoder, LooseHeaders

__all__ = ["ContentCoding", "Response", "StreamResponse", "exception_response", "json_bytes_response", "json_response"]

DEFAULT_CHARSET = "utf-8"

TEXT_FIELDS = ((CONTENT_TYPE, "text/plain; charset=utf-8"),)
"""The header fields of a response that was made from a text and nothing else."""

MAX_TYPES = 64
"""Media types whose header fields are kept, so that the writer below meets the same tuple again; programs use few."""


class Response(StreamResponse):
    """A response with its body.

    `body` is bytes, or any value that the payload registry can send; `text` is encoded in `charset` (utf-8). Raises
    ValueError when both are given, when `content_type` contains a charset, or when the type is given twice (as header
    and as argument).
    """

    __slots__ = ("_body", "_coded_body", "_zlib_executor", "_zlib_executor_size")

    def __init__(
        self,
        *,
        body: Any = None,  # Any: what can be sent is open, by registering payloads
        status: int = 200,
        reason: str | None = None,
        text: str | None = None,
        headers: "LooseHeaders | None" = None,
        content_type: str | None = None,
        charset: str | None = None,
        zlib_executor_size: int = EXECUTOR_THRESHOLD,
        zlib_executor: Executor | None = None,
    ) -> None:
        self._set_up(status, reason, headers)
        self._zlib_executor_size = zlib_executor_size
        self._zlib_executor = zlib_executor
        self._body: bytes | Payload | None = None
        self._coded_body: bytes | None = None
        if body is not None and text is not None:
            raise ValueError("body and text are both given; a response has one body")
        if text is not None and headers is None and content_type is None and charset is None:
            self._initial = TEXT_FIELDS
            self._body = text.encode() if type(text) is str else _encoded(text, DEFAULT_CHARSET)
            return
        self._choose_type(content_type, charset, is_text=text is not None)
        if text is not None:
            declared = charset if self._headers is None else self.charset
            self._body = _encoded(text, declared or DEFAULT_CHARSET)
        elif body is not None:
            self.body = body

    def _choose_type(self, content_type: str | None, charset: str | None, *, is_text: bool) -> None:
        if content_type is not None and ";" in content_type and "charset" in content_type.lower():
            raise ValueError(
                f"the charset belongs into the argument charset, not into content_type; got {content_type!r}"
            )
        if self._headers is not None and "Content-Type" in self._headers:
            if content_type is not None or charset is not None:
                raise ValueError(
                    "the type of the body is given twice, by the header Content-Type and by content_type or charset"
                )
        elif is_text:
            self._set_type(content_type or "text/plain", charset or DEFAULT_CHARSET)
        elif content_type is not None:
            self._set_type(content_type, charset)
        elif charset is not None:
            self._set_type("application/octet-stream", charset)

    def _set_type(self, content_type: str, charset: str | None) -> None:
        fields = _type_fields(content_type, charset)
        if self._headers is None:
            self._initial = fields
        else:
            self._headers.update(fields)

    @property
    def body(self) -> bytes | Payload | None:
        """The body: bytes, or the payload that sends it."""
        return self._body

    @body.setter
    def body(self, body: Any) -> None:  # Any: as in the constructor
        self._check_changeable("body")
        if body is None or isinstance(body, bytes):
            self._body = body
        elif isinstance(body, bytearray | memoryview):
            self._body = bytes(body)
        else:
            self._body = self._as_payload(body)
            if self._body.size is None:
                return  # who gives a Content-Length knows better
        if self._headers is not None:
            self._headers.pop("Content-Length", None)

    def _as_payload(self, body: Any) -> Payload:
        try:
            payload = get_payload(body)
        except LookupError as exc:
            raise ValueError(f"cannot send a body of type {type(body).__name__}; register a payload for it") from exc
        for name, value in payload.headers.items():
            self.headers.setdefault(name, value)
        return payload

    @property
    def text(self) -> str | None:
        """The body as text, None when there is none."""
        if self._body is None:
            return None
        if isinstance(self._body, Payload):
            return self._body.decode(self.charset or DEFAULT_CHARSET)
        return self._body.decode(self.charset or DEFAULT_CHARSET)

    @text.setter
    def text(self, text: str | None) -> None:
        if text is None:
            self.body = None
            return
        encoded = _encoded(text, self.charset or DEFAULT_CHARSET)
        if "Content-Type" not in self.headers or self.content_type == "application/octet-stream":
            self.content_type = "text/plain"
        if self.charset is None:
            self.charset = DEFAULT_CHARSET
        self.body = encoded

    @property
    def content_length(self) -> int | None:
        """The length of the body, None when it is unknown; set it by setting the body."""
        if self._chunked:
            return None
        if self._headers is not None and "Content-Length" in self._headers:
            return int(self._headers["Content-Length"])
        if self._coded is not None:
            return None
        if self._coded_body is not None:
            return len(self._coded_body)
        if isinstance(self._body, Payload):
            return self._body.size
        return len(self._body) if self._body is not None else 0

    @content_length.setter
    def content_length(self, _: int | None) -> None:
        raise RuntimeError("the length of a Response is the length of its body; set the body instead")

    async def _start_compression(self, request: "BaseRequest") -> None:
        body = self._body
        if self._compression is None or (not body and self._status != 304):  # nothing gets longer when it is coded
            return
        coding = self._settle_coding(request)
        if coding is ContentCoding.identity or not body:
            return
        if self._chunked or isinstance(body, Payload):
            self._coded = self._compression.open(
                coding,
                request.exchange.write,
                content_type=self.content_type,
                threshold=self._zlib_executor_size,
                executor=self._zlib_executor,
            )
            return
        # Imported here: only responses that are compressed need a coder.
        from levante.http.codings import run_sized

        encoder = self._compression.encoder(coding)
        self._coded_body = await run_sized(
            lambda data: encoder.compress(data) + encoder.finish(),
            body,
            threshold=self._zlib_executor_size,
            executor=self._zlib_executor,
        )

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the body and finish."""
        if self._finished:
            return
        body = self._body if self._coded_body is None else self._coded_body
        if (
            body is None
            or self._request is None
            or has_empty_body(self._request.method, self._status)
            or self._status == RESET_CONTENT
        ):
            await super().write_eof(data)
        elif isinstance(body, Payload):
            await body.write(self)
            await super().write_eof(data)
        else:
            await super().write_eof(body)

    # Sending. A subclass may have its own prepare() or write_eof(), which must then be called.

    def send_at_once(self, request: "BaseRequest") -> bool:
        """Send head and body in one write if nothing waits or wants to see them before: True when that was all. For
        the server, and not for subclasses.
        """
        if self._request is not None or request.has_prepare_hooks:
            return False
        body = self._ready_body()
        if body is None:
            return False
        self._request = request
        self._respond(request, body)
        return not request.exchange.connection.write_paused

    async def deliver(self, request: "BaseRequest") -> None:
        try:
            if self._request is None and type(self) is Response:
                self._request = request
                self._add_defaults(request)
                if receivers := request.prepare_receivers:  # as in request.prepare_hook(), without another coroutine
                    self.show_added_fields(request)
                    for receiver in receivers:
                        await receiver(request, self)
                    self.hide_removed_fields(request)
                request.run_prepare_hooks(self)
                body = self._ready_body()
                if body is None:
                    await self._begin(request)
                else:
                    self._respond(request, body)
                    if not request.exchange.connection.write_paused:
                        return
            elif self._request is not None:
                self._claim(request)
            if not self._finished:
                await super().deliver(request)
            elif self._exchange is not None:
                await self._exchange.drain()
        finally:
            if type(self._body) is not bytes and isinstance(self._body, Payload):
                await self._body.close()

    def _ready_body(self) -> bytes | None:
        """The body, if it is at hand as it is to be sent, and its length nobody's business but ours."""
        if self._compression or self._chunked or (self._headers is not None and CONTENT_LENGTH in self._headers):
            return None
        body = self._body
        if body is None:
            return b""
        return body if type(body) is bytes else None

    def _respond(self, request: "BaseRequest", body: bytes) -> None:
        headers: Headers = self._initial
        status = self._status
        if (status != 200 and (is_bodiless(status) or status == RESET_CONTENT)) or (
            request.method == "CONNECT" and status < 300
        ):
            body = b""
        elif body and not headers:
            self._add_defaults(request)
        if self._headers is not None or self._cookies is not None:
            headers = self._wire_headers()
        exchange = request.exchange
        if self._keep_alive is False:
            exchange.keep_alive = False
        exchange.respond(status, self._reason, headers, body)
        self._exchange = exchange
        self._finished = True


def _encoded(text: str, charset: str) -> bytes:
    try:
        return text.encode(charset)
    except AttributeError as exc:
        raise TypeError(f"text is a str, bytes go into body; got {type(text).__name__}") from exc


@lru_cache(maxsize=MAX_TYPES)
def _type_fields(content_type: str, charset: str | None) -> tuple[tuple[str, str], ...]:
    return ((CONTENT_TYPE, content_type if charset is None else f"{content_type}; charset={charset}"),)


def json_response(
    data: Any = None,  # Any: what `dumps` takes
    *,
    text: str | None = None,
    body: bytes | None = None,
    status: int = 200,
    reason: str | None = None,
    headers: "LooseHeaders | None" = None,
    content_type: str = "application/json",
    dumps: "JSONEncoder | JSONBytesEncoder | None" = None,
) -> Response:
    """A response with `data` as JSON; None is null. Without `dumps` it is encoded as the application has it, which is
    `json.dumps` unless it was told otherwise. ValueError when data is given together with text or body.
    """
    if data is not None and (text is not None or body is not None):
        raise ValueError("only one of data, text and body can be given")
    if text is None and body is None:
        encoded = CODEC.get().dumps(data) if dumps is None else dumps(data)
        if isinstance(encoded, bytes):
            return Response(
                body=encoded, status=status, reason=reason, headers=headers, content_type=content_type, charset="utf-8"
            )
        text = encoded
    return Response(text=text, body=body, status=status, reason=reason, headers=headers, content_type=content_type)


def json_bytes_response(
    data: Any = None,  # Any: what `dumps` takes
    *,
    dumps: "JSONBytesEncoder",
    body: bytes | None = None,
    status: int = 200,
    reason: str | None = None,
    headers: "LooseHeaders | None" = None,
    content_type: str = "application/json",
) -> Response:
    """A response with `data` as JSON by an encoder that gives bytes. ValueError when data is given together with
    body.
    """
    if data is not None and body is not None:
        raise ValueError("only one of data and body can be given")
    content = dumps(data) if body is None else body
    return Response(body=content, status=status, reason=reason, headers=headers, content_type=content_type)


def exception_response(exc: HTTPException) -> Response:
    """The response that an HTTP exception stands for, with its headers and cookies."""
    headers: CIMultiDict[str] = exc.headers.copy()
    response = Response(status=exc.status, reason=exc.reason, headers=headers)
    if exc.text is not None:
        response.body = exc.text.encode(response.charset or DEFAULT_CHARSET)
    response.cookies.update(exc.cookies)
    return response
