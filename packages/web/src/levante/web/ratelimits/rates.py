"""Rates, what is said of one more of something, and the seam behind which it is counted."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}

_TEXT = re.compile(r"([1-9]\d{0,8})\s*(?:/|per)\s*([1-9]\d{0,5})?\s*(second|minute|hour|day)s?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of something in so many seconds. ValueError for less than one."""

    count: int
    seconds: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.seconds < 1:
            raise ValueError(
                f"got {self.count} in {self.seconds} seconds; expected at least one in at least one second"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """`"100/minute"`, `"5 per 15 minutes"`. Raises ValueError."""
        found = _TEXT.fullmatch(text.strip().lower())
        if found is None:
            raise ValueError(f"got {text!r}; expected a rate such as '100/minute' or '5 per 15 minutes'")
        count, many, unit = found.groups()
        return cls(int(count), int(many or 1) * UNITS[unit])

    @classmethod
    def of(cls, rate: "Rate | str") -> "Rate":
        """A rate, given as one or as a text."""
        return cls.parse(rate) if isinstance(rate, str) else rate

    def __str__(self) -> str:
        return f"{self.count} per {self.seconds} s"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one more is allowed; how many more are then, and in how many seconds all are again. `retry_after`:
    seconds until one is, 0 when it is."""

    allowed: bool
    remaining: int
    reset_after: float
    retry_after: float


class RateLimits(ABC):
    """Counts. Raises OSError when it cannot; TimeoutError is one."""

    @abstractmethod
    async def hit(self, key: str, rate: Rate) -> Verdict:
        """Count one more under `key`, if it is allowed."""

    @abstractmethod
    async def forget(self, key: str, rate: Rate) -> None:
        """Begin anew under `key`."""

    @abstractmethod
    async def close(self) -> None:
        """Give up what is held open."""
