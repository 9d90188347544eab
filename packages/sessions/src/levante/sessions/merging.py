"""What one request did to a session's data, so that it can be done again to what another request saved meanwhile. It
is told key by key, at the top level only: that is the grain at which handlers think of a session."""

from dataclasses import dataclass
from typing import Any, Self

from . import payload

Data = dict[str, Any]  # Any: plain JSON


@dataclass(frozen=True, slots=True)
class Changes:
    """Keys that were set, with their values, and keys that were deleted."""

    put: Data
    deleted: frozenset[str]

    @classmethod
    def between(cls, before: Data, after: Data) -> Self:
        put = {key: value for key, value in after.items() if key not in before or _differ(before[key], value)}
        return cls(put, frozenset(before.keys() - after.keys()))

    def applied_to(self, data: Data) -> Data:
        """`data` with the changes made; `data` itself stays as it is."""
        return {key: value for key, value in data.items() if key not in self.deleted} | self.put


def _differ(before: Any, after: Any) -> bool:  # Any: plain JSON
    # To Python 1, 1.0 and True are equal.
    return bool(before != after) or payload.dumps(before) != payload.dumps(after)
