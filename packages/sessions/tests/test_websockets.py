"""WebSockets of logged-in visitors: who may open them, and when they are closed."""

import asyncio
import time

import pytest

from levante.client import ClientSession, WSServerHandshakeError
from levante.sessions import (
    EncryptedCookieStorage,
    MemoryRevocations,
    MemoryStorage,
    SessionStoreUnavailable,
    get_session,
    guard_websocket,
)
from levante.web import Response, WebSocketResponse

pytestmark = pytest.mark.hardening("S19")

SOON = 0.02  # seconds between looks: the tests wait for what follows, not for this
PATIENCE = 20


class Chat:
    """A site with a WebSocket that echoes, and a visitor of it."""

    def __init__(self, **options):
        self.options = {"recheck": SOON, **options}
        self.left = asyncio.Event()
        self.failure = None

    async def start(self, serve, storage):
        self.storage = storage
        routes = {"/login": self.log_in, "/logout": self.log_out, "/renew": self.renew, "/ws": self.socket}
        self.visitor = await serve(routes, storage, csrf=None)
        return self

    async def log_in(self, request):
        (await get_session(request)).user = request.query.get("user", "ann")
        return Response()

    async def log_out(self, request):
        (await get_session(request)).invalidate()
        return Response()

    async def renew(self, request):
        (await get_session(request)).renew()
        return Response()

    async def socket(self, request):
        ws = WebSocketResponse()
        try:
            async with guard_websocket(request, ws, **self.options) as session:
                async for message in ws:
                    await ws.send_str(f"{session.user}: {message.data}")
        except Exception as error:
            self.failure = error
            raise
        finally:
            self.left.set()
        return ws

    def open(self, client, **headers):
        cookies = "; ".join(f"{name}={value}" for name, value in self.visitor.cookies.items())
        headers = {"Origin": f"http://127.0.0.1:{self.visitor.port}", **headers}
        if cookies:
            headers["Cookie"] = cookies
        return client.ws_connect(f"http://127.0.0.1:{self.visitor.port}/ws", headers=headers)


@pytest.fixture
async def client():
    async with ClientSession() as session:
        yield session


@pytest.fixture
def start(serve):
    async def make(storage, **options):
        return await Chat(**options).start(serve, storage)

    return make


async def refused(chat, client, **headers):
    with pytest.raises(WSServerHandshakeError) as caught:
        await chat.open(client, **headers)
    return caught.value.status


async def closed(ws):
    """The close code that the browser sees, and after how many seconds."""
    started = time.monotonic()
    await asyncio.wait_for(ws.receive(), PATIENCE)
    return ws.close_code, time.monotonic() - started


def kept(keys):
    return EncryptedCookieStorage(keys, revocations=MemoryRevocations())


async def test_nobody_gets_one_without_a_session(start, client):
    chat = await start(MemoryStorage())
    assert await refused(chat, client) == 401
    chat.visitor.cookies[chat.storage.cookie_name] = "0" * 32
    assert await refused(chat, client) == 401
    await chat.visitor.get("/login")
    async with chat.open(client) as ws:
        await ws.send_str("hello")
        assert await ws.receive_str() == "ann: hello"


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://127.0.0.1:1"])
async def test_pages_of_other_origins_get_none(start, client, origin):
    """Cross-site WebSocket hijacking: the browser sends the cookie, and says which page asks."""
    chat = await start(MemoryStorage())
    await chat.visitor.get("/login")
    assert await refused(chat, client, Origin=origin) == 403


@pytest.mark.hardening("S7")
@pytest.mark.parametrize("path", ["/logout", "/renew", "/login?user=bob"])
@pytest.mark.parametrize("kind", ["memory", "sealed with revocations"])
async def test_it_ends_with_the_session(start, client, keys, path, kind):
    chat = await start(MemoryStorage() if kind == "memory" else kept(keys))
    await chat.visitor.get("/login")
    async with chat.open(client) as ws:
        await ws.send_str("hello")
        assert await ws.receive_str() == "ann: hello"
        await chat.visitor.get(path)
        code, seconds = await closed(ws)
    assert code == 4401
    assert seconds < PATIENCE
    await asyncio.wait_for(chat.left.wait(), PATIENCE)
    assert chat.failure is None


async def test_it_ends_when_the_user_is_shut_out(start, client, keys):
    chat = await start(kept(keys))
    await chat.visitor.get("/login")
    async with chat.open(client) as ws:
        await chat.storage.revoke_user("ann")
        assert (await closed(ws))[0] == 4401
    assert await refused(chat, client) == 401


