"""Faults from outside against a real server process: peers that are slow on purpose, names without end, and a clock
that jumps."""

import asyncio
import contextlib
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from processes import PATIENCE
from scale import allow_files, scaled
from servers import Program
from slowdown import Slowdown

SUPPORT = Path(__file__).parent / "support"
SUBJECT = SUPPORT / "fault_subject.py"
TIMEOUT = 2.0  # seconds that the server waits for a peer
DRIP = 0.8  # seconds between two bytes of an attacker: well below TIMEOUT, so that only the limits on the whole help
HEADS, BODIES, READERS = 500, scaled(150, 500), scaled(150, 500)
ATTACK = scaled(0, 60)  # seconds for which those that were cut off come again
MEASURED = 200  # answers to the good client, before the attack
HICCUP = 0.02  # seconds: what the system's scheduler does to anybody while the attackers take a processor
HOST = b"Host: a\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST /upload HTTP/1.1\r\nContent-Length: 1000000\r\n" + HOST + b"\r\n"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    (tmp_path / "page.txt").write_text("a page")
    allow_files(2 * (HEADS + BODIES + READERS))  # for this process and for the program
    program = Program([sys.executable, str(SUBJECT), str(tmp_path), str(TIMEOUT)], cwd=tmp_path)
    yield program
    program.close()


@pytest.fixture
def port(program: Program) -> int:
    return int(program.wait_for(r"http://127\.0\.0\.1:(\d+)")[1])


# Slow peers.


def descriptors(program: Program) -> int:
    return len(list(Path(f"/proc/{program.process.pid}/fd").iterdir()))


async def drip(port: int, start: bytes) -> bytes:
    """Send `start`, then a letter now and then for as long as the connection stands, whatever the server says; gives
    what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = asyncio.ensure_future(reader.read())
    writer.write(start)
    while not writer.is_closing():
        await asyncio.sleep(DRIP)
        writer.write(b"x")
    writer.close()
    return await heard


async def sip(port: int) -> bytes:
    """Ask for what never ends and take a few bytes of it now and then; gives the first of them."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n")
        first = await loop.sock_recv(sock, 512)
        with contextlib.suppress(ConnectionResetError):
            while await loop.sock_recv(sock, 512):
                await asyncio.sleep(DRIP)
        return first


class GoodClient:
    """One that keeps asking meanwhile, in a process of its own."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SUPPORT / "good_client.py"), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.seconds: list[float] = []
        """What each answer took."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self.seconds.append(float(line))

    def end(self) -> int:
        """The exit status: 0 if every answer was the right one."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._reader.join(PATIENCE)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return self._process.wait(PATIENCE)


Attack = Coroutine[object, object, bytes]


def p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[-1]


async def until(question: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE + ATTACK):
            while not question():
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"waited {PATIENCE} s in vain: {what}")


@contextlib.asynccontextmanager
async def attackers(*peers: Coroutine[object, object, bytes]) -> AsyncIterator[list["asyncio.Task[bytes]"]]:
    tasks = [asyncio.create_task(peer) for peer in peers]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def again(attack: Callable[[], Coroutine[object, object, bytes]]) -> bytes:
    """Attack, and while the time for it is not over come back; what the server said first."""
    began = time.monotonic()
    said = await attack()
    while time.monotonic() - began < ATTACK:
        await attack()
    return said


async def under_attack(
    program: Program, good: GoodClient, quiet: int, senders: list[Attack], readers: list[Attack]
) -> tuple[list[float], list[bytes]]:
    """The seconds of the good client meanwhile, and what the senders were told. A reader is cut off by us: it may go on
    for long with what the system holds for it.
    """
    async with attackers(*senders, *readers) as tasks:
        await until(lambda: descriptors(program) > quiet + HEADS, "the attack to begin")
        began = len(good.seconds)
        await until(lambda: all(task.done() for task in tasks[: len(senders)]), "slow senders to be cut off")
        await until(lambda: descriptors(program) <= quiet, "the server to be rid of all of them")
        return good.seconds[began:], [task.result() for task in tasks[: len(senders)]]


@pytest.mark.hardening("X10")
async def test_slow_peers_are_ended_and_others_answered_meanwhile(program: Program, port: int) -> None:
    good = GoodClient(port)
    await until(lambda: len(good.seconds) > MEASURED, "the first answers")
    before = p99(good.seconds)
    quiet = descriptors(program) + 1  # the good client's second connection comes and goes
    heads = [again(lambda: drip(port, GET + b"X-Slow: ")) for _ in range(HEADS)]
    bodies = [again(lambda: drip(port, POST)) for _ in range(BODIES)]
    readers = [again(lambda: sip(port)) for _ in range(READERS)]
    with Slowdown() as machine:
        during, said = await under_attack(program, good, quiet, [*heads, *bodies], readers)
    assert good.end() == 0
    assert len(during) >= 20
    assert p99(during) < 2 * before + machine.allows(HICCUP)
    assert {text[:13] for text in said} == {b"HTTP/1.1 408 "}
    assert "Traceback" not in program.log


# Names without end.

BATCH = 50
FEW, MANY = 5_000, 20_000
MAX_GROWTH = 2 * 1024 * 1024


def strange(number: int) -> bytes:
    """A request in which everything that can be named has a name of its own, and that meets nothing; every fourth
    number, it comes again to something that is there."""
    target = (f"/echo?name=n{number}", f"/things/t{number}", "/static/page.txt", f"/static/s{number}")[number // 4 % 4]
    fields = (
        f"Host: h{number}.example\r\nX-Name-{number}: v{number}\r\nCookie: c{number}=d{number}\r\n"
        f'If-None-Match: "e{number}"\r\nAccept: text/x{number}\r\nAccept-Encoding: z{number}\r\n'
        f"Origin: http://o{number}.example\r\nContent-Type: text/y{number}\r\n\r\n"
    )
    again = f"GET {target} HTTP/1.1\r\n{fields}" if number % 4 == 0 else ""
    return f"GET /p{number}/q HTTP/1.1\r\n{fields}{again}".encode()


class Conversation:
    """One connection on which requests go in batches."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def ask(self, requests: bytes, count: int) -> tuple[bytes, list[int]]:
        """All that comes until the answer to one more request, and the statuses of the `count` before it."""
        self._sock.sendall(requests + b"GET /memory HTTP/1.1\r\n" + HOST + b"\r\n")
        heard = b""
        while True:
            data = self._sock.recv(1024 * 1024)
            assert data, f"closed after {heard[-500:]!r}"
            heard += data
            statuses = [int(text) for text in re.findall(rb"HTTP/1\.1 (\d+) ", heard)]
            if len(statuses) == count + 1 and re.search(rb"\r\n\r\n\d+\n\Z", heard):
                return heard, statuses[:-1]

    def memory(self) -> int:
        return int(self.ask(b"", 0)[0].rpartition(b"\r\n")[2])


