"""Cancelled at every await, one after the other: nothing is left, whatever the request was in the middle of. Each
point is tried in two ways: while it is waited for, and when what is waited for has just come."""

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from levante.client import (
    Backoff,
    Cache,
    CircuitBreaker,
    ClientSession,
    DigestAuthMiddleware,
    DiskStorage,
    EventSource,
    Retry,
    TCPConnector,
    download,
)
from levante.http.deadlines import within

pytestmark = pytest.mark.slow

# Awaits of a request that are looked at; none of those here has as many.
MOST_POINTS = 200


class CancelledAt:
    """Awaits `coroutine`, and cancels the task that does so at its await number `point`: in the middle of it, or
    (`late`) when it is over and the task has not run yet."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], point: int, *, late: bool) -> None:
        self.points = 0
        self._coroutine = coroutine
        self._point = point
        self._late = late

    def __await__(self) -> Generator[Any, Any, None]:
        task = asyncio.current_task()
        assert task is not None
        step: Callable[[], Any] = lambda: self._coroutine.send(None)  # noqa: E731 - it changes below
        while True:
            try:
                future = step()
            except StopIteration:
                return
            self.points += 1
            if self.points == self._point:
                if self._late and future is not None:
                    future.add_done_callback(lambda _: task.cancel())
                else:
                    asyncio.get_running_loop().call_soon(task.cancel)
            try:
                got = yield future
                step = lambda got=got: self._coroutine.send(got)  # noqa: E731
            except BaseException as error:
                step = lambda error=error: self._coroutine.throw(error)  # noqa: E731


Ready = tuple[Coroutine[Any, Any, None], Callable[[], Awaitable[None]]]


async def sweep(prepare: Callable[[], Ready]) -> int:
    """Cancel what `prepare` makes at each of its awaits, and look afterwards; how many there were."""
    for late in (False, True):
        for point in range(1, MOST_POINTS):
            work, look = prepare()
            run = CancelledAt(work, point, late=late)

            async def begin(run: CancelledAt = run) -> None:
                await run

            task = asyncio.ensure_future(begin())
            await asyncio.wait([task], timeout=10)
            assert task.done(), f"cancelled at await {point}, it goes on"
            if not task.cancelled():
                task.result()
            del task
            gc.collect()
            try:
                await look()
            except AssertionError as error:
                raise AssertionError(f"after await {point}, late={late}") from error
            if run.points < point:
                break
    return run.points


def is_empty(connector: TCPConnector) -> bool:
    pool = connector._pool
    return (
        pool.leased_count == 0
        and not pool.waiting
        and all(
            connection.is_lost() or connection.is_closed() or connection.is_reusable() for connection in connector._open
        )
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def descriptors() -> int:
    table = Path("/proc/self/fd")
    return len(list(table.iterdir())) if table.exists() else 0


Sweep = Callable[..., Awaitable[int]]


@pytest.fixture
async def cancel_everywhere(client_tls: ssl.SSLContext) -> AsyncIterator[Sweep]:
    """`await cancel_everywhere(work, **options of the session)`: `work(session)` cancelled at each await, with a
    session of its own for each. A place that is not given back, a connection, a file or a task that is left fails,
    and so does an error that nobody takes."""
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))

    async def run(work: Callable[[ClientSession], Coroutine[Any, Any, None]], **options: Any) -> int:
        first, tasks = descriptors(), len(asyncio.all_tasks())

        def prepare() -> Ready:
            connector = TCPConnector(ssl=client_tls, limit=1)
            made = {name: value() if callable(value) else value for name, value in options.items()}
            session = ClientSession(connector=connector, **made)

            async def look() -> None:
                await until(lambda: is_empty(connector))
                await session.close()
                await until(lambda: descriptors() <= first and len(asyncio.all_tasks()) <= tasks)
                gc.collect()
                assert said == []

            return work(session), look

        return await sweep(prepare)

    yield run


async def read(session: ClientSession, url: str, **options: Any) -> None:
    async with session.get(url, **options) as response:
        assert await response.read() == b"ok"


@pytest.mark.parametrize("options", [{}, {"headers": {"X": "1"}}], ids=["planned", "unplanned"])
async def test_requests(serve, cancel_everywhere, options) -> None:
    server = await serve()

    async def work(session: ClientSession) -> None:
        for _ in range(2):
            await read(session, server.url, **options)

    assert await cancel_everywhere(work) > 3


async def test_redirects_and_uploads(serve, response, cancel_everywhere) -> None:
    moved = response(b"gone", "Location: /next", status="307 Moved")
    server = await serve(lambda seen: response(b"ok") if seen.target == "/next" else moved)

    async def work(session: ClientSession) -> None:
        async with session.post(server.url, data=bytes(300_000)) as answer:
            assert await answer.read() == b"ok"

    assert await cancel_everywhere(work) > 3


async def test_retries(serve, response, cancel_everywhere) -> None:
    asked = 0

    def reply(_seen: object) -> bytes:
        nonlocal asked
        asked += 1
        return response(b"ok") if asked % 2 else response(b"no", status="503 No")

    server = await serve(reply)

    async def work(session: ClientSession) -> None:
        nonlocal asked
        asked = 1
        await read(session, server.url)

    assert await cancel_everywhere(work, retry=Retry(wait=lambda _: 0.0)) > 3


@pytest.mark.parametrize("kind", ["memory", "disk"])
async def test_the_cache(serve, response, cancel_everywhere, tmp_path: Path, kind: str) -> None:
    def reply(seen) -> bytes:
        if seen.value("If-None-Match"):
            return b"HTTP/1.1 304 Same\r\nCache-Control: no-cache\r\n\r\n"
        return response(b"ok", "Cache-Control: no-cache", 'ETag: "a"')

    server = await serve(reply)
    folders = iter(range(10_000))

    def cache() -> Cache:
        return Cache(DiskStorage(tmp_path / str(next(folders)))) if kind == "disk" else Cache()

    async def work(session: ClientSession) -> None:
        for _ in range(2):
            await read(session, server.url)
        async with session.post(server.url) as answer:
            await answer.read()

    assert await cancel_everywhere(work, cache=cache) > 5


async def test_downloads(serve, response, cancel_everywhere, tmp_path: Path) -> None:
    server = await serve(response(b"ok" * 300_000, 'ETag: "a"'))
    names = iter(range(10_000))

    async def work(session: ClientSession) -> None:
        await download(session, server.url, tmp_path / str(next(names)), backoff=Backoff(first=0, last=0))

    assert await cancel_everywhere(work) > 3


@pytest.mark.parametrize("kind", ["http", "https", "socks5", "socks4a"])
async def test_proxies(serve, relay, cancel_everywhere, server_tls, kind: str) -> None:
    talk = {"socks5": relay.socks5, "socks4a": relay.socks4}.get(kind, relay.http)
    proxy = await serve(talk=talk, tls=server_tls if kind == "https" else None)
    server = await serve(tls=server_tls)
    url = server.url.replace("127.0.0.1", "levante.test")
    named = proxy.url.replace("http://", f"{kind}://") if kind.startswith("socks") else proxy.url

    async def work(session: ClientSession) -> None:
        if kind == "socks5":
            await read(session, server.url, proxy=named)
        else:
            await read(session, url, proxy=named)

    assert await cancel_everywhere(work) > 3


async def test_events(serve, cancel_everywhere) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    server = await serve(head + b"retry: 1\n\ndata: a\n\n", close=True)

    async def work(session: ClientSession) -> None:
        async with EventSource(session, server.url) as events:
            for _ in range(3):
                assert (await anext(events)).data == "a"

    assert await cancel_everywhere(work) > 5


async def test_a_circuit_and_a_deadline(serve, response, cancel_everywhere) -> None:
    broken = response(b"no", status="503 No")
    server = await serve(lambda seen: broken if seen.target == "/bad" else response(b"ok"))
    breakers: list[CircuitBreaker] = []

    def breaker() -> CircuitBreaker:
        breakers.append(CircuitBreaker(open_for=0.000_001, minimum_calls=1))
        return breakers[-1]

    async def work(session: ClientSession) -> None:
        async with session.get(server.url + "bad"):
            pass  # the circuit is open, and the next request a probe
        with within(30):
            await read(session, server.url)
            await read(session, server.url)

    assert await cancel_everywhere(work, breaker=breaker) > 3
    probing = [circuit.probing for each in breakers for circuit in each._circuits.values()]
    assert not any(probing)


async def test_challenges(serve, response, cancel_everywhere) -> None:
    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth-int"'

    def reply(seen) -> bytes:
        known = seen.value("Authorization") is not None
        return response(b"ok") if known else response(b"who?", challenge, status="401 No")

    server = await serve(reply)

    async def work(session: ClientSession) -> None:
        async with session.post(server.url, data=BytesIO(bytes(300_000))) as answer:
            assert await answer.read() == b"ok"

    assert await cancel_everywhere(work, middlewares=lambda: [DigestAuthMiddleware("ann", "pw")]) > 5
