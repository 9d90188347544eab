"""Tracing: seventeen signals that tell what happens to a request, each sent `(session, context, params)`. A session
without trace configs pays nothing for it: no `Trace` is made, and nobody asks. Handlers run in the path of the
request: a slow one makes it slow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from aiosignal import Signal
from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    from .response import ClientResponse
    from .session import ClientSession


@dataclass(frozen=True, slots=True)
class TraceRequestStartParams:
    """on_request_start: before anything is done."""

    method: str
    url: URL
    headers: CIMultiDict[str]


@dataclass(frozen=True, slots=True)
class TraceRequestChunkSentParams:
    """on_request_chunk_sent: a piece of the request body was written."""

    method: str
    url: URL
    chunk: bytes


@dataclass(frozen=True, slots=True)
class TraceResponseChunkReceivedParams:
    """on_response_chunk_received: a piece of the response body, after decompression, was received."""

    method: str
    url: URL
    chunk: bytes


@dataclass(frozen=True, slots=True)
class TraceRequestHeadersSentParams:
    """on_request_headers_sent: the head of the request was written."""

    method: str
    url: URL
    headers: CIMultiDict[str]


@dataclass(frozen=True, slots=True)
class TraceRequestEndParams:
    """on_request_end: the final response's head is here."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    response: "ClientResponse"


@dataclass(frozen=True, slots=True)
class TraceRequestExceptionParams:
    """on_request_exception: the request failed."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    exception: BaseException


@dataclass(frozen=True, slots=True)
class TraceRequestRedirectParams:
    """on_request_redirect: `response` sends us elsewhere."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    response: "ClientResponse"


