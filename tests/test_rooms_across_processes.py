"""Two server processes on one Redis deliver to each other's members; Redis and servers come and go meanwhile."""

import asyncio
import contextlib
import re
import signal
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import free_port
from redis_servers import RedisServer

from levante import web
from levante.client import Backoff, ClientSession, reconnecting

PROGRAM = """
import sys

from levante import web
from levante.ws import Rooms
from levante.ws.backplanes.redis import RedisBackplane

rooms = Rooms(backplane=RedisBackplane(sys.argv[2]), drain_timeout=3)


async def chat(request):
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    rooms.join(ws, "lobby")
    await ws.send_str("joined")
    async for message in ws:
        await rooms.broadcast("lobby", message.data)
    return ws


async def with_rooms(app):
    async with rooms:
        yield


app = web.Application()
app.router.add_get("/", chat)
app.cleanup_ctx.append(with_rooms)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), shutdown_timeout=5, print=None, access_log=None)
"""
HEALED = 2.0  # seconds, from Redis being back to hearing each other
NO_WAIT = 0.25  # seconds that a broadcast may take to members here, whatever Redis does
PATIENCE = 30.0
QUICKLY = Backoff(first=0.02, last=0.1)


class ServerProcess:
    """One server, on a port that it keeps when it is started again."""

    def __init__(self, program: Path, redis: RedisServer) -> None:
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/"
        self._command = [sys.executable, str(program), str(self.port), redis.url]
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)

    def stop(self, number: signal.Signals) -> tuple[int, str]:
        """Its status and what it wrote."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        self._process.send_signal(number)
        errors = self._process.communicate(timeout=PATIENCE)[1]
        status = self._process.returncode
        self._process = None
        return status, errors

    def end(self) -> None:
        if self._process is not None:
            self.stop(signal.SIGKILL)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


@pytest.fixture
def servers(tmp_path: Path, redis: RedisServer) -> Iterator[list[ServerProcess]]:
    program = tmp_path / "chat.py"
    program.write_text(PROGRAM)
    running = [ServerProcess(program, redis), ServerProcess(program, redis)]
    yield running
    for server in running:
        server.end()


class Member:
    """A client that stays connected; what it got, and the close codes that it saw."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self.got: list[str] = []
        self.codes: list[int | None] = []
        self.joined = 0
        self._connections = reconnecting(session, url, backoff=QUICKLY)
        self.task = asyncio.create_task(self._stay())

    async def _stay(self) -> None:
        async with self._connections:
            async for ws in self._connections:
                self.ws = ws
                async for message in ws:
                    if message.data == "joined":
                        self.joined += 1
                    else:
                        self.got.append(str(message.data))
                self.codes.append(ws.close_code)


@pytest.fixture
async def members(servers: list[ServerProcess]) -> AsyncIterator[list[Member]]:
    async with ClientSession() as session:
        there = [Member(session, server.url) for server in servers]
        await until(lambda: all(member.joined for member in there))
        await each_hears_the_other(there)
        yield there
        for member in there:
            member.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await member.task


async def until(question: Callable[[], object], *, within: float = PATIENCE) -> float:
    started = asyncio.get_running_loop().time()
    async with asyncio.timeout(within):
        while not question():
            await asyncio.sleep(0.005)
    return asyncio.get_running_loop().time() - started


async def each_hears_the_other(members: list[Member]) -> float:
    """Both say something now and then until both have heard both; the seconds that took."""
    words = [f"{len(member.got)} of {number}" for number, member in enumerate(members)]
    started = asyncio.get_running_loop().time()
    async with asyncio.timeout(PATIENCE):
        while not all(word in member.got for word in words for member in members):
            for member, word in zip(members, words, strict=True):
                await member.ws.send_str(word)
            await asyncio.sleep(0.02)
    return asyncio.get_running_loop().time() - started


