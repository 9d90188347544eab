"""A limit on the time of a handler. The handler's own requests know of it: it is the deadline of its context."""

import asyncio
import math
from typing import TYPE_CHECKING

from levante.http.deadlines import parse_remaining, within
from levante.http.errors import ExchangeTimeout
from levante.web.exceptions import HTTPGatewayTimeout
from levante.web.request import Request

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, StreamResponse

HANDLER_TIMEOUT = 60.0
"""Seconds that a handler may take unless told otherwise; beyond it nobody is waiting for the answer any more."""


def handler_timeout(seconds: float = HANDLER_TIMEOUT, *, deadline_header: str | None = None) -> "Middleware":
    """A middleware that cancels a handler after `seconds`, and answers 504; 408 where it was the client that was slow:
    the body of the request has not arrived, though we were ready for it.

    What has begun by then is left alone: a response that is being streamed has the write timeout, a WebSocket its
    heartbeat. A handler that needs a shorter limit uses `asyncio.timeout`, which gives 504 as well.

    What is left of the time is the deadline of the context (`levante.http.deadlines`), which clients heed: they send
    nothing when it has passed. It holds until the response begins. With a `deadline_header` (such as
    `levante.http.deadlines.DEADLINE_HEADER`) the caller may say in milliseconds how long it will wait, and gets less
    than `seconds` then, never more; who asks for an answer within no time at all gets 504 before the handler runs.
    Without it nothing that a caller says counts.
    """
    if seconds <= 0:
        raise ValueError(f"a handler needs some time; got {seconds!r} seconds")

    async def limit(request: Request, handler: "Handler") -> "StreamResponse":
        allowed = seconds if deadline_header is None else min(seconds, _granted(request, deadline_header))
        if allowed <= 0:
            raise HTTPGatewayTimeout(text="504: the caller's deadline has passed")
        try:
            async with asyncio.timeout(None) as timeout:
                timer = asyncio.get_running_loop().call_later(allowed, _expire, request, timeout)
                try:
                    with within(allowed, holds=lambda: not request.exchange.head_sent):
                        return await handler(request)
                finally:
                    timer.cancel()
        except TimeoutError as exc:
            if not timeout.expired():
                raise
            if _waits_for_client(request):
                raise ExchangeTimeout("body") from exc
            raise HTTPGatewayTimeout(text=f"504: the handler took more than {allowed:g} seconds") from exc

    return limit


def _granted(request: Request, name: str) -> float:
    """The seconds that the caller gives us; no end of them where it says nothing that can be read."""
    field = request.headers.get(name)
    granted = None if field is None else parse_remaining(field)
    return math.inf if granted is None else granted


def _waits_for_client(request: Request) -> bool:
    """Whether the body is still to come, and nothing keeps the client from sending it."""
    exchange = request.exchange
    if exchange.body.is_eof() or exchange.continue_due:
        return False
    return exchange.transport is not None and exchange.transport.is_reading()


def _expire(request: Request, timeout: asyncio.Timeout) -> None:
    if not request.exchange.head_sent:
        timeout.reschedule(asyncio.get_running_loop().time())
