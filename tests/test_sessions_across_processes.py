"""Server processes that share sessions: what one of them does to a session holds in the others within a second, and
keys are rotated while people work."""

import asyncio
import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from processes import PATIENCE, free_port, wait_until
from redis_servers import RedisServer
from scale import scaled
from servers import Program, listening

from levante.client import ClientSession, CookieJar
from levante.sessions import generate_key

SUPPORT = Path(__file__).parent / "support"
PROMPT = 1.0  # seconds within which a logout holds everywhere (S7)

Serve = Callable[..., tuple[Program, int]]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The file with the keys, newest first."""
    file = tmp_path / "keys"
    file.write_text(generate_key())
    return file


@pytest.fixture
def serve(redis: RedisServer, keys: Path) -> Iterator[Serve]:
    """`serve(kind, workers=1)` gives a running program and its port."""
    with contextlib.ExitStack() as stack:

        def start(kind: str, *, workers: int = 1) -> tuple[Program, int]:
            port = free_port()
            environment = {"REDIS": redis.url, "KIND": kind, "SECRET_KEYS_FILE": str(keys), "SECRET_KEYS": ""}
            environment["PYTHONPATH"] = str(SUPPORT)
            program = Program(
                [sys.executable, "session_subject.py", str(port), str(workers)], cwd=SUPPORT, environment=environment
            )
            stack.callback(program.close)
            wait_until("the program serves", lambda: program.is_over() or listening(port))
            assert not program.is_over(), program.log
            return program, port

        yield start


@pytest.fixture
async def person() -> AsyncIterator[ClientSession]:
    """A browser, whose cookies go to all ports, as those of browsers do."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield session


