"""One request over one connection: the head and body go out, the head of the answer comes in. A small body goes
before the answer is awaited; a larger or streamed one is uploaded by a task of its own, so that an early answer is
seen and both directions can flow at once. An upload ends when the final response is complete, whether or not it is;
the connection then is closed. On a pooled connection that turns out dead before a byte of the answer came, an
idempotent request is sent once more, on a fresh one (RFC 9110 section 9.2.2)."""

import asyncio
from dataclasses import dataclass

from levante.http import (
    EMPTY_PAYLOAD,
    BytesPayload,
    ClientExchange,
    JsonBytesPayload,
    JsonPayload,
    Limits,
    Payload,
    ResponseHead,
    StreamReader,
    StringPayload,
)
from levante.http.decodedstream import PieceSeen
from levante.http.fieldnames import CONTENT_ENCODING

from .bodylimit import capped
from .bodywriter import BodyWriter
from .connector import BaseConnector, Lease
from .decoding import readable_body, response_decoder
from .errors import ClientConnectionResetError, ClientConnectorError, ClientOSError, ServerDisconnectedError
from .origin import ConnectionKey
from .request import IDEMPOTENT_METHODS, ClientRequest
from .response import CharsetResolver, ClientResponse
from .tracing import (
    Trace,
    TraceRequestHeadersSentParams,
    TraceResponseChunkReceivedParams,
)
from .transaction import Sent, Transaction, released_error
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
    trace: Trace | None = None
    max_body_size: int | None = None
    read_until_eof: bool = True
    response_class: type[ClientResponse] = ClientResponse
    lenient: bool = False


_USUAL_LIMITS = Limits()
# The errors of a connection that is gone.
_LOST = (ServerDisconnectedError, ClientOSError, ClientConnectionResetError)
# Payloads whose `value` is the very bytes to send; a subclass of somebody else's may write something else.
_PLAIN_BODIES = frozenset({BytesPayload, StringPayload, JsonPayload, JsonBytesPayload})


async def send(request: ClientRequest, options: SendOptions) -> ClientResponse:
    """Send `request` and return the response when its head is here. Errors are those of this package, ValueError for
    our own mistakes."""
    connector = options.connector
    key = connection_key(request, options)
    fresh = request.needs_fresh_connection
    lease = await connector.acquire(key, request.timeout, trace=options.trace, fresh=fresh)
    try:
        return await _attempt(request, lease, options)
    except _LOST as exc:
        if not may_repeat(request, exc, lease, options):
            raise
    lease = await connector.acquire(key, request.timeout, trace=options.trace, fresh=True)
    return await _attempt(request, lease, options)


def connection_key(request: ClientRequest, options: SendOptions) -> ConnectionKey:
    """Which connections can carry `request` as `options` want it; decides on its proxy."""
    key = request.set_out()
    if options.limits != _USUAL_LIMITS:
        key = key._replace(limits=options.limits)
    return key._replace(lenient=True) if options.lenient else key


def may_repeat(request: ClientRequest, error: Exception, lease: Lease, options: SendOptions) -> bool:
    """Whether `request`, which failed by `error` on the connection of `lease`, may be sent again on a fresh one."""
    if not (options.transparent_retry and lease.reused and isinstance(error, _LOST)):
        return False
    if isinstance(error, ClientConnectorError) or request.method not in IDEMPOTENT_METHODS:
        return False
    # An incomplete head means that the server had begun to answer (hardening C59): its cause is not a plain disconnect.
    if isinstance(error, ServerDisconnectedError) and not isinstance(error.__cause__, ConnectionError):
        return False
    return request.body is None or not request.body.consumed


async def _attempt(request: ClientRequest, lease: Lease, options: SendOptions) -> ClientResponse:
    exchange: ClientExchange | None = None
    sent = Sent()
    try:
        exchange = lease.connection.begin()
        exchange.read_timeout = request.timeout.sock_read
        sent = await _send_request(request, exchange, options)
        await _receive_head(exchange, sent.upload)
        _wait_from_now(exchange, request.timeout.sock_read)
        return make_response(request, exchange, lease, sent, options)
    except BaseException as exc:
        if sent.upload is not None:
            sent.upload.cancel()
        if exchange is not None:
            exchange.reset()
        lease.abort()
        if not isinstance(exc, Exception):
            raise
        error = head_error(exc, request.request_info)
        if error is exc:
            raise
        raise error from exc


