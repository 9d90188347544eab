"""Work that outlives the request which began it: a bounded set of background tasks that belongs to an application,
waits for them at shutdown and cancels what will not end. `setup(app)` makes one; `spawn`, `shield` and `atomic` use it
from handlers, `BackgroundTasks` works without an application as well.

Jobs run at once up to a limit, then wait in order, and when too many wait, `spawn` does. So a handler that begins more
work than gets done is slowed down, and memory stays bounded.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterator
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from levante.http.deadlines import no_deadline

from .background_job import BackgroundJob
from .cancellation import request_of
from .keys import AppKey

if TYPE_CHECKING:
    from .types import Application, Request

T = TypeVar("T")
H = TypeVar("H", bound=Callable[..., Awaitable[Any]])

LIMIT: Final = 100
"""Jobs that run at once; aiojobs: 100."""

PENDING_LIMIT: Final = 10_000
"""Jobs that wait for one of those to end; aiojobs: 10,000."""

CLOSE_TIMEOUT: Final = 0.1
"""Seconds that a cancelled job has for its `finally` blocks; aiojobs: 0.1."""

WAIT_TIMEOUT: Final = 20.0
"""Seconds that jobs may run on at cleanup. Less than aiojobs' 60: the supervisor of workers grants 30 beyond the
shutdown of the server (`workers.RETIRE_MARGIN`), Kubernetes as many for everything, and what is killed ends badly.
"""

ExceptionHandler = Callable[["BackgroundTasks", dict[str, Any]], object]
"""Told what nobody waits for: the tasks, and a context as `loop.call_exception_handler` has it (`message`, `job`,
`exception`; Any: each of its own type).
"""

Jobs = BackgroundJob[Any]
"""Any: jobs of one set give results of any type."""


class BackgroundTasks(Collection[Jobs]):
    """Background tasks with limits. As a collection it holds the jobs that run or wait.

    `limit` jobs run at once (None: no limit) and `pending_limit` wait for that (0: no limit). Times are in seconds,
    None is no limit: `wait_timeout` for jobs to end by themselves at `wait_and_close`, `close_timeout` for cancelled
    ones. What a job raised while nobody waited for it goes to `exception_handler(tasks, context)`, or to the event
    loop's.
    """

    def __init__(
        self,
        *,
        limit: int | None = LIMIT,
        pending_limit: int = PENDING_LIMIT,
        close_timeout: float | None = CLOSE_TIMEOUT,
        wait_timeout: float | None = WAIT_TIMEOUT,
        exception_handler: ExceptionHandler | None = None,
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"limit is at least 1, or None for no limit; got {limit!r}")
        if pending_limit < 0:
            raise ValueError(f"pending_limit is at least 1, or 0 for no limit; got {pending_limit!r}")
        if exception_handler is not None and not callable(exception_handler):
            raise TypeError(f"exception_handler is called with the tasks and a context; got {exception_handler!r}")
        self.limit = limit
        self.pending_limit = pending_limit
        self.close_timeout = close_timeout
        self.wait_timeout = wait_timeout
        self.exception_handler = exception_handler
        self._loop: asyncio.AbstractEventLoop | None = None  # that of the first job
        self._running: set[Jobs] = set()
        self._pending: deque[Jobs] = deque()
        self._shielded: set[asyncio.Future[Any]] = set()  # Any: of whatever is shielded
        self._spawning: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._idle = asyncio.Event()  # nothing runs, waits or is shielded

    # As a collection.

    def __len__(self) -> int:
        return len(self._running) + len(self._pending)

    def __iter__(self) -> Iterator[Jobs]:
        return iter([*self._running, *self._pending])

    def __contains__(self, job: object) -> bool:
        return job in self._running or job in self._pending

    def __repr__(self) -> str:
        state = " closed" if self._closed else ""
        return f"<BackgroundTasks{state} running={len(self._running)} pending={len(self._pending)}>"

    @property
    def active_count(self) -> int:
        """How many jobs run."""
        return len(self._running)

    @property
    def pending_count(self) -> int:
        """How many jobs wait for their turn."""
        return len(self._pending)

    @property
    def closed(self) -> bool:
        """Whether no job is taken any more."""
        return self._closed

    # Beginning.

    async def spawn(self, coro: Coroutine[Any, Any, T], name: str | None = None) -> BackgroundJob[T]:
        """Run a coroutine in the background, with a copy of the caller's context, its deadline left out. Returns at
        once, unless as many jobs wait as may. RuntimeError when closed, and on another event loop than before,
        TypeError for what is no coroutine.
        """
        if not asyncio.iscoroutine(coro):
            raise TypeError(f"a job is a coroutine, as `work()` of `async def work()`; got {coro!r}")
        try:
            while not self._closed and self._is_full():
                await self._wait_for_room()
            self._check_open()
        except BaseException:
            coro.close()
            raise
        with no_deadline():
            job = BackgroundJob(self, coro, name, contextvars.copy_context())
        self._idle.clear()
        if self.limit is None or len(self._running) < self.limit:
            self._start(job)
        else:
            self._pending.append(job)
        return job

    async def shield(self, awaitable: Awaitable[T]) -> T:
        """Await something that goes on when the caller is cancelled. It counts for no limit, and is waited for at
        `wait_and_close` as jobs are.
        """
        if self._closed and asyncio.iscoroutine(awaitable):
            awaitable.close()
        self._check_open()
        with no_deadline():
            inner = asyncio.ensure_future(awaitable)
        self._idle.clear()
        self._shielded.add(inner)
        inner.add_done_callback(self._shielded_ended)
        try:
            return await asyncio.shield(inner)
        except asyncio.CancelledError:
            if not inner.done():
                inner.add_done_callback(self._left_alone)
            raise

    def _is_full(self) -> bool:
        may_run = self.limit is None or len(self._running) < self.limit
        return not may_run and self.pending_limit > 0 and len(self._pending) >= self.pending_limit

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the background tasks are closed: the application shuts down, or close() was called")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError("these background tasks belong to another event loop; make a set for each loop")

    async def _wait_for_room(self) -> None:
        room = asyncio.get_running_loop().create_future()
        self._spawning.append(room)
        try:
            await room
        except asyncio.CancelledError:
            if room.done() and not room.cancelled():
                self._wake_spawner()  # the room was for somebody who does not want it any more
            raise
        finally:
            if room in self._spawning:
                self._spawning.remove(room)

    def _wake_spawner(self) -> None:
        while self._spawning:
            room = self._spawning.popleft()
            if not room.done():
                room.set_result(None)
                return

    # For the jobs to call.

    def _start(self, job: Jobs) -> None:
        self._running.add(job)
        job.start()

    def job_ended(self, job: Jobs) -> None:
        """A job has run to its end, or will not run any more: it makes room."""
        if job in self._running:
            self._running.remove(job)
        else:
            self._pending.remove(job)
        while self._pending and (self.limit is None or len(self._running) < self.limit):
            self._start(self._pending.popleft())
        self._wake_spawner()
        self._check_idle()

    def _shielded_ended(self, inner: "asyncio.Future[Any]") -> None:
        self._shielded.discard(inner)
        self._check_idle()

    def _check_idle(self) -> None:
        if not self and not self._shielded:
            self._idle.set()

    def report(self, message: str, exception: BaseException | None, job: object) -> None:
        """Tell whoever was named for it what went wrong where nobody waits."""
        context: dict[str, Any] = {"message": message, "job": job}
        if exception is not None:
            context["exception"] = exception
        loop = asyncio.get_running_loop()
        if self.exception_handler is None:
            loop.call_exception_handler(context)
            return
        try:
            self.exception_handler(self, context)
        except Exception as exc:  # noqa: BLE001  # reported: it must not end whatever ends a job
            loop.call_exception_handler({"message": "error in an exception handler", "exception": exc})

    def _left_alone(self, inner: "asyncio.Future[Any]") -> None:
        if not inner.cancelled() and inner.exception() is not None:
            self.report("what was shielded failed after its caller had been cancelled", inner.exception(), inner)

    # Ending.

    async def wait_and_close(self, timeout: float | None = None) -> None:
        """Wait until no job is left (they may spawn others), for `timeout` seconds (None: `wait_timeout`), then
        `close`.
        """
        patience = self.wait_timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(patience):
                while self or self._shielded:
                    await self._idle.wait()
                    await asyncio.sleep(0)  # who waited for the last ones comes before us, and may spawn others
        except TimeoutError:
            pass  # close() cancels the rest, and reports what does not end then
        await self.close()

    async def close(self) -> None:
        """Take no more jobs, drop those that wait, cancel those that run, and give them `close_timeout` seconds."""
        self._closed = True
        while self._spawning:
            self._wake_spawner()
        closing = [job.close() for job in (*self._pending, *self._running)]
        shielded = set(self._shielded)
        for inner in shielded:
            inner.cancel()
        await asyncio.gather(*closing)
        if shielded:
            _, late = await asyncio.wait(shielded, timeout=self.close_timeout)
            for inner in late:
                self.report("what was shielded does not end although it was cancelled", None, inner)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.wait_and_close()


TASKS: Final = AppKey("background_tasks", BackgroundTasks)
"""Where `setup` puts them."""


def setup(app: "Application", **options: Any) -> BackgroundTasks:  # Any: those of BackgroundTasks, each of its own type
    """Give the application background tasks, with the options of `BackgroundTasks`; they end with its cleanup.

    What jobs use must live longer than they do: call this after the `cleanup_ctx` of databases and the like has been
    added, for cleanup goes backwards.
    """
    tasks = BackgroundTasks(**options)

    async def bring_down(_: "Application") -> AsyncIterator[None]:
        yield
        await tasks.wait_and_close()

    app[TASKS] = tasks
    app.cleanup_ctx.append(bring_down)
    return tasks


def get_tasks(request: "Request") -> BackgroundTasks:
    """The background tasks of the request's application, or of one above it. RuntimeError when there are none."""
    for app in reversed(request.match_info.apps):
        tasks = app.get(TASKS)
        if tasks is not None:
            return tasks
    raise RuntimeError("the application has no background tasks; call levante.web.background.setup(app) first")


async def spawn(request: "Request", coro: Coroutine[Any, Any, T], name: str | None = None) -> BackgroundJob[T]:
    """`BackgroundTasks.spawn` of the request's application."""
    try:
        tasks = get_tasks(request)
    except RuntimeError:
        coro.close()
        raise
    return await tasks.spawn(coro, name)


async def shield(request: "Request", awaitable: Awaitable[T]) -> T:
    """`BackgroundTasks.shield` of the request's application."""
    return await get_tasks(request).shield(awaitable)


def atomic(handler: H) -> H:
    """Decorate a handler, or a method of a View: once begun it runs to its end, whoever cancels the request.

    Cancelled is then only what surrounds it (the server's task, a timeout), and its response goes nowhere. To refuse
    the cancelling on a disconnect altogether, `web.cancel_on_disconnect(enabled=False)` is enough.
    """

    async def run(*arguments: Any) -> Any:  # Any: those of the handler, and what it returns
        tasks = get_tasks(request_of(arguments[-1]))
        return await tasks.shield(handler(*arguments))

    decorated: H = update_wrapper(run, handler)  # type: ignore[assignment]  # it takes and gives what the handler does
    return decorated
