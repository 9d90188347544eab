"""One background job: a coroutine that waits for its turn, runs as a task, and has ended. Its result can be had at any
time, by any number of waiters, and none of them can end the job by giving up.
"""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class JobOwner(Protocol):
    """What a job needs of those that it is one of."""

    close_timeout: float | None

    def job_ended(self, job: "BackgroundJob[Any]") -> None: ...

    def report(self, message: str, exception: BaseException | None, job: object) -> None: ...


class BackgroundJob(Generic[T]):
    """A job, as `spawn` returns it. `done` is its result as a future."""

    __slots__ = ("_context", "_coro", "_name", "_owner", "_task", "_waiters", "done")

    def __init__(self, owner: JobOwner, coro: Coroutine[Any, Any, T], name: str | None, context: Context) -> None:
        self._owner = owner
        self._coro = coro
        self._name = name
        self._context = context
        self._task: asyncio.Task[T] | None = None
        self._waiters = 0
        self.done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "active" if self.active else "pending"
        return f"<BackgroundJob {self.get_name() or ''} {state} {self._coro!r}>"

    @property
    def active(self) -> bool:
        """Whether it runs."""
        return self._task is not None and not self.done.done()

    @property
    def pending(self) -> bool:
        """Whether it waits for its turn."""
        return self._task is None and not self.done.done()

    @property
    def closed(self) -> bool:
        """Whether it has ended, or will never run."""
        return self.done.done()

    def get_name(self) -> str | None:
        """The name that it was given; that of its task if it was given none and runs."""
        if self._name is None and self._task is not None:
            return self._task.get_name()
        return self._name

    def set_name(self, name: str) -> None:
        """Name it, and the task that it runs as."""
        self._name = name
        if self._task is not None:
            self._task.set_name(name)

    def start(self) -> None:
        """Run; for the owner to call."""
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._coro, name=self._name, context=self._context)
        self._task.add_done_callback(self._ended)

    async def wait(self, timeout: float | None = None) -> T:
        """What the job returns or raises; CancelledError when it was closed. `timeout` is in seconds: TimeoutError
        leaves the job running, and so does cancelling the waiter.
        """
        self._waiters += 1
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(self.done)
        finally:
            self._waiters -= 1

    async def close(self, timeout: float | None = None) -> None:
        """Cancel it, and wait until it has ended, `timeout` seconds at most (None: the `close_timeout` of the tasks);
        what does not end in time is reported, and goes on. A job that waits for its turn never runs.
        """
        if self.done.done():
            return
        if self._task is None:
            self._coro.close()
            self.done.cancel()
            self._owner.job_ended(self)
            return
        self._task.cancel()
        await asyncio.wait((self.done,), timeout=self._owner.close_timeout if timeout is None else timeout)
        if not self.done.done():
            self._owner.report("a background job does not end although it was cancelled", None, self)

    def _ended(self, task: "asyncio.Task[T]") -> None:
        if task.cancelled():
            self.done.cancel()
        else:
            error = task.exception()
            if error is None:
                self.done.set_result(task.result())
            else:
                self.done.set_exception(error)
                self.done.exception()  # seen: it is reported here, or by whoever waits
                if self._waiters == 0:
                    self._owner.report("a background job failed", error, self)
        self._owner.job_ended(self)