async def post(person: ClientSession, port: int, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{port}"
    async with person.post(url + path, headers={"Origin": url}) as answer:
        return answer.status, await answer.text()


async def who(person: ClientSession, port: int, *, cookie: str | None = None) -> str:
    """The user, or the status if there is none."""
    headers = {} if cookie is None else {"Cookie": f"session={cookie}"}
    async with person.get(f"http://127.0.0.1:{port}/who", headers=headers) as answer:
        return await answer.text() if answer.status == 200 else str(answer.status)


def cookie_of(person: ClientSession) -> str:
    return next(cookie.value for cookie in person.cookie_jar if cookie.key == "session")


async def ended(person: ClientSession, port: int, cookie: str, since: float) -> float:
    """Seconds until a kept cookie is worth nothing at `port`."""
    while await who(person, port, cookie=cookie) != "401":
        assert time.monotonic() - since < PATIENCE
    return time.monotonic() - since


@pytest.mark.hardening("S7")
@pytest.mark.parity("L7", "V49")
@pytest.mark.parametrize("kind", ["redis", "sealed"])
async def test_a_login_and_a_logout_hold_in_both(serve: Serve, person: ClientSession, kind: str) -> None:
    (_, one), (_, two) = serve(kind), serve(kind)
    assert await who(person, one) == "401"
    assert await post(person, one, "/login?user=ann") == (200, "ann")
    assert await who(person, two) == "ann"
    kept = cookie_of(person)
    async with ClientSession() as thief:
        assert await who(thief, two, cookie=kept) == "ann"
        started = time.monotonic()
        await post(person, one, "/logout")
        assert await ended(thief, two, kept, started) < PROMPT
        assert await ended(thief, one, kept, started) < PROMPT
    assert await who(person, two) == "401"


@pytest.mark.hardening("S7")
@pytest.mark.parametrize("kind", ["redis", "sealed"])
async def test_a_user_is_shut_out_of_both(serve: Serve, person: ClientSession, kind: str) -> None:
    (_, one), (_, two) = serve(kind), serve(kind)
    cookies = []
    for _ in range(3):
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
            await post(browser, one, "/login?user=eve")
            cookies.append(cookie_of(browser))
    await post(person, one, "/login?user=ann")
    started = time.monotonic()
    await post(person, one, "/shut-out?user=eve")
    async with ClientSession() as thief:
        for cookie in cookies:
            assert await ended(thief, two, cookie, started) < PROMPT
    assert await who(person, two) == "ann"


@pytest.mark.hardening("S9")
async def test_what_both_write_at_once_is_kept(serve: Serve, person: ClientSession) -> None:
    (_, one), (_, two) = serve("redis"), serve("redis")
    await post(person, one, "/login?user=ann")
    await asyncio.gather(
        *(post(person, port, f"/count?seconds=0.3&name=n{number}") for number, port in enumerate([one, two] * 3))
    )
    _, text = await post(person, two, "/count?name=last")
    assert json.loads(text) == {**{f"n{number}": 1 for number in range(6)}, "last": 1}


@pytest.mark.hardening("S19")
@pytest.mark.parametrize("kind", ["redis", "sealed"])
async def test_a_logout_here_closes_a_websocket_there(serve: Serve, person: ClientSession, kind: str) -> None:
    (_, one), (_, two) = serve(kind), serve(kind)
    await post(person, one, "/login?user=ann")
    url = f"http://127.0.0.1:{two}"
    async with person.ws_connect(f"{url}/listen", headers={"Origin": url}) as ws:
        await ws.send_str("here")
        assert await ws.receive_str() == "here"
        started = time.monotonic()
        await post(person, one, "/logout")
        await asyncio.wait_for(ws.receive(), PATIENCE)
        assert ws.close_code == 4401
        assert time.monotonic() - started < PROMPT


class People:
    """Logged-in people who keep asking who they are, in threads, and note when they are told that they are nobody."""

    def __init__(self, port: int, count: int) -> None:
        self.answered = 0
        self.logouts: list[str] = []
        self.failures: list[str] = []
        self.pids: set[str] = set()
        self.cookies = [""] * count
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._live, args=(number,), daemon=True) for number in range(count)]

    def __enter__(self) -> "People":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _live(self, number: int) -> None:
        self._ask(number, "POST", f"/login?user=user{number}")
        while not self._stop.wait(0.01):
            try:
                status, text = self._ask(number, "GET", "/who")
            except OSError as error:
                self.failures.append(repr(error))
                continue
            self.answered += 1
            if (status, text) != (200, f"user{number}"):
                self.logouts.append(f"{status} {text}")

    def _ask(self, number: int, method: str, path: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            headers = {"Origin": f"http://127.0.0.1:{self._port}", "Cookie": self.cookies[number]}
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            for cookie in answer.headers.get_all("Set-Cookie", []):
                self.cookies[number] = cookie.partition(";")[0]
            self.pids.add(answer.headers.get("X-Pid", ""))
            return answer.status, text
        finally:
            connection.close()

    def has_met(self, count: int, act: Callable[[], None]) -> None:
        """Act, and wait until so many new processes have answered, and everybody has gone on."""
        seen = set(self.pids)
        act()
        wait_until(f"{count} new processes answer", lambda: len(self.pids - seen) >= count)
        self.has_gone_on()

    def has_gone_on(self, count: int = 40) -> None:
        """Wait until everybody was answered a few times more."""
        enough = self.answered + count
        wait_until("people are answered", lambda: self.answered >= enough)


def key_id(cookie: str) -> str:
    """Version and key id of a sealed cookie stand in front, in the clear."""
    return cookie.partition("=")[2][:6]


@pytest.mark.hardening("S3")
def test_keys_are_rotated_under_load(serve: Serve, keys: Path) -> None:
    """The ways of the README: the new key is known everywhere before it seals, and the old one goes last."""
    old, new = keys.read_text(), generate_key()
    program, port = serve("sealed", workers=2)
    with People(port, scaled(4, 16)) as people:
        people.has_gone_on()
        before = {key_id(cookie) for cookie in people.cookies}
        kept = people.cookies[0]
        for ring in (f"{old},{new}", f"{new},{old}", new):
            keys.write_text(ring)
            people.has_met(2, lambda: program.send(signal.SIGHUP))
        after = {key_id(cookie) for cookie in people.cookies}
    assert people.logouts == []
    assert people.failures == []
    assert len(before) == len(after) == 1
    assert before != after  # everybody's cookie was sealed anew on the way
    lone = People(port, 1)
    lone.cookies = [kept]
    assert [lone._ask(0, "GET", "/who")[0] for _ in range(20)] == [401] * 20  # the old key opens nothing any more
