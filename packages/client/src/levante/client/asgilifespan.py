"""The lifespan of an ASGI application: it is told to start and to shut down, and says how that went. One that raises
when it is called with a lifespan knows nothing of such things, and is left in peace."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any


class Lifespan:
    """Startup and shutdown of `app`, each once. `state` is what it leaves for its requests (Any: whatever that is)."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self.state: dict[str, Any] = {}
        self._task: asyncio.Future[None] | None = None
        self._inbox: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._answer: asyncio.Future[MutableMapping[str, Any]] | None = None
        self._starting: asyncio.Future[None] | None = None

    async def startup(self) -> None:
        """Start the application, or wait until it has. RuntimeError when it says that it cannot."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._start())
        await asyncio.shield(self._starting)

    async def shutdown(self) -> None:
        """Shut the application down, if it has started. RuntimeError when it says that it failed."""
        starting, self._starting = self._starting, None
        if starting is not None and not starting.done():
            starting.cancel()
        task, self._task = self._task, None
        if task is None:
            return
        if not task.done():
            await self._ask("shutdown", task)
        await task

    async def _start(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        task = asyncio.ensure_future(self._app(scope, self._inbox.get, self._send))
        try:
            answered = await self._ask("startup", task)
        except BaseException:
            task.cancel()
            await asyncio.wait((task,))
            raise
        if answered:
            self._task = task
        elif not task.cancelled():
            task.exception()  # seen: it has no lifespan

    async def _ask(self, what: str, task: "asyncio.Future[None]") -> bool:
        """Whether the application has answered; RuntimeError when it did so with its failure."""
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait({"type": f"lifespan.{what}"})
        await asyncio.wait((answer, task), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            return False
        message = answer.result()
        if message["type"] == f"lifespan.{what}.complete":
            return True
        raise RuntimeError(f"the ASGI application says {message['type']!r}: {message.get('message') or 'no reason'}")

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        answer = self._answer
        if answer is None or answer.done():
            raise RuntimeError(f"got {message['type']!r} from the ASGI application; nothing was asked")
        answer.set_result(message)
