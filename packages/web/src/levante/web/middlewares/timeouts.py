"""A limit on the time of a handler."""

import asyncio
from typing import TYPE_CHECKING

from levante.http.errors import ExchangeTimeout
from levante.web.exceptions import HTTPGatewayTimeout
from levante.web.request import Request

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, StreamResponse

HANDLER_TIMEOUT = 60.0
"""Seconds that a handler may take unless told otherwise; beyond it nobody is waiting for the answer any more."""


def handler_timeout(seconds: float = HANDLER_TIMEOUT) -> "Middleware":
    """A middleware that cancels a handler after `seconds`, and answers 504; 408 where it was the client that was slow:
    the body of the request has not arrived, though we were ready for it.

    What has begun by then is left alone: a response that is being streamed has the write timeout, a WebSocket its
    heartbeat. A handler that needs a shorter limit uses `asyncio.timeout`, which gives 504 as well.
    """
    if seconds <= 0:
        raise ValueError(f"a handler needs some time; got {seconds!r} seconds")

    async def limit(request: Request, handler: "Handler") -> "StreamResponse":
        try:
            async with asyncio.timeout(None) as timeout:
                timer = asyncio.get_running_loop().call_later(seconds, _expire, request, timeout)
                try:
                    return await handler(request)
                finally:
                    timer.cancel()
        except TimeoutError as exc:
            if not timeout.expired():
                raise
            if _waits_for_client(request):
                raise ExchangeTimeout("body") from exc
            raise HTTPGatewayTimeout(text=f"504: the handler took more than {seconds:g} seconds") from exc

    return limit


def _waits_for_client(request: Request) -> bool:
    """Whether the body is still to come, and nothing keeps the client from sending it."""
    exchange = request.exchange
    if exchange.body.is_eof() or exchange.continue_due:
        return False
    return exchange.transport is not None and exchange.transport.is_reading()


def _expire(request: Request, timeout: asyncio.Timeout) -> None:
    if not request.exchange.head_sent:
        timeout.reschedule(asyncio.get_running_loop().time())
