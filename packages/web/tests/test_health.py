import asyncio
import json
import time
from typing import Any

import pytest

from levante import web
from levante.web import health, looplag


async def fine() -> bool:
    return True


async def serving(serve: Any, ready: Any = None, **options: Any) -> Any:
    app = web.Application()
    health.setup(app, ready, **options)
    return await serve(app)


async def test_alive(serve: Any) -> None:
    answer = await (await serving(serve)).get("/healthz")
    assert (answer.status, json.loads(answer.text)) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"


async def test_ready(serve: Any) -> None:
    served = await serving(serve, {"database": fine})
    answer = await served.get("/readyz")
    assert (answer.status, json.loads(answer.text)) == (200, {"status": "ok", "checks": {"database": "ok"}})
    answer = await (await serving(serve)).get("/readyz")
    assert (answer.status, json.loads(answer.text)) == (200, {"status": "ok", "checks": {}})


async def test_not_ready(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ConnectionError("secret")

    async def says_no() -> bool:
        return False

    async def hangs() -> None:
        await asyncio.sleep(100)

    served = await serving(serve, {"a": fine, "b": broken, "c": says_no, "d": hangs}, budget=0.05)
    answer = await served.get("/readyz")
    assert answer.status == 503
    assert json.loads(answer.text) == {
        "status": "failed",
        "checks": {"a": "ok", "b": "failed", "c": "failed", "d": "timeout"},
    }
    assert "secret" not in answer.text
    assert "secret" in caplog.text
    assert (await served.get("/healthz")).status == 200


async def test_not_while_draining(serve: Any) -> None:
    served = await serving(serve, live_path="/live", ready_path="/ready")
    await served.runner.app.shutdown()
    answer = await served.get("/ready")
    assert (answer.status, json.loads(answer.text)) == (503, {"status": "draining"})
    assert (await served.get("/live")).status == 200


@pytest.mark.hardening("X6")
async def test_not_while_the_event_loop_is_late(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    served = await serving(serve, max_lag=0.3)
    peer = await served.connect()
    assert (await peer.request("GET", "/readyz")).status == 200
    await peer.send(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(looplag.INTERVAL + 0.4)
    answer = await peer.answer()
    assert (answer.status, json.loads(answer.text)) == (503, {"status": "lagging"})
    assert "seconds late" in caplog.text
    async with asyncio.timeout(10):
        while (await peer.request("GET", "/readyz")).status != 200:
            assert (await peer.request("GET", "/healthz")).status == 200
            await asyncio.sleep(0.01)


async def test_lag_is_measured_between_start_and_stop() -> None:
    lag = looplag.LoopLag()
    assert lag.seconds == 0.0
    lag.start()
    time.sleep(looplag.INTERVAL + 0.1)
    assert lag.seconds >= 0.1
    lag.stop()
    assert lag.seconds == 0.0
    lag.stop()
