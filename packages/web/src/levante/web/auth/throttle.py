"""Guessing passwords must be slow: attempts to log in are counted, for each name from each address, for each name from
anywhere, and for each address. Attempts count when they begin, so that a thousand at once are no way around."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from levante.web.exceptions import HTTPServiceUnavailable
from levante.web.middlewares.rate_limit import by_address, too_many_requests
from levante.web.ratelimits import MemoryLimits, Rate, RateLimits

if TYPE_CHECKING:
    from levante.web.types import Request

PER_NAME_AND_ADDRESS: Final = Rate(5, 300)
"""Somebody who looks for his password; a program that guesses gets 1,440 a day."""

PER_NAME: Final = Rate(100, 3600)
"""From all over the world; so high that a stranger does not easily lock somebody out."""

PER_ADDRESS: Final = Rate(100, 3600)
"""Of an office, behind one address; a program that tries one password with many names ends here."""


class LoginAttempt:
    """One attempt. Say `succeeded()` when the password was right; else it has failed."""

    def __init__(self) -> None:
        self.is_successful = False

    def succeeded(self) -> None:
        """The password was right: this name is not counted from this address any more."""
        self.is_successful = True


class LoginThrottle:
    """Counts attempts in `limits` (this process, by default). While they cannot be counted nobody logs in: 503."""

    def __init__(
        self,
        limits: RateLimits | None = None,
        *,
        per_name_and_address: Rate = PER_NAME_AND_ADDRESS,
        per_name: Rate = PER_NAME,
        per_address: Rate = PER_ADDRESS,
    ) -> None:
        self._limits = MemoryLimits() if limits is None else limits
        self._rates = (per_name_and_address, per_address, per_name)

    @asynccontextmanager
    async def attempt(self, request: "Request", name: str) -> AsyncIterator[LoginAttempt]:
        """Around an attempt of `request` to log in as `name`, whether there is such a user or not. Raises
        HTTPTooManyRequests when there were too many, and HTTPServiceUnavailable when they cannot be counted."""
        # Names are what people type in, sometimes their passwords: kept as hashes, as one whatever the case.
        user = hashlib.sha256(name.strip().casefold().encode("utf-8", "surrogatepass")).hexdigest()
        address = by_address(request)
        # The name last: an address that may not ask any more cannot use up what its owner has left.
        keys = (f"login:{user}:{address}", f"login:from:{address}", f"login:{user}")
        for key, rate in zip(keys, self._rates, strict=True):
            with _or_unavailable():
                verdict = await self._limits.hit(key, rate)
            if not verdict.allowed:
                raise too_many_requests(verdict.retry_after)
        attempt = LoginAttempt()
        try:
            yield attempt
        finally:  # a redirect to the next page is often raised
            if attempt.is_successful:
                with _or_unavailable():
                    await self._limits.forget(keys[0], self._rates[0])


@contextmanager
def _or_unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HTTPServiceUnavailable(headers={"Retry-After": "1"}) from error
