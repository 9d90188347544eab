"""What stands between the caller's middlewares and the sending of a request: retries, then the deadline of the work at
hand, then the circuit breaker. A request that uses none of them does not pass by here."""

import asyncio
from dataclasses import dataclass, field

from levante.http.deadlines import DEADLINE_HEADER, remaining

from .breaker import CircuitBreaker
from .middlewares import ClientHandlerType
from .outgoingdeadline import send_in_time
from .request import ClientRequest
from .response import ClientResponse
from .retry import Retry, send_with_retries
from .retrybudget import RetryBudget
from .timeouts import ClientTimeout
from .tracing import Trace


@dataclass(slots=True)
class Resilience:
    """What a session has of it."""

    retry: Retry | None = None
    budget: RetryBudget = field(default_factory=RetryBudget)
    breaker: CircuitBreaker | None = None
    deadline_header: str | None = DEADLINE_HEADER


def resilient(
    handler: ClientHandlerType,
    settings: Resilience,
    *,
    retry: Retry | None,
    timeout: ClientTimeout,
    trace: Trace | None,
) -> ClientHandlerType:
    """`handler` with what of it `settings`, the `retry` of the request and the context ask for: itself, as a rule."""
    policy = settings.retry if retry is None else retry
    left = remaining()
    if policy is None and left is None and settings.breaker is None:
        return handler
    limits = [seconds for seconds in (timeout.total, left) if seconds is not None]
    ends = asyncio.get_running_loop().time() + min(limits) if limits else None
    if settings.breaker is not None:
        handler = _broken(handler, settings.breaker, ends)
    if left is not None:
        handler = _timed(handler, settings.deadline_header)
    return handler if policy is None else _retried(handler, policy, settings.budget, ends=ends, trace=trace)


def _broken(handler: ClientHandlerType, breaker: CircuitBreaker, ends: float | None) -> ClientHandlerType:
    async def through_breaker(request: ClientRequest) -> ClientResponse:
        return await breaker.send(request, handler, ends=ends)

    return through_breaker


def _timed(handler: ClientHandlerType, header: str | None) -> ClientHandlerType:
    async def in_time(request: ClientRequest) -> ClientResponse:
        return await send_in_time(request, handler, header=header)

    return in_time


def _retried(
    handler: ClientHandlerType, policy: Retry, budget: RetryBudget, *, ends: float | None, trace: Trace | None
) -> ClientHandlerType:
    async def with_retries(request: ClientRequest) -> ClientResponse:
        return await send_with_retries(request, handler, policy=policy, budget=budget, ends=ends, trace=trace)

    return with_retries
