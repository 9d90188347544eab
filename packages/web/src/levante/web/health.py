"""Two questions that an orchestrator asks. `/healthz`: does the event loop turn? Nothing else is looked at, for a
restart cures nothing else. `/readyz`: should requests be sent here? Not while something that every request needs is
missing, not while the event loop is late, and not while the service is shutting down.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from .app import Application
from .looplag import LoopLag
from .request import Request
from .request_limit import never_shed
from .response import Response, json_response

CHECK_BUDGET = 1.0
"""Seconds that each check may take: orchestrators give a probe one second by default."""

MAX_LAG = 1.0
"""Seconds by which the event loop may be late: then every request takes that much longer than it has to, and those who
wait for an answer begin to give up. An orchestrator's probe waits for as long.
"""

Check = Callable[[], Awaitable[object]]
"""Returns when all is well (its value does not matter, except False), raises when it is not."""

logger = logging.getLogger("levante.web.health")


def setup(
    app: Application,
    ready: Mapping[str, Check] | None = None,
    *,
    budget: float = CHECK_BUDGET,
    max_lag: float = MAX_LAG,
    live_path: str = "/healthz",
    ready_path: str = "/readyz",
) -> None:
    """Add the two routes. `ready` names the checks; they run side by side, each for at most `budget` seconds.

    `/healthz` is 200 with `{"status": "ok"}`; `/readyz` is 200 with each check "ok", or 503 with the failed ones
    "failed" or "timeout", or 503 with `{"status": "draining"}`, or with `{"status": "lagging"}` when the event loop is
    `max_lag` seconds late. What failed is in the log, not in the answer.
    """
    checks = dict(ready or {})
    draining = asyncio.Event()
    lag = LoopLag()

    async def live(_: Request) -> Response:
        return _answer({"status": "ok"}, status=200)

    async def is_ready(_: Request) -> Response:
        if draining.is_set():
            return _answer({"status": "draining"}, status=503)
        if (late := lag.seconds) >= max_lag:
            logger.warning("the event loop is %.1f seconds late: not ready", late)
            return _answer({"status": "lagging"}, status=503)
        results = await asyncio.gather(*(_run(name, check, budget) for name, check in checks.items()))
        verdicts = dict(zip(checks, results, strict=True))
        good = all(verdict == "ok" for verdict in results)
        return _answer({"status": "ok" if good else "failed", "checks": verdicts}, status=200 if good else 503)

    async def measure(_: Application) -> AsyncIterator[None]:
        lag.start()
        yield
        lag.stop()

    async def drain(_: Application) -> None:
        draining.set()

    app.router.add_get(live_path, never_shed(live))
    app.router.add_get(ready_path, never_shed(is_ready))
    app.cleanup_ctx.append(measure)
    app.on_shutdown.append(drain)


async def _run(name: str, check: Check, budget: float) -> str:
    try:
        async with asyncio.timeout(budget):
            return "failed" if await check() is False else "ok"
    except TimeoutError:
        logger.warning("readiness check %r took more than %g seconds", name, budget)
        return "timeout"
    except Exception as exc:  # noqa: BLE001  # whatever is wrong with it, the answer is the same
        logger.warning("readiness check %r failed: %r", name, exc)
        return "failed"


def _answer(content: object, *, status: int) -> Response:
    return json_response(content, status=status, headers={"Cache-Control": "no-store"})
