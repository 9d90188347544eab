"""One request over one connection: the head and body go out, the head of the answer comes in. A small body goes
before the answer is awaited; a larger or streamed one is uploaded by a task of its own, so that an early answer is
seen and both directions can flow at once. An upload ends when the final response is complete, whether or not it is;
the connection then is closed. On a pooled connection that turns out dead before a byte of the answer came, an
idempotent request is sent once more, on a fresh one (RFC 9110 section 9.2.2)."""

import asyncio
from dataclasses import dataclass

from levante.http import ClientExchange, Encoder, Limits, Payload, ResponseHead, encoder

from .connector import BaseConnector, Lease
from .decoding import ChunkSeen, Pump, response_decoder
from .errors import ClientConnectionResetError, ClientConnectorError, ClientOSError, ServerDisconnectedError
from .request import IDEMPOTENT_METHODS, ClientRequest
from .response import CharsetResolver, ClientResponse
from .timeouts import Deadline
from .tracing import (
    Trace,
    TraceRequestChunkSentParams,
    TraceRequestHeadersSentParams,
    TraceResponseChunkReceivedParams,
)
from .transaction import Transaction
from .translation import head_error

# A body up to this many bytes is written before the answer is awaited: it fits under the high-water mark.
INLINE_BODY = 64 * 1024
# Seconds to wait for 100 (Continue) before the body is sent anyway; RFC 9110 section 10.1.1 forbids to wait for
# ever, curl waits 1 s.
CONTINUE_TIMEOUT = 1.0


@dataclass(slots=True)
class SendOptions:
    """What a session or a request decides about sending, beyond the request itself."""

    connector: BaseConnector
    limits: Limits
    auto_decompress: bool
    transparent_retry: bool
    resolve_charset: CharsetResolver
    deadline: Deadline | None = None
    trace: Trace | None = None


async def send(request: ClientRequest, options: SendOptions) -> ClientResponse:
    """Send `request` and return the response when its head is here. Errors are those of this package, ValueError for
    our own mistakes."""
    connector = options.connector
    lease = await connector.acquire(request.connection_key, request.timeout, trace=options.trace)
    try:
        return await _attempt(request, lease, options)
    except (ServerDisconnectedError, ClientOSError, ClientConnectionResetError) as exc:
        if not (options.transparent_retry and lease.reused and _may_repeat(request, exc)):
            raise
    lease = await connector.acquire(request.connection_key, request.timeout, trace=options.trace, fresh=True)
    return await _attempt(request, lease, options)


def _may_repeat(request: ClientRequest, error: Exception) -> bool:
    if isinstance(error, ClientConnectorError) or request.method not in IDEMPOTENT_METHODS:
        return False
    # An incomplete head means that the server had begun to answer (hardening C59): its cause is not a plain disconnect.
    if isinstance(error, ServerDisconnectedError) and not isinstance(error.__cause__, ConnectionError):
        return False
    return request.body is None or not request.body.consumed


async def _attempt(request: ClientRequest, lease: Lease, options: SendOptions) -> ClientResponse:
    exchange: ClientExchange | None = None
    upload: asyncio.Task[None] | None = None
    try:
        exchange = lease.connection.begin()
        exchange.read_timeout = request.timeout.sock_read
        upload = await _send_request(request, exchange, options)
        head = await _receive_head(exchange, upload)
        return _make_response(request, exchange, head, lease=lease, upload=upload, options=options)
    except BaseException as exc:
        if upload is not None:
            upload.cancel()
        if exchange is not None:
            exchange.reset()
        lease.abort()
        if not isinstance(exc, Exception):
            raise
        error = head_error(exc, request.request_info)
        if error is exc:
            raise
        raise error from exc