@pytest.mark.parity("U20")
async def test_a_broadcast_reaches_the_members_of_both_processes(members: list[Member]) -> None:
    one, two = members
    texts = [f"grüße {number}" for number in range(200)]
    for text in texts:
        await one.ws.send_str(text)
    await until(lambda: texts[-1] in one.got and texts[-1] in two.got)
    for member in members:
        assert [text for text in member.got if text in texts] == texts


@pytest.mark.hardening("X18")
async def test_redis_is_killed_and_comes_back(
    members: list[Member], servers: list[ServerProcess], redis: RedisServer
) -> None:
    one, _ = members
    redis.kill()
    await one.ws.send_str("alone")
    await until(lambda: "alone" in one.got, within=2)
    await asyncio.to_thread(redis.start)
    assert await each_hears_the_other(members) < HEALED
    assert [member.joined for member in members] == [1, 1]
    status, errors = await asyncio.to_thread(servers[0].stop, signal.SIGTERM)
    assert (status, errors.count("Redis is away"), errors.count("Redis is back")) == (0, 1, 1)


@pytest.mark.hardening("X18")
async def test_redis_hangs_and_goes_on(members: list[Member], servers: list[ServerProcess], redis: RedisServer) -> None:
    """Stopped for longer than it takes to notice; nobody here waits for it meanwhile."""
    one, two = members
    redis.hang()
    took = []
    for number in range(30):
        took.append(await heard_by_himself(one, f"alone {number}"))
        await asyncio.sleep(0.1)
    # Not the longest: that may be the machine's. Whoever waited for Redis would do so until it is given up.
    assert statistics.quantiles(took, n=10)[-1] < NO_WAIT
    redis.go_on()
    assert await each_hears_the_other(members) < HEALED
    assert [member.joined for member in members] == [1, 1]
    status, errors = await asyncio.to_thread(servers[0].stop, signal.SIGTERM)
    assert (status, errors.count("Redis is away"), errors.count("Redis is back")) == (0, 1, 1)
    assert [text for text in two.got if text.startswith("alone")] == [f"alone {number}" for number in range(30)]


async def heard_by_himself(member: Member, text: str) -> float:
    """The seconds until he hears what he says."""
    started = asyncio.get_running_loop().time()
    await member.ws.send_str(text)
    await until(lambda: text in member.got)
    return asyncio.get_running_loop().time() - started


@pytest.mark.hardening("X1")
async def test_a_server_is_stopped_and_comes_back(members: list[Member], servers: list[ServerProcess]) -> None:
    one, two = members
    status, errors = await asyncio.to_thread(servers[0].stop, signal.SIGTERM)
    assert (status, errors) == (0, "")
    await until(lambda: one.codes == [1001])
    await two.ws.send_str("still here")
    await until(lambda: "still here" in two.got)
    await asyncio.to_thread(servers[0].start)
    await until(lambda: one.joined == 2)
    await each_hears_the_other(members)
    assert two.joined == 1


async def test_a_server_is_killed_and_comes_back(members: list[Member], servers: list[ServerProcess]) -> None:
    one, two = members
    await asyncio.to_thread(servers[0].stop, signal.SIGKILL)
    await until(lambda: one.codes == [1006])
    await asyncio.to_thread(servers[0].start)
    await until(lambda: one.joined == 2)
    await each_hears_the_other(members)
    assert two.joined == 1


async def test_the_application_of_the_guide_broadcasts_to_a_room() -> None:
    guide = Path(__file__).parents[1] / "docs" / "how-to" / "use-rooms.md"
    program = re.findall(r"```python\n(.*?)```", guide.read_text(), re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(compile(program, "use-rooms.md", "exec"), names)  # our own page
    runner = web.AppRunner(names["app"])
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}/chat/"
    async with ClientSession() as session:
        one, two, other = [await session.ws_connect(url + room) for room in ("a", "a", "b")]
        await until(lambda: names["rooms"].count() == 3)
        await one.send_str("hello")
        assert await two.receive_str() == "hello"
        reading = [asyncio.create_task(ws.receive()) for ws in (one, two, other)]
        await runner.cleanup()
        assert [(await read).data for read in reading] == [1001] * 3