async def _send_request(request: ClientRequest, exchange: ClientExchange, options: SendOptions) -> Sent:
    """Send the head, and the body if it is small; a task sends it otherwise."""
    body, headers, trace = request.body, request.sent_headers, options.trace
    if body is None or (type(body) in _PLAIN_BODIES and trace is None and _goes_as_it_is(request, body)):
        # The head and all of the body in one write.
        data = b"" if body is None else bytes(body.value)
        exchange.request(request.method, request.target, headers, data, request.version)
        if trace is not None:
            await trace.send(TraceRequestHeadersSentParams(request.method, request.url, headers))
        return Sent(size=0 if body is None else body.size or 0)
    exchange.send_head(
        request.method,
        request.target,
        headers,
        length=request.length,
        expect_continue=request.expect100,
        version=request.version,
    )
    if trace is not None:
        await trace.send(TraceRequestHeadersSentParams(request.method, request.url, headers))
    writer = BodyWriter(exchange, request, trace)
    if request.expect100 and not await _is_body_wanted(exchange):
        return Sent(writer=writer)
    if body.size is not None and body.size <= INLINE_BODY:
        try:
            await _send_body(body, writer, exchange)
        except OSError:
            if exchange.head is None:
                raise
            # The peer had answered, and closed: its answer says more than that nobody takes the rest.
        return Sent(writer=writer)
    # The server's silence counts from when it has everything; until then, what it does not take (BodyWriter).
    patience, exchange.read_timeout = exchange.read_timeout, None
    upload = asyncio.ensure_future(_upload(body, writer, exchange, patience))
    upload.add_done_callback(_note_failure)
    return Sent(writer=writer, upload=upload)


def _goes_as_it_is(request: ClientRequest, body: Payload) -> bool:
    size = request.length
    return (
        size is not None and size == body.size and size <= INLINE_BODY and not (request.compress or request.expect100)
    )


async def _is_body_wanted(exchange: ClientExchange) -> bool:
    """False when a final answer came instead of 100 (Continue)."""
    try:
        async with asyncio.timeout(CONTINUE_TIMEOUT):
            return await exchange.wait_continue()
    except TimeoutError:
        return True  # the server does not know Expect: it waits for the body


async def _send_body(body: Payload, writer: BodyWriter, exchange: ClientExchange) -> None:
    await body.write(writer)
    await writer.close()
    await exchange.finish()


async def _upload(body: Payload, writer: BodyWriter, exchange: ClientExchange, patience: float | None) -> None:
    await _send_body(body, writer, exchange)
    _wait_from_now(exchange, patience)


def _wait_from_now(exchange: ClientExchange, patience: float | None) -> None:
    if patience is not None and exchange.read_timeout is None:
        exchange.read_timeout = patience
        exchange.connection.watch_reading(exchange)


def _note_failure(upload: "asyncio.Task[None]") -> None:
    """Look at the error of an upload, for nobody may: an answer that came before says more than a connection lost
    after."""
    if not upload.cancelled():
        upload.exception()


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
            if failure is not None and (isinstance(failure, TimeoutError) or not isinstance(failure, OSError)):
                raise failure
        return await answer
    finally:
        answer.cancel()


# Arguments by position, here and in what it makes: by name they would cost as much as some of what is done with them.
def make_response(
    request: ClientRequest, exchange: ClientExchange, lease: Lease, sent: Sent, options: SendOptions
) -> ClientResponse:
    """The response whose head has come; it ends the lease."""
    head = exchange.final_head()
    content = exchange.body
    if head.seen & CONTENT_ENCODING or options.trace is not None or options.max_body_size is not None:
        content = _readable(request, content, head, options)
    unread = not options.read_until_eof and head.content_length is None and not head.chunked and head.status != 101
    if unread:
        content = EMPTY_PAYLOAD
    transaction = Transaction(exchange, lease, sent, content)
    if request.body is not None and not exchange.finished:
        transaction.stop_upload_at_eof()
    if exchange.connection.current is not exchange and exchange.error is None:
        lease.end()  # everything is here
        return options.response_class(request, transaction, head, options.resolve_charset)
    response = options.response_class(request, transaction, head, options.resolve_charset)
    response.watch_for_neglect()
    if head.status != 101:
        transaction.start()
    if unread:
        transaction.give_up(released_error())
    return response


def _readable(request: ClientRequest, raw: StreamReader, head: ResponseHead, options: SendOptions) -> StreamReader:
    """What the caller reads of a body that something happens to on the way."""
    decoder = response_decoder(_codings(head)) if options.auto_decompress else None
    seen = _chunk_seen(request, options.trace)
    if options.max_body_size is not None:
        decoder, seen = capped(head, decoder, seen, maximum=options.max_body_size)
    return readable_body(raw, decoder, limit=options.limits.read_bufsize, seen=seen)


def _codings(head: ResponseHead) -> bytes:
    return b", ".join(value for name, value in head.raw_headers if name.lower() == b"content-encoding")


def _chunk_seen(request: ClientRequest, trace: Trace | None) -> PieceSeen | None:
    if trace is None or not trace.wants(TraceResponseChunkReceivedParams):
        return None

    async def seen(chunk: bytes) -> None:
        await trace.send(TraceResponseChunkReceivedParams(request.method, request.url, chunk))

    return seen