@pytest.mark.hardening("S5")
@pytest.mark.parametrize("lifetime", ["max_age", "idle_timeout"])
async def test_it_ends_when_the_session_expires(start, client, clock, keys, lifetime):
    storage = EncryptedCookieStorage(keys, clock=clock, **{lifetime: 100})
    chat = await start(storage)
    await chat.visitor.get("/login")
    async with chat.open(client) as ws:
        clock.now += 99
        await ws.send_str("still here")
        assert await ws.receive_str() == "ann: still here"
        clock.now += 1
        assert (await closed(ws))[0] == 4401


async def test_it_ends_when_it_is_not_allowed_any_more(start, client):
    allowed = [True]

    async def may_chat(session):
        assert session.user == "ann"
        return allowed[0]

    chat = await start(MemoryStorage(), allowed=may_chat)
    await chat.visitor.get("/login")
    async with chat.open(client) as ws:
        await ws.send_str("x")
        await ws.receive_str()
        allowed[0] = 1  # what is not True is no
        assert (await closed(ws))[0] == 4401
    assert await refused(chat, client) == 401


@pytest.mark.parametrize("path", ["/logout", "/renew", "/login?user=bob"])
async def test_another_session_is_another_one_whoever_is_allowed(start, client, path):
    chat = await start(MemoryStorage(), allowed=lambda session: True)
    await chat.visitor.get("/login")
    async with chat.open(client) as ws:
        await ws.send_str("x")
        await ws.receive_str()
        await chat.visitor.get(path)
        assert (await closed(ws))[0] == 4401


async def test_the_visitor_ends_it(start, client):
    chat = await start(MemoryStorage(), recheck=1000)
    await chat.visitor.get("/login")
    async with chat.open(client):
        pass
    await asyncio.wait_for(chat.left.wait(), PATIENCE)
    assert [task for task in asyncio.all_tasks() if "_Watch" in repr(task)] == []


class Flaky(MemoryStorage):
    """A storage that is away after `away` was set: it raises, or gives a session that stands in."""

    away = ""
    asked = 0

    async def load_session(self, request):
        if self.away:
            self.asked += 1
        if self.away == "raises":
            raise SessionStoreUnavailable("test")
        session = await super().load_session(request)
        session._read_only = session._read_only or self.away == "stands in"
        return session


@pytest.mark.parametrize("away", ["raises", "stands in"])
async def test_an_outage_is_forgiven_for_a_while(start, client, away):
    chat = await start(Flaky())
    await chat.visitor.get("/login")
    async with chat.open(client) as ws:
        await ws.send_str("x")
        await ws.receive_str()
        chat.storage.away = away
        assert (await closed(ws))[0] == 1013
        assert chat.storage.asked == 4


async def test_an_outage_that_heals(start, client):
    chat = await start(Flaky(), recheck=0.2)
    await chat.visitor.get("/login")
    async with chat.open(client) as ws:
        chat.storage.away = "raises"
        while chat.storage.asked < 2:
            await asyncio.sleep(0.01)
        chat.storage.away = ""
        await ws.send_str("still here")
        assert await ws.receive_str() == "ann: still here"
        await chat.visitor.get("/logout")
        assert (await closed(ws))[0] == 4401


async def test_outages_are_forgiven_one_by_one(start, client):
    storage = Flaky()
    chat = await start(storage, allowed=lambda session: looked.append(session) is None)
    looked = []
    await chat.visitor.get("/login")
    async with chat.open(client) as ws, asyncio.timeout(PATIENCE):
        for _ in range(3):
            storage.asked, storage.away = 0, "raises"
            while storage.asked < 2:
                await asyncio.sleep(0.001)
                assert not ws.closed
            storage.away = ""
            looked.clear()
            while not looked:
                await asyncio.sleep(0.001)
        await ws.send_str("still here")
        assert await ws.receive_str() == "ann: still here"


async def test_a_question_that_raises_is_told(start, client):
    asked = []

    def may_chat(session):
        asked.append(session)
        if len(asked) > 1:
            raise ZeroDivisionError
        return True

    chat = await start(MemoryStorage(), allowed=may_chat)
    await chat.visitor.get("/login")
    async with chat.open(client) as ws:
        assert (await closed(ws))[0] == 1011
    await asyncio.wait_for(chat.left.wait(), PATIENCE)
    assert isinstance(chat.failure, ZeroDivisionError)


async def test_the_time_between_looks(start):
    chat = await start(MemoryStorage(), recheck=0)
    await chat.visitor.get("/login")
    assert (await chat.visitor.get("/ws")).status == 500
    assert str(chat.failure) == "recheck is 0; expected seconds above 0"
