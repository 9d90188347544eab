"""What the tests of this package share: keys, a clock that stands still, and a browser's cookie jar in miniature."""

import asyncio
import logging
import random
import secrets
import sys
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest
from memcached_servers import MemcachedServer
from multidict import CIMultiDict
from processes import free_port
from redis import Redis
from redis_servers import RedisServer
from servers import running

from levante.sessions import EncryptedCookieStorage, MemoryStorage, SessionCookie, SignedCookieStorage, setup
from levante.sessions.redis import RedisStorage
from levante.web import Application, AppRunner, HTTPException, Response, TCPSite, middleware

KEYS = tuple(random.Random(seed).randbytes(32) for seed in (1, 2, 3))
SUPPORT = Path(__file__).parents[3] / "tests" / "support"
START = 1_790_000_000.0


class Clock:
    """Seconds since the epoch that pass only when told."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


class Incoming:
    """The part of a request that a storage looks at."""

    def __init__(self, *cookies):
        self.headers = CIMultiDict(("Cookie", cookie) for cookie in cookies)


class Browser:
    """Loads and saves sessions with a storage, and keeps its cookie in between."""

    def __init__(self, storage, *cookies):
        self.storage = storage
        self.cookies = list(cookies)
        self.response = None

    @property
    def request(self):
        return Incoming(*self.cookies)

    @property
    def value(self):
        return self.cookies[0].partition("=")[2]

    def send(self, value):
        self.cookies = [f"{self.storage.cookie_name}={value}"]

    async def load(self):
        return await self.storage.load_session(self.request)

    async def save(self, session):
        """The Set-Cookie cookie of the answer, or None."""
        self.response = Response()
        await self.storage.save_session(self.request, self.response, session)
        cookie = self.response.cookies.get(self.storage.cookie_name)
        if cookie is not None:
            self.send(cookie.value)
            if not cookie.value:
                self.cookies = []
        return cookie

    async def visit(self, **changes):
        session = await self.load()
        session.update(changes)
        await self.save(session)
        return session


@pytest.fixture(scope="session")
def keys():
    return KEYS


class Leaks(logging.Handler):
    """Reads all that is logged, formatted with its tracebacks, for the cookies that were sent."""

    def __init__(self):
        super().__init__()
        self.lines = []
        self.values = set()

    def emit(self, record):
        self.lines.append(self.format(record))

    @property
    def found(self):
        text = "\n".join(self.lines)
        return [value for value in self.values if len(value) >= 16 and value in text]


@pytest.fixture(scope="session", autouse=True)
def leaks():
    """No cookie that a test of this suite sets stands in a log, whatever the test is about (S15)."""
    leaks, original = Leaks(), SessionCookie.set

    def noted(self, response, value, **options):
        leaks.values.add(value)
        return original(self, response, value, **options)

    logging.getLogger().addHandler(leaks)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SessionCookie, "set", noted)
        yield leaks
    logging.getLogger().removeHandler(leaks)
    assert leaks.found == []


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def browser():
    return Browser


@pytest.fixture(params=["signed", "encrypted"])
def make_sealed(request, clock):
    storage = {"signed": SignedCookieStorage, "encrypted": EncryptedCookieStorage}[request.param]
    return lambda *keys, **options: storage(keys or KEYS[:1], clock=clock, **options)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server):
    """Of a Redis that is empty."""
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture(scope="session")
def memcached_server():
    with MemcachedServer() as server:
        yield server


@pytest.fixture
def memcached_address(memcached_server):
    """Of a memcached whose keys are all of one's own, by `prefix`."""
    return memcached_server.address


def kept_in(kind, request):
    """What makes storages on a server of one kind. Patience is for visitors; a test on a busy machine has more."""
    if kind == "redis":
        return partial(RedisStorage, request.getfixturevalue("redis_url"), patience=10)
    if kind == "memcached":
        from levante.sessions.memcached import MemcachedStorage

        prefix = f"{secrets.token_hex(8)}:"
        return partial(MemcachedStorage, request.getfixturevalue("memcached_address"), prefix=prefix, patience=10)
    return MemoryStorage


