"""Startup, shutdown and cleanup of an application. A cleanup context is one resource: what comes before its `yield`
runs at startup, what comes after it at cleanup, in reverse order, and only for those that were entered, also when
startup fails half way.
"""

from asyncio import CancelledError
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from inspect import isasyncgenfunction
from typing import TYPE_CHECKING, TypeAlias

from aiosignal import Signal
from frozenlist import FrozenList

if TYPE_CHECKING:
    from .types import Application, CleanupStep, Request, StreamResponse

    AppSignal: TypeAlias = Signal[Application]
    PrepareSignal: TypeAlias = Signal[Request, StreamResponse]
    _CleanupBase: TypeAlias = FrozenList[CleanupStep]
else:
    AppSignal = PrepareSignal = Signal
    _CleanupBase = FrozenList


class CleanupError(RuntimeError):
    """More than one cleanup context failed while exiting; `exceptions` holds them, in the order they happened."""

    @property
    def exceptions(self) -> list[BaseException]:
        errors: list[BaseException] = self.args[1]
        return errors


class CleanupContext(_CleanupBase):
    """The list of an application's cleanup contexts: async generator functions with one `yield`, or functions that
    return async context managers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._entered: list[AbstractAsyncContextManager[None]] = []

    async def enter(self, app: "Application") -> None:
        """Enter each context in order; those entered are exited by `exit`, whatever happens to the rest."""
        for step in self:
            context = _as_context(step, app)
            await context.__aenter__()
            self._entered.append(context)

    async def exit(self, app: "Application") -> None:
        """Exit the entered contexts, last first. One error is raised as it is, several as `CleanupError`."""
        errors: list[BaseException] = []
        while self._entered:
            context = self._entered.pop()
            try:
                await context.__aexit__(None, None, None)
            except (Exception, CancelledError) as exc:  # noqa: BLE001  # collected, and raised below: the other contexts must be exited too
                errors.append(exc)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise CleanupError(f"{len(errors)} cleanup contexts of {app!r} failed on exit", errors)


def _as_context(step: "CleanupStep", app: "Application") -> AbstractAsyncContextManager[None]:
    made: AsyncIterator[None] | AbstractAsyncContextManager[None]
    if isasyncgenfunction(step):
        return asynccontextmanager(step)(app)
    made = step(app)
    if isinstance(made, AbstractAsyncContextManager):
        return made
    if isinstance(made, AsyncIterator):
        return asynccontextmanager(lambda: made)()
    raise TypeError(f"a cleanup context gives an async iterator or an async context manager; {step!r} gave {made!r}")


AppCallback: TypeAlias = "Callable[[Application], Awaitable[object]]"
