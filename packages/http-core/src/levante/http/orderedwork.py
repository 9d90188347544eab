"""The steps of one coder: small ones at once, large ones in a thread, so that the event loop goes on meanwhile. They
run one at a time and in the order they were asked for, for a coder has a state; and what a step gave is never lost:
when whoever waits for it is cancelled, the next one gets it in front of its own.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor


class OrderedWork:
    """Runs the steps of a coder. `executor` is where large ones go, None being the loop's own."""

    __slots__ = ("_executor", "_failure", "_ready", "_running")

    def __init__(self, executor: Executor | None = None) -> None:
        self._executor = executor
        self._running: asyncio.Future[bytes] | None = None
        self._ready = b""
        self._failure: BaseException | None = None

    @property
    def is_running(self) -> bool:
        """Whether a step is in a thread: the coder must not be touched, nor asked."""
        return self._running is not None

    @property
    def has_left(self) -> bool:
        """Whether a cancelled caller has left something behind, or will have."""
        return self._running is not None or bool(self._ready) or self._failure is not None

    async def run(self, work: Callable[[bytes], bytes], data: bytes, *, in_thread: bool) -> bytes:
        """`work(data)` after all steps before it, together with what a cancelled caller did not get. Raises what the
        work raises, or what the work of a cancelled caller raised.
        """
        waiting = await self.settle() if self._running is not None else self.take()
        if not in_thread:
            done = work(data)
        else:
            running = asyncio.get_running_loop().run_in_executor(self._executor, work, data)
            self._ready, waiting = waiting, b""
            self._running = running
            running.add_done_callback(self._done)
            await asyncio.wait((running,))  # which leaves the step alone when this caller is cancelled
            done = self.take()
        return waiting + done if waiting else done

    async def settle(self) -> bytes:
        """Wait for a step that runs in a thread, and return what nobody has got yet."""
        while self._running is not None:
            await asyncio.wait((self._running,))
        return self.take()

    def _done(self, running: "asyncio.Future[bytes]") -> None:
        self._running = None
        self._failure = None if running.cancelled() else running.exception()
        if self._failure is None and not running.cancelled():
            self._ready += running.result()

    def take(self) -> bytes:
        """What nobody has got yet; raises what the work of a cancelled caller raised."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        ready, self._ready = self._ready, b""
        return ready
