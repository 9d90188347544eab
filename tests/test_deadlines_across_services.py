"""Two services that call each other, as processes of their own: the time that a caller gives the first one is what the
second one has, less what was used on the way.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import free_port
from servers import Program

from levante.client import Backoff, ClientSession, Retry, RetryBudget
from levante.http.deadlines import DEADLINE_HEADER

pytestmark = [pytest.mark.parity("U6"), pytest.mark.hardening("X20")]

PROGRAM = """
import asyncio
import sys
import time

from levante import web
from levante.client import ClientSession, ExpiredDeadlineError
from levante.http.deadlines import DEADLINE_HEADER, remaining
from levante.web.middlewares import handler_timeout

port, backend, trusting = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "trusts"
session = web.AppKey("session", ClientSession)


async def with_session(app):
    async with ClientSession(f"http://127.0.0.1:{backend}/") as app[session]:
        yield


async def left(request):
    return web.json_response({"left": remaining(), "said": request.headers.get(DEADLINE_HEADER)})


async def slow(request):
    started = time.monotonic()
    try:
        await asyncio.sleep(30)
    finally:
        print("given up after", round(time.monotonic() - started, 3), flush=True)


async def forward(request):
    await asyncio.sleep(float(request.query.get("first", 0)))
    try:
        async with request.app[session].get(request.match_info["path"]) as response:
            return web.Response(body=await response.read(), status=response.status)
    except ExpiredDeadlineError:
        print("too late for the backend", flush=True)
        raise


async def late(request):
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        try:
            await request.app[session].get("left")
        except ExpiredDeadlineError:
            print("too late for the backend", flush=True)
        raise


app = web.Application(middlewares=[handler_timeout(20, deadline_header=DEADLINE_HEADER if trusting else None)])
app.add_routes([web.get("/left", left), web.get("/slow", slow), web.get("/late", late)])
app.router.add_get("/forward/{path}", forward)
app.cleanup_ctx.append(with_session)
web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)
"""


class Pair:
    """A front and the backend that it calls."""

    def __init__(self, folder: Path, *, front_trusts: bool) -> None:
        program = folder / "service.py"
        program.write_text(PROGRAM)
        self.port, backend_port = free_port(), free_port()
        trust = "trusts" if front_trusts else "does not"
        self.backend = Program([sys.executable, str(program), str(backend_port), "1", "trusts"], cwd=folder)
        self.front = Program([sys.executable, str(program), str(self.port), str(backend_port), trust], cwd=folder)

    async def ask(self, path: str, milliseconds: int) -> tuple[int, bytes, float]:
        """Status, body and the seconds it took."""
        started = time.monotonic()
        url, headers = f"http://127.0.0.1:{self.port}/{path}", {DEADLINE_HEADER: str(milliseconds)}
        async with ClientSession() as session, session.get(url, headers=headers) as response:
            return response.status, await response.read(), time.monotonic() - started

    async def wait_until_up(self) -> None:
        patient = Retry(attempts=200, wait=Backoff(first=0.1, last=0.1).delay, statuses={500, 502, 503})
        url = f"http://127.0.0.1:{self.port}/forward/left"
        async with ClientSession(retry=patient, retry_budget=RetryBudget(burst=200)) as session:
            response = await session.get(url)
            assert response.status == 200, self.front.log

    def close(self) -> None:
        self.front.close()
        self.backend.close()


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    started = Pair(tmp_path, front_trusts=getattr(request, "param", True))
    yield started
    started.close()


async def test_what_is_left_goes_along(pair: Pair) -> None:
    await pair.wait_until_up()
    status, body, _ = await pair.ask("forward/left?first=0.5", 5000)
    said = read(body)
    assert status == 200
    assert said["left"] <= int(said["said"]) / 1000 <= 4.5, "the half second on the way is gone"
    assert said["left"] > 2.0

    status, _, took = await pair.ask("forward/slow", 600)
    assert status == 504
    assert 0.5 < took < 5
    _, seconds = pair.backend.wait_for(r"given up after ([0-9.]+)")
    assert float(seconds) < 3, "the backend stops when nobody waits any more"

    assert (await pair.ask("late", 200))[0] == 504
    pair.front.wait_for("too late for the backend")


@pytest.mark.parametrize("pair", [False], indirect=True)
async def test_a_service_that_is_not_told_to_believes_no_caller(pair: Pair) -> None:
    await pair.wait_until_up()
    status, body, _ = await pair.ask("forward/left", 1)
    said = read(body)
    assert status == 200
    assert 15_000 < int(said["said"]) <= 20_000, "the backend has what the front's own limit leaves"
    assert 15 < said["left"] <= 20


def read(body: bytes) -> dict[str, float]:
    return dict(json.loads(body))
