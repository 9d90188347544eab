"""The deadline of the work at hand (`levante.http.deadlines`) and the requests made for it: each tells the server what
is left, none is sent when nothing is, and none is waited for longer. The body of an answer is not bounded by it:
whoever set the deadline ends the reader, and an answer that is passed on while it arrives may outlast the time to its
head."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from levante.http.deadlines import DeadlineExceeded, format_remaining, remaining

from .errors import ClientError
from .middlewares import ClientHandlerType
from .request import ClientRequest
from .response import ClientResponse

T = TypeVar("T")


class ExpiredDeadlineError(ClientError, DeadlineExceeded):
    """The deadline of the work at hand passed before the answer came, or before the request was sent."""


async def send_in_time(request: ClientRequest, handler: ClientHandlerType, *, header: str | None) -> ClientResponse:
    """Send `request` by `handler` if there is time, with the milliseconds that are left in the field `header` (None: in
    none). ExpiredDeadlineError when there is none, and when it runs out."""
    left = remaining()
    if left is None:
        if header is not None:
            request.headers.popall(header, None)  # of an attempt before this one
        return await handler(request)
    if left <= 0:
        raise ExpiredDeadlineError(-left)
    if header is not None:
        request.headers[header] = format_remaining(left)
    return await bounded(handler(request), left)


async def bounded(work: Awaitable[T], left: float | None) -> T:
    """What comes of `work`, which has `left` seconds (None: any time); ExpiredDeadlineError when they have passed."""
    if left is None:
        return await work
    try:
        async with asyncio.timeout(left) as timeout:
            return await work
    except TimeoutError as error:
        if not timeout.expired():
            raise
        raise expired_error() from error


def expired_error() -> ExpiredDeadlineError:
    """What is raised at the deadline."""
    return ExpiredDeadlineError(max(0.0, -(remaining() or 0.0)))