@dataclass(frozen=True, slots=True)
class TraceRequestRetryParams:
    """on_request_retry: attempt number `attempts` gave `response`, which is closed, or `exception`; the next one comes
    in `delay` seconds."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    attempts: int
    delay: float
    response: "ClientResponse | None"
    exception: Exception | None


@dataclass(frozen=True, slots=True)
class TraceConnectionQueuedStartParams:
    """on_connection_queued_start: the pool is full, the request waits."""


@dataclass(frozen=True, slots=True)
class TraceConnectionQueuedEndParams:
    """on_connection_queued_end: it waits no longer."""


@dataclass(frozen=True, slots=True)
class TraceConnectionCreateStartParams:
    """on_connection_create_start: dialling."""


@dataclass(frozen=True, slots=True)
class TraceConnectionCreateEndParams:
    """on_connection_create_end: connected."""


@dataclass(frozen=True, slots=True)
class TraceConnectionReuseconnParams:
    """on_connection_reuseconn: a connection from the pool."""


@dataclass(frozen=True, slots=True)
class TraceDnsResolveHostStartParams:
    """on_dns_resolvehost_start: asking the resolver."""

    host: str


@dataclass(frozen=True, slots=True)
class TraceDnsResolveHostEndParams:
    """on_dns_resolvehost_end: it answered."""

    host: str


@dataclass(frozen=True, slots=True)
class TraceDnsCacheHitParams:
    """on_dns_cache_hit: the cache knows the name."""

    host: str


@dataclass(frozen=True, slots=True)
class TraceDnsCacheMissParams:
    """on_dns_cache_miss: it does not."""

    host: str


P = TypeVar("P")
TraceSignal = Signal["ClientSession", Any, P]  # Any: the context is whatever the user's factory makes


class TraceConfig:
    """Handlers for the events of requests. `trace_config_ctx_factory(trace_request_ctx=...)` makes the context of
    one request."""

    def __init__(
        self, trace_config_ctx_factory: Callable[..., Any] = SimpleNamespace
    ) -> None:  # Any: the user's own context
        self.trace_config_ctx_factory = trace_config_ctx_factory
        self.on_request_start: TraceSignal[TraceRequestStartParams] = Signal(self)
        self.on_request_chunk_sent: TraceSignal[TraceRequestChunkSentParams] = Signal(self)
        self.on_response_chunk_received: TraceSignal[TraceResponseChunkReceivedParams] = Signal(self)
        self.on_request_headers_sent: TraceSignal[TraceRequestHeadersSentParams] = Signal(self)
        self.on_request_end: TraceSignal[TraceRequestEndParams] = Signal(self)
        self.on_request_exception: TraceSignal[TraceRequestExceptionParams] = Signal(self)
        self.on_request_redirect: TraceSignal[TraceRequestRedirectParams] = Signal(self)
        self.on_request_retry: TraceSignal[TraceRequestRetryParams] = Signal(self)
        self.on_connection_queued_start: TraceSignal[TraceConnectionQueuedStartParams] = Signal(self)
        self.on_connection_queued_end: TraceSignal[TraceConnectionQueuedEndParams] = Signal(self)
        self.on_connection_create_start: TraceSignal[TraceConnectionCreateStartParams] = Signal(self)
        self.on_connection_create_end: TraceSignal[TraceConnectionCreateEndParams] = Signal(self)
        self.on_connection_reuseconn: TraceSignal[TraceConnectionReuseconnParams] = Signal(self)
        self.on_dns_resolvehost_start: TraceSignal[TraceDnsResolveHostStartParams] = Signal(self)
        self.on_dns_resolvehost_end: TraceSignal[TraceDnsResolveHostEndParams] = Signal(self)
        self.on_dns_cache_hit: TraceSignal[TraceDnsCacheHitParams] = Signal(self)
        self.on_dns_cache_miss: TraceSignal[TraceDnsCacheMissParams] = Signal(self)
        self._signals: dict[type, Signal[Any, Any, Any]] = {  # Any: one table for signals of different parameters
            TraceRequestStartParams: self.on_request_start,
            TraceRequestChunkSentParams: self.on_request_chunk_sent,
            TraceResponseChunkReceivedParams: self.on_response_chunk_received,
            TraceRequestHeadersSentParams: self.on_request_headers_sent,
            TraceRequestEndParams: self.on_request_end,
            TraceRequestExceptionParams: self.on_request_exception,
            TraceRequestRedirectParams: self.on_request_redirect,
            TraceRequestRetryParams: self.on_request_retry,
            TraceConnectionQueuedStartParams: self.on_connection_queued_start,
            TraceConnectionQueuedEndParams: self.on_connection_queued_end,
            TraceConnectionCreateStartParams: self.on_connection_create_start,
            TraceConnectionCreateEndParams: self.on_connection_create_end,
            TraceConnectionReuseconnParams: self.on_connection_reuseconn,
            TraceDnsResolveHostStartParams: self.on_dns_resolvehost_start,
            TraceDnsResolveHostEndParams: self.on_dns_resolvehost_end,
            TraceDnsCacheHitParams: self.on_dns_cache_hit,
            TraceDnsCacheMissParams: self.on_dns_cache_miss,
        }

    def trace_config_ctx(self, trace_request_ctx: object = None) -> Any:  # Any: the user's own context
        """A fresh context for one request."""
        return self.trace_config_ctx_factory(trace_request_ctx=trace_request_ctx)

    def freeze(self) -> None:
        """No more handlers from now on; a session does this to the configs it is given."""
        for signal in self._signals.values():
            signal.freeze()

    def signal_for(self, params: type) -> Signal[Any, Any, Any]:  # Any: see _signals
        """The signal that carries `params`."""
        return self._signals[params]


class Trace:
    """The configs of a session at work on one request: `await trace.send(SomeParams(...))`."""

    __slots__ = ("_pairs", "_session")

    def __init__(
        self, session: "ClientSession", configs: Sequence[TraceConfig], trace_request_ctx: object = None
    ) -> None:
        self._session = session
        self._pairs = [(config, config.trace_config_ctx(trace_request_ctx)) for config in configs]

    def wants(self, params: type) -> bool:
        """Whether anybody listens to `params`: spares making them, and the detours that some need."""
        return any(config.signal_for(params) for config, _ in self._pairs)

    async def begin(self, params: object) -> None:
        """Tell every config of the start, in their order. One that raises ends the request, of which it and those
        after it are told nothing more."""
        pairs = self._pairs
        for told, (config, context) in enumerate(pairs):
            self._pairs = pairs[:told]
            signal = config.signal_for(type(params))
            if signal:
                await signal.send(self._session, context, params)
        self._pairs = pairs

    async def send(self, params: object) -> None:
        """Tell every config, in their order."""
        for config, context in self._pairs:
            signal = config.signal_for(type(params))
            if signal:
                await signal.send(self._session, context, params)