@pytest.fixture
async def make_of_kind(request):
    """`make_of_kind(kind, **options)` gives a storage on a server."""
    made = []

    def make(kind, **options):
        if kind not in makers:
            makers[kind] = kept_in(kind, request)
        made.append(makers[kind](**options))
        return made[-1]

    makers = {}
    yield make
    for storage in made:
        await storage.close()


@pytest.fixture(params=["memory", "redis", "memcached"])
def make_table(request, make_of_kind):
    """`make_table(**options)` gives a storage on a server."""
    return partial(make_of_kind, request.param)


@pytest.fixture(params=["memory", "redis"])
def make_list_table(request, make_of_kind):
    """`make_list_table(**options)` gives a storage on a server that knows the sessions of a user."""
    return partial(make_of_kind, request.param)


@pytest.fixture(params=["signed", "encrypted", "memory", "redis", "memcached"])
def make_storage(request, make_of_kind, clock):
    """`make_storage(*keys, **options)` gives a storage of one of the kinds."""

    def make(*keys, **options):
        kind = {"signed": SignedCookieStorage, "encrypted": EncryptedCookieStorage}.get(request.param)
        if kind is None:
            return make_of_kind(request.param, clock=clock, **options)
        return kind(keys or KEYS[:1], clock=clock, **options)

    return make


@pytest.fixture(scope="session")
def provider():
    """The address of a login provider, a process of its own; below it, `/{how}-{anything}` is an issuer."""
    port = free_port()
    with running([sys.executable, str(SUPPORT / "oidc_provider.py"), str(port)], cwd=SUPPORT, port=port):
        yield f"http://127.0.0.1:{port}"


class Answer:
    """A response as it came over the socket."""

    def __init__(self, data):
        head, _, body = data.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        self.status = int(line.split()[1])
        self.headers = CIMultiDict(tuple(part.strip() for part in field.split(":", 1)) for field in fields)
        self.text = (unchunked(body) if "chunked" in self.headers.get("Transfer-Encoding", "") else body).decode()


def unchunked(data):
    out = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        if not int(size, 16):
            return out
        out, data = out + data[: int(size, 16)], data[int(size, 16) + 2 :]


class Visitor:
    """Speaks HTTP over a socket, one connection a request, and keeps cookies as a browser does."""

    def __init__(self, port):
        self.port = port
        self.cookies = {}

    async def get(self, path, **headers):
        return await self.send("GET", path, headers)

    async def post(self, path, *, form=None, body=b"", **headers):
        if form is not None:
            body = urlencode(form).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return await self.send("POST", path, headers, body)

    async def send(self, method, path, headers, body=b""):
        lines = [f"{method} {path} HTTP/1.1", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if "Host" not in headers:
            lines.append(f"Host: 127.0.0.1:{self.port}")
        if self.cookies:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        if body or method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            answer = Answer(await asyncio.wait_for(reader.read(), 10))
        finally:
            writer.close()
            await writer.wait_closed()
        self.keep(answer)
        return answer

    def keep(self, answer):
        for cookie in answer.headers.getall("Set-Cookie", ()):
            pair, *attributes = cookie.split("; ")
            name, _, value = pair.partition("=")
            if "max-age=0" in [attribute.lower() for attribute in attributes]:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


@pytest.fixture
async def serve():
    """`await serve(routes, storage)` gives a Visitor of an application that runs on a port of its own."""
    runners = []

    async def start(routes, storage=None, *, outer=(), middlewares=(), configure=None, **options):
        app = Application(middlewares=[*outer, *middlewares])
        if storage is not None:
            setup(app, storage, **options)
        for path, handler in routes.items():
            app.router.add_route("*", path, handler)
        if configure is not None:
            configure(app)
        runner = AppRunner(app)
        runners.append(runner)
        await runner.setup()
        site = TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return Visitor(runner.addresses[0][1])

    yield start
    for runner in runners:
        await runner.cleanup()


class Failures(list):
    """Exceptions other than HTTP's that went through a middleware outside of all others."""

    @property
    def note(self):
        @middleware
        async def note(request, handler):
            try:
                return await handler(request)
            except HTTPException:
                raise
            except Exception as error:
                self.append(error)
                raise

        return note


@pytest.fixture
def failures():
    return Failures()
