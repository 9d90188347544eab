"""The seam between sessions and a table on a server. A store keeps records under handles and compares before it sets,
so that two requests, on two machines, cannot undo each other's writes without noticing."""

import enum
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from typing import TypeAlias

from .records import Handle, Record


class Outcome(enum.Enum):
    """What became of a write."""

    WRITTEN = "written"
    GONE = "gone"


PutResult: TypeAlias = Record | Outcome
"""How a write ended: an Outcome, or the record that was found in place of the expected one."""


class SessionStore(ABC):
    """A table of sessions. Every method raises SessionStoreUnavailable when the table cannot be asked in time."""

    @abstractmethod
    async def get(self, handle: Handle) -> Record | None:
        """The record, None if there is none."""

    @abstractmethod
    async def put(
        self, handle: Handle, record: Record, *, seconds: int | None, replaces: Handle, expected: int | None
    ) -> PutResult:
        """Write `record` for `seconds` (None: for good) if the one under `replaces` has version `expected` (0: if there
        is none; None: in any case), which it takes the place of in one step. `record.version` is the new version. A
        write that is repeated, because its confirmation was lost, is WRITTEN again."""

    @abstractmethod
    async def delete(self, handles: Iterable[Handle]) -> None:
        """Forget the records, those that exist."""

    @abstractmethod
    async def of_user(self, user: str) -> dict[Handle, Record]:
        """The records of one user."""

    @abstractmethod
    async def delete_user(self, user: str, keep: Collection[Handle]) -> None:
        """Forget the records of one user but those to keep, also one that another request moves to a new handle
        meanwhile."""

    @abstractmethod
    async def close(self) -> None:
        """Give up what the store holds open. It is not used again."""