async def _send_request(
    request: ClientRequest, exchange: ClientExchange, options: SendOptions
) -> "asyncio.Task[None] | None":
    """Send the head, and the body if it is small; the task that sends it otherwise."""
    headers = request.headers
    exchange.send_head(
        request.method, request.target, headers, length=request.length, expect_continue=request.expect100
    )  # fmt: skip
    body = request.body
    if options.trace is not None:
        await options.trace.send(TraceRequestHeadersSentParams(request.method, request.url, headers))
    if body is None:
        await exchange.finish()
        return None
    writer = _BodyWriter(exchange, request, options.trace)
    if request.expect100:
        try:
            async with asyncio.timeout(CONTINUE_TIMEOUT):
                if not await exchange.wait_continue():
                    return None  # the final answer is here, the body is not wanted
        except TimeoutError:
            pass  # the server does not know Expect: it waits for the body
    size = body.size
    if size is not None and size <= INLINE_BODY:
        await _send_body(body, writer, exchange)
        return None
    return asyncio.ensure_future(_send_body(body, writer, exchange))


async def _send_body(body: Payload, writer: "_BodyWriter", exchange: ClientExchange) -> None:
    await body.write(writer)
    await writer.close()
    await exchange.finish()


class _BodyWriter:
    """Where a payload writes to: through the encoder of `compress=`, past the trace, into the exchange."""

    __slots__ = ("_encoder", "_exchange", "_request", "_trace")

    def __init__(self, exchange: ClientExchange, request: ClientRequest, trace: Trace | None) -> None:
        self._exchange = exchange
        self._request = request
        self._trace = trace if trace is not None and trace.wants(TraceRequestChunkSentParams) else None
        self._encoder: Encoder | None = encoder(request.compress) if request.compress else None

    async def write(self, data: bytes, /) -> None:
        """Take a piece of the body."""
        if self._encoder is not None:
            data = self._encoder.compress(data)
            if not data:
                return
        if self._trace is not None:
            await self._trace.send(TraceRequestChunkSentParams(self._request.method, self._request.url, bytes(data)))
        await self._exchange.write(data)

    async def close(self) -> None:
        """Write what the encoder still holds."""
        if self._encoder is not None:
            rest, self._encoder = self._encoder.finish(), None
            if rest:
                await self.write(rest)


async def _receive_head(exchange: ClientExchange, upload: "asyncio.Task[None] | None") -> ResponseHead:
    """The final head. An upload that fails first, by the fault of its source, is the error of the request."""
    if upload is None:
        return await exchange.response()
    answer = asyncio.ensure_future(exchange.response())
    try:
        await asyncio.wait([answer, upload], return_when=asyncio.FIRST_COMPLETED)
        if upload.done() and not answer.done():
            failure = upload.exception()
            # A peer that stops reading may have answered already: its answer says more than the broken pipe.
            if failure is not None and not isinstance(failure, OSError):
                raise failure
        return await answer
    finally:
        answer.cancel()


def _make_response(
    request: ClientRequest,
    exchange: ClientExchange,
    head: ResponseHead,
    *,
    lease: Lease,
    upload: "asyncio.Task[None] | None",
    options: SendOptions,
) -> ClientResponse:
    content, pump = exchange.body, None
    decoder = response_decoder(_codings(head)) if options.auto_decompress else None
    seen = _chunk_seen(request, options.trace)
    if (decoder is not None or seen is not None) and not (content.is_eof() and not content.total_bytes):
        pump = Pump(content, decoder, limit=options.limits.read_bufsize, seen=seen)
        content = pump.content
    transaction = Transaction(exchange, lease, content=content, pump=pump, upload=upload, deadline=options.deadline)
    if request.body is not None and not exchange.finished:
        transaction.stop_upload_at_eof()
    response = ClientResponse(request, transaction, head, resolve_charset=options.resolve_charset)
    if head.status != 101:
        transaction.start()
    elif options.deadline is not None:
        options.deadline.cancel()  # what follows is no request any more
    return response


def _codings(head: ResponseHead) -> bytes | None:
    first = head.field(b"content-encoding")
    if first is None:
        return None
    return b", ".join(value for name, value in head.raw_headers if name.lower() == b"content-encoding")


def _chunk_seen(request: ClientRequest, trace: Trace | None) -> ChunkSeen | None:
    if trace is None or not trace.wants(TraceResponseChunkReceivedParams):
        return None

    async def seen(chunk: bytes) -> None:
        await trace.send(TraceResponseChunkReceivedParams(request.method, request.url, chunk))

    return seen
