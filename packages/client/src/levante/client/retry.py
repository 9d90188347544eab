"""Retries: a request that failed for a while is sent again, after a while. `Retry` decides, without I/O: whether, and
after how long; `send_with_retries` carries that out, for one hop, beneath the caller's middlewares.

Only what may be repeated is (RFC 9110 section 9.2.2): methods that are idempotent, unless others are named, and bodies
that can be sent again. Nothing is waited for that cannot be in time, and no more is sent than the budget has.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from levante.http import hdrs

from .breaker import CircuitOpenError
from .errors import ClientConnectionError
from .journey import keep_cookies
from .middlewares import ClientHandlerType
from .request import IDEMPOTENT_METHODS, ClientRequest
from .response import ClientResponse
from .retrybudget import RetryBudget
from .tracing import Trace, TraceRequestRetryParams
from .waits import Backoff, Wait, is_temporary, parse_retry_after

# Precedent: aiohttp-retry, 3 in all. What a moment does not heal, a fourth attempt rarely does.
ATTEMPTS = 3
# Precedent: aiohttp-retry: waits from 0.1 s to 30 s.
FIRST_WAIT = 0.1
LONGEST_WAIT = 30.0
# Request Timeout, Too Many Requests, Bad Gateway, Service Unavailable, Gateway Timeout: they say "later". A 500 is more
# often a defect, which will be there the next time.
STATUSES = frozenset({408, 429, 502, 503, 504})

Evaluate = Callable[[ClientResponse], Awaitable[bool]]
"""Whether a response is good; a bad one is tried again. It may read the body, which is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """What is tried again, and when.

    `attempts`: how often a request is sent at most, the first time included; 1 is no retries. `methods`, `statuses`:
    of requests and of responses that are tried again. `errors`: types of errors that are, except wrong certificates,
    open circuits and whatever else will be the same the next time. `evaluate`: an asynchronous verdict on responses of
    other statuses, True for a good one. `wait`: seconds after so many failures before this one, such as
    `Backoff(...).delay`, `random_waits`, `listed_waits`, `fibonacci_waits`; `jitter` takes any part of that away by
    chance ("full jitter"). A Retry-After of the response (`heed_retry_after`) is the least that is waited. No wait is
    longer than `longest` seconds, whoever asks for it.
    """

    attempts: int = ATTEMPTS
    methods: Collection[str] = IDEMPOTENT_METHODS
    statuses: Collection[int] = STATUSES
    errors: tuple[type[Exception], ...] = (ClientConnectionError,)
    evaluate: Evaluate | None = None
    wait: Wait = Backoff(first=FIRST_WAIT, last=LONGEST_WAIT).delay
    jitter: bool = True
    heed_retry_after: bool = True
    longest: float = LONGEST_WAIT

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"a request is sent at least once, got attempts={self.attempts!r}")
        if not self.longest >= 0:
            raise ValueError(f"expected longest to be seconds, not below 0, got {self.longest!r}")
        if isinstance(self.methods, str):
            raise TypeError(f"methods is a collection of methods, got {self.methods!r}: write {{{self.methods!r}}}")
        object.__setattr__(self, "methods", frozenset(method.upper() for method in self.methods))

    def concerns(self, request: ClientRequest) -> bool:
        """Whether `request` could be sent again at all."""
        return self.attempts > 1 and request.method in self.methods

    def is_passing(self, error: Exception) -> bool:
        """Whether `error` may be gone the next time."""
        if not isinstance(error, self.errors) or isinstance(error, CircuitOpenError):
            return False
        return is_temporary(error) or not isinstance(error, ClientConnectionError)

    async def is_bad(self, response: ClientResponse) -> bool:
        """Whether `response` is one to try again."""
        if response.status in self.statuses:
            return True
        return self.evaluate is not None and not await self.evaluate(response)

    def delay(self, failures: int, *, asked: float | None = None, chance: float = 1.0) -> float:
        """The seconds to wait after a failure with `failures` before it, when the server `asked` for some, and chance
        leaves a share `chance` (0 to 1) of ours."""
        own = min(max(0.0, self.wait(failures)), self.longest)
        if self.jitter:
            own *= chance
        return own if asked is None or not self.heed_retry_after else max(own, min(asked, self.longest))


@dataclass(slots=True)
class _Sequence:
    """The attempts of one request."""

    request: ClientRequest
    policy: Retry
    budget: RetryBudget
    ends: float | None
    failures: int = 0

    def next_delay(self, response: ClientResponse | None) -> float | None:
        """A failure: the seconds until the next attempt, None when there is none."""
        self.failures += 1
        body = self.request.body
        if self.failures >= self.policy.attempts or (body is not None and body.consumed):
            return None
        field = None if response is None else response.headers.get(hdrs.RETRY_AFTER)
        asked = parse_retry_after(field, datetime.now(UTC))
        # The chance is for spreading attempts, and guards nothing.
        delay = self.policy.delay(self.failures - 1, asked=asked, chance=random.random())  # noqa: S311
        if self.ends is not None and asyncio.get_running_loop().time() + delay >= self.ends:
            return None
        return delay if self.budget.withdraw(self.request.url.origin()) else None


async def send_with_retries(
    request: ClientRequest,
    handler: ClientHandlerType,
    *,
    policy: Retry,
    budget: RetryBudget,
    ends: float | None,
    trace: Trace | None,
) -> ClientResponse:
    """Send `request` by `handler` until it succeeds or there are no attempts, no tokens or, at the loop's time `ends`,
    no time left; the last response or error is the result. A response that is tried again is released."""
    if not policy.concerns(request):
        return await handler(request)
    budget.deposit(request.url.origin())
    attempts = _Sequence(request, policy, budget, ends)
    while True:
        failure: Exception | None = None
        response: ClientResponse | None = None
        try:
            response = await handler(request)
        except policy.errors as error:
            delay = attempts.next_delay(None) if policy.is_passing(error) else None
            if delay is None:
                _tell(error, attempts)
                raise
            failure = error
        else:
            delay = await _verdict(response, attempts)
            if delay is None:
                return response
            await leave(response, request)
        if trace is not None:
            await trace.send(
                TraceRequestRetryParams(
                    request.method, request.url, request.headers, attempts.failures, delay, response, failure
                )
            )
        failure = response = None  # not held on to while nothing happens; an error holds this very frame
        await asyncio.sleep(delay)


async def _verdict(response: ClientResponse, attempts: _Sequence) -> float | None:
    """The seconds until the next attempt; None when the response stands."""
    try:
        return attempts.next_delay(response) if await attempts.policy.is_bad(response) else None
    except BaseException:
        response.close()
        raise


async def leave(response: ClientResponse, request: ClientRequest) -> None:
    """Be done with a response that the caller does not get. Its cookies count all the same: they may say which server
    to come back to."""
    keep_cookies(request.session.cookie_jar, response)
    await response.wait_for_close()


def _tell(error: Exception, attempts: _Sequence) -> None:
    if attempts.failures > 1:
        error.add_note(f"after {attempts.failures} attempts")
