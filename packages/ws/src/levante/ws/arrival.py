"""What one reader waits for: enough of a future for a task to wait on it, and to be woken at once.

A future wakes its task through the event loop, in the next round; for a message that was just read that round is half
of what it costs. `wake` runs the reader here and now, inside the call of it, in the context of its own task. So only
those may call it that the event loop calls, when they have nothing left to do; all others use `wake_soon`.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, NoReturn

__all__ = ["Arrival"]

Wakeup = Callable[["Arrival"], object]


class Arrival:
    """One thing to wait for at a time, `begin` before each: `await` returns after a `wake`, raises `TimeoutError` after
    the timeout, or that it was cancelled.

    It has of asyncio.Future what a Task uses; `asyncio.isfuture` says which attribute that begins with.
    """

    __slots__ = ("_asyncio_future_blocking", "_come", "_context", "_error", "_loop", "_timer", "_wakeup")

    def __init__(self) -> None:
        self._asyncio_future_blocking = False
        self._loop: Any = None  # Any: there is none before `begin`
        self._come = False
        self._error: BaseException | None = None
        self._wakeup: Wakeup | None = None
        self._context: Context | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, timeout: float | None) -> None:
        """Somebody is about to wait, for at most `timeout` seconds (None: for ever)."""
        self._loop = loop
        self._come = False
        self._error = None
        if timeout is not None:
            self._timer = loop.call_later(timeout, self._time_out)

    def end(self) -> None:
        """Nobody waits any more, whatever woke the reader."""
        self._wakeup = None
        self._context = None
        self._error = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def wake(self) -> None:
        """Let the reader go on, now; does nothing when none waits."""
        wakeup = self._wakeup
        if wakeup is None:
            return
        context: Any = self._context  # Any: it came with the callback
        self._wakeup = None
        self._context = None
        self._come = True
        try:
            context.run(wakeup, self)
        except RuntimeError:
            # Another task runs, or its context is in use: this is no call of the event loop after all.
            self._loop.call_soon(wakeup, self, context=context)
        except (SystemExit, KeyboardInterrupt) as error:
            # The task has ended with it, and the loop must, which uvloop would not if a protocol raised it.
            self._loop.call_soon(_raise, error)

    def wake_soon(self) -> None:
        """Let the reader go on in the next round of the event loop."""
        wakeup = self._wakeup
        if wakeup is not None:
            self._come = True
            self._wakeup = None
            self._loop.call_soon(wakeup, self, context=self._context)
            self._context = None

    def _time_out(self) -> None:
        if self._wakeup is not None:
            self._error = TimeoutError("no message came in time")
            self.wake()

    # For the coroutine that awaits it.

    def __await__(self) -> Any:  # Any: an iterator, of which type checkers want a whole generator
        return self

    def __iter__(self) -> "Arrival":
        return self

    def __next__(self) -> "Arrival":
        if self._come:
            raise StopIteration
        self._asyncio_future_blocking = True
        return self

    # For the task that runs the coroutine.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop whose tasks can wait."""
        loop: asyncio.AbstractEventLoop = self._loop
        return loop

    def add_done_callback(self, callback: Wakeup, *, context: Context) -> None:
        """What to call, and in which context, when it comes."""
        self._wakeup = callback
        self._context = context

    def result(self) -> None:
        """Raises what the waiting ended with, if it was no message."""
        if self._error is not None:
            raise self._error

    def cancel(self, msg: Any = None) -> bool:  # Any: as Task.cancel has it
        """The task is cancelled while it waits; whether it did."""
        if self._wakeup is None:
            return False
        self._error = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        self.wake_soon()
        return True


def _raise(error: BaseException) -> NoReturn:
    raise error
