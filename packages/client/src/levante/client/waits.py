"""How long to wait before something is tried again, and whether that makes sense: functions without I/O and without a
clock of their own."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from levante.http import hdrs, parse_date

from .errors import (
    ClientConnectionError,
    ClientConnectorCertificateError,
    ClientResponseError,
    ServerFingerprintMismatch,
)

__all__ = [
    "LATER",
    "SURE_SHARE",
    "Backoff",
    "Wait",
    "asked_delay",
    "check_attempts",
    "fibonacci_waits",
    "is_temporary",
    "listed_waits",
    "parse_retry_after",
    "random_waits",
    "said",
]

# 4xx answers that say "later": Request Timeout, Too Early, Too Many Requests.
LATER = frozenset({408, 425, 429})
# The share of a delay that chance cannot take away where a peer is reconnected to.
SURE_SHARE = 0.5
# Digits of a Retry-After: 31 years; int() and float() are not fed what grows without end.
_MAX_DIGITS = 9

Wait = Callable[[int], float]
"""The seconds to wait after so many failures before this one: 0 for the first."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before an attempt, in seconds: `first`, then `factor` times as long each time, up to `last`,
    each cut by chance to between half and all of it. A connection that lasted for `stable` begins anew with `first`."""

    first: float = 0.5
    last: float = 30.0
    factor: float = 2.0
    stable: float = 10.0

    def __post_init__(self) -> None:
        if not (0 <= self.first <= self.last and self.factor >= 1 and self.stable >= 0):
            raise ValueError(f"got {self!r}; expected 0 <= first <= last, factor >= 1 and stable >= 0")

    def delay(self, attempt: int) -> float:
        """Before the `attempt`-th try in a row, which counts from 0, if chance takes nothing away."""
        delay = self.first
        for _ in range(attempt):
            delay *= self.factor
            if delay >= self.last or not delay:
                return min(delay, self.last)
        return delay


def random_waits(low: float, high: float) -> Wait:
    """Anything from `low` to `high` seconds each time. ValueError unless 0 <= low <= high."""
    if not 0 <= low <= high:
        raise ValueError(f"expected 0 <= low <= high, got low={low!r} and high={high!r}")
    # The chance is for spreading attempts, and guards nothing.
    return lambda _failures: random.uniform(low, high)  # noqa: S311


def listed_waits(waits: Sequence[float]) -> Wait:
    """The seconds in `waits`, one after the other, then the last one again. ValueError for none and for negative
    ones."""
    kept = tuple(waits)
    if not kept or min(kept) < 0:
        raise ValueError(f"expected at least one wait, none of them negative, got {list(waits)!r}")
    return lambda failures: kept[min(failures, len(kept) - 1)]


def fibonacci_waits(unit: float = 1.0, *, last: float = 30.0) -> Wait:
    """1, 1, 2, 3, 5, 8 ... times `unit` seconds, up to `last`. ValueError unless 0 < unit <= last."""
    if not 0 < unit <= last:
        raise ValueError(f"expected 0 < unit <= last, got unit={unit!r} and last={last!r}")

    def wait(failures: int) -> float:
        this, following = unit, unit
        for _ in range(failures):
            this, following = following, this + following
            if this >= last:
                return last
        return this

    return wait


def is_temporary(error: Exception) -> bool:
    """Whether the same attempt may succeed later: what the network does, timeouts, answers of 5xx, 408, 425 and 429."""
    if isinstance(error, ClientResponseError):
        return error.status >= 500 or error.status in LATER
    if isinstance(error, (ClientConnectorCertificateError, ServerFingerprintMismatch)):
        return False
    return isinstance(error, (ClientConnectionError, OSError))


def parse_retry_after(field: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After `field` (RFC 9110 section 10.2.3) asks for at the moment `now`, which is aware:
    it holds a number of them, or a date, of which one that has passed is 0. None for no field, and for one that is
    neither."""
    if field is None:
        return None
    field = field.strip(" \t")
    if field.isascii() and field.isdecimal():
        return float(field) if len(field) <= _MAX_DIGITS else float("9" * _MAX_DIGITS)
    date = parse_date(field)
    return None if date is None else max(0.0, (date - now).total_seconds())


def asked_delay(error: Exception, *, at_most: float) -> float:
    """The seconds that the answer in `error` asks for by Retry-After; 0.0 where it asks for none."""
    headers = error.headers if isinstance(error, ClientResponseError) else None
    asked = parse_retry_after((headers or {}).get(hdrs.RETRY_AFTER), datetime.now(UTC))
    return 0.0 if asked is None else min(asked, at_most)


def said(error: Exception) -> str:
    """The error for the log; one that holds the request would tell its query and its credentials."""
    what = f"status {error.status}" if isinstance(error, ClientResponseError) else str(error)
    return f"{type(error).__name__}: {what}"


def check_attempts(count: int | None) -> int | None:
    """`count` as the number of attempts that somebody asks for: ValueError unless it is positive, or None."""
    if count is not None and count < 1:
        raise ValueError(f"got max_attempts={count!r}; expected at least 1, or None for no limit")
    return count
