"""The lifespan of a mounted application: it is told to start and to shut down, and says how that went. One that knows
nothing of lifespans raises when it is called with theirs, and is left in peace.
"""

import asyncio
import logging
from typing import Any, Final

from .types import ASGI, ASGIApplication, Message

logger = logging.getLogger("levante.web")

LEAVING: Final = 5.0
"""Seconds for an application that says that it failed to return; one that waits for further messages never does."""


class Lifespan:
    """Startup and shutdown of one application. `state` is what it leaves for its requests."""

    def __init__(self, app: ASGIApplication) -> None:
        self._app = app
        self.state: dict[str, Any] = {}  # Any: whatever the application puts there
        self._task: asyncio.Future[None] | None = None
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[str | None]] = {}

    async def startup(self) -> None:
        """Start the application. RuntimeError when it says that it cannot."""
        scope = {"type": "lifespan", "asgi": dict(ASGI), "state": self.state}
        self._task = asyncio.ensure_future(self._app(scope, self._inbox.get, self._send))
        try:
            answered = await self._ask("startup")
        except BaseException:
            self._task.cancel()
            raise
        if not answered:
            logger.debug("%r has no lifespan: %r", self._app, _outcome(self._task))
            self._task = None

    async def shutdown(self) -> None:
        """Shut the application down. Raises what it raises; RuntimeError when it says that it failed."""
        if self._task is None:
            return
        if not self._task.done():
            await self._ask("shutdown")
        await self._task

    async def _ask(self, what: str) -> bool:
        """Whether the application has answered; RuntimeError when it did so with its failure."""
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._answers[what] = answer
        self._inbox.put_nowait({"type": f"lifespan.{what}"})
        task = self._task
        if task is not None:
            await asyncio.wait((answer, task), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            return False
        failure = answer.result()
        if failure is None:
            return True
        if task is not None:
            await asyncio.wait((task,), timeout=LEAVING)
            if task.cancel():
                await asyncio.wait((task,), timeout=LEAVING)
            if task.done():
                _outcome(task)
        raise RuntimeError(
            f"the {what} of the mounted application {self._app!r} failed: {failure or 'no reason given'}"
        )

    async def _send(self, message: Message) -> None:
        _, what, how = str(message["type"]).split(".") if str(message["type"]).count(".") == 2 else ("", "", "")
        answer = self._answers.get(what)
        if how not in ("complete", "failed") or answer is None or answer.done():
            raise RuntimeError(
                f"got {message['type']!r} from a mounted application; expected the end of what was asked"
            )
        answer.set_result(None if how == "complete" else str(message.get("message", "")))


def _outcome(task: "asyncio.Future[None]") -> BaseException | None:
    """What the task raised: looked at, so that nobody else has to be told."""
    return None if task.cancelled() else task.exception()