@pytest.mark.hardening("X24")
def test_names_without_end_fill_no_memory(port: int) -> None:
    used: dict[int, int] = {}
    met: Counter[int] = Counter()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        conversation = Conversation(sock)
        for first in range(0, MANY, BATCH):
            requests = [strange(number) for number in range(first, first + BATCH)]
            met.update(conversation.ask(b"".join(requests), sum(text.count(b"GET ") for text in requests))[1])
            used[first + BATCH] = conversation.memory()
    assert met == {404: MANY + MANY // 16, 200: 3 * MANY // 16}
    assert used[MANY] - used[FEW] < MAX_GROWTH


# A clock that jumps.

HOUR = 3600


def ask(sock: socket.socket, target: str) -> datetime:
    """The Date of an answer with status 200."""
    sock.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    heard = b""
    while not re.search(rb"\r\n\r\n.", heard):
        data = sock.recv(65_536)
        assert data, f"closed after {heard!r}"
        heard += data
    assert heard.startswith(b"HTTP/1.1 200 ")
    dates = re.findall(rb"\r\nDate: ([^\r]+)\r\n", heard)
    assert len(dates) == 1
    return parsedate_to_datetime(dates[0].decode())


@pytest.mark.hardening("X22")
def test_date_follows_a_clock_that_jumps(port: int) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    jumps = [
        now + timedelta(hours=1),
        now - timedelta(hours=1),
        now,
        datetime(2028, 2, 28, 23, 59, 59, tzinfo=UTC),
        datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
        datetime(2100, 2, 28, 23, 59, 59, tzinfo=UTC),
        datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        for jump in jumps:
            started = time.monotonic()
            ask(sock, f"/clock?at={jump.timestamp()}")
            date = ask(sock, "/")
            passed = timedelta(seconds=time.monotonic() - started)
            assert jump <= date <= jump + passed


@pytest.mark.hardening("X22")
@pytest.mark.parametrize("hours", [1, -1, 24 * 366])
def test_timeouts_do_not_follow_it(port: int, hours: int) -> None:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as idle,
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as slow,
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as other,
    ):
        ask(idle, "/")
        ask(slow, "/")
        started = time.monotonic()
        slow.sendall(GET)
        ask(other, f"/clock?at={time.time() + hours * HOUR}")
        ask(idle, "/")  # its 75 seconds are not over
        assert slow.recv(65_536).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - started > TIMEOUT / 2
        ask(idle, "/")
