"""Sessions in memcached: what is kept and for how long, renewals without a step that concerns two keys, and outages."""

import asyncio
import json
import time
from contextlib import asynccontextmanager, contextmanager

import pytest
from memcached_servers import MemcachedServer

from levante.sessions import get_session
from levante.sessions.errors import SessionConflict, SessionRecordTooLarge, SessionStoreUnavailable
from levante.sessions.records import Record, handle_of
from levante.sessions.store import Outcome
from levante.web import Response
from levante.web.patience import Patience

emcache = pytest.importorskip("emcache")
memcached = pytest.importorskip("levante.sessions.memcached")
link = pytest.importorskip("levante.sessions.memcached_link")

pytestmark = pytest.mark.parity("L7")

BUSY = 10  # times as long may take on a busy machine what an idle one does at once
PATIENCE = 0.2  # of the storage, its default
RECORD = Record('{"n":"ñ"}', 1, 2, None, "José", 1)
OLD, NEW = handle_of("old"), handle_of("new")


@pytest.fixture
async def client(memcached_address):
    """A client that looks at what is kept."""
    host, _, port = memcached_address.rpartition(":")
    client = await emcache.create_client([emcache.MemcachedHostAddress(host, int(port))], timeout=None)
    yield client
    await client.close()


@pytest.fixture
def store(make_of_kind):
    return make_of_kind("memcached").store


def key_of(store, handle):
    return store._key(handle)


@pytest.mark.hardening("S5", "S15")
async def test_what_is_kept_opens_nobodys_session(make_of_kind, browser, client):
    storage = make_of_kind("memcached")
    visitor = browser(storage)
    await visitor.visit(n=1)
    key = key_of(storage.store, handle_of(visitor.value))
    assert visitor.value.encode() not in key
    item = await client.get(key)
    assert visitor.value.encode() not in item.value
    assert item.value.endswith(b'\n{"n":1}')
    assert "127.0.0.1" not in repr(storage) + repr(storage.store._link)


@pytest.mark.hardening("S5")
@pytest.mark.parametrize("seconds", [60, memcached.MAX_RELATIVE, memcached.MAX_RELATIVE + 1, 400 * 86400, None])
async def test_how_long_it_is_kept(store, memcached_address, seconds):
    await store.put(OLD, RECORD, seconds=seconds, replaces=OLD, expected=0)
    left = await seconds_left(memcached_address, key_of(store, OLD))
    assert left == -1 if seconds is None else seconds - 30 <= left <= seconds + 2  # its clock ticks once a second
    assert await store.get(OLD) == RECORD


async def seconds_left(address, key):
    """By the meta command of memcached, which emcache has not; -1 is for good."""
    reader, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(b"mg " + key + b" t\r\n")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1][1:])


async def test_it_ends_by_itself(store):
    await store.put(OLD, RECORD, seconds=1, replaces=OLD, expected=0)
    async with asyncio.timeout(20):
        while await store.get(OLD) is not None:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"nonsense",
        b"[1,2]\n{}",
        b'[1,2,null,null,"x"]\n{}',
        b"[1,2,3.5,null,1]\n{}",
        b"[1,2,null,5,1]\n{}",
        b"[1,2,null,null,1]\n\xff",
    ],
)
async def test_what_is_no_record_is_none_and_may_be_overwritten(store, client, value):
    await client.set(key_of(store, OLD), value)
    assert await store.get(OLD) is None
    assert await store.put(OLD, RECORD, seconds=60, replaces=OLD, expected=0) is Outcome.WRITTEN
    assert await store.get(OLD) == RECORD


@pytest.mark.hardening("S13")
async def test_a_session_that_is_too_large_is_refused(make_of_kind, browser):
    visitor = browser(make_of_kind("memcached"))
    await visitor.visit(n=1)
    session = await visitor.load()
    session["text"] = "x" * memcached.MAX_RECORD
    with pytest.raises(SessionRecordTooLarge, match="its storage takes at most 1000000"):
        await visitor.save(session)
    assert dict(await visitor.load()) == {"n": 1}
    del session["text"]
    size = len(memcached._encoded(RECORD)) - len(RECORD.text.encode())
    largest = RECORD._replace(text="x" * (memcached.MAX_RECORD - size))
    assert await visitor.storage.store.put(OLD, largest, seconds=60, replaces=OLD, expected=0) is Outcome.WRITTEN


async def test_lists_are_refused(make_of_kind, browser):
    visitor = browser(make_of_kind("memcached"))
    await visitor.visit(n=1)
    with pytest.raises(RuntimeError, match="memcached keeps no list of a user's sessions"):
        await visitor.storage.sessions_of("ann")
    with pytest.raises(RuntimeError, match="RedisStorage can do both"):
        await visitor.storage.revoke_user("ann")
    await visitor.storage.revoke(handle_of(visitor.value))
    assert (await visitor.load()).new


class Between:
    """A client that does something else right before one of its commands."""

    def __init__(self, client, command, what):
        self._client, self._command, self._what = client, command, what

    def __getattr__(self, name):
        command = getattr(self._client, name)
        if name != self._command or self._what is None:
            return command

        async def after_something_else(*args, **options):
            what, self._what = self._what, None
            await what()
            return await command(*args, **options)

        return after_something_else


@pytest.fixture
def between(make_of_kind, client):
    """`between(command, what)` is a store whose command is preceded by `await what(store)` once."""

    def make(command, what):
        async def connect():
            return Between(client, command, lambda: what(make_of_kind("memcached").store))

        store = make_of_kind("memcached").store
        store._link._connect = connect
        return store

    return make


async def change(store):
    await store.put(OLD, RECORD._replace(version=2, text="{}"), seconds=60, replaces=OLD, expected=1)


async def end(store):
    await store.delete([OLD])


@pytest.mark.hardening("S6", "S7", "S9")
@pytest.mark.parametrize("goes_to", [OLD, NEW])
async def test_what_changes_or_ends_at_the_last_moment(between, store, goes_to):
    """In place or by a renewal: another request comes between our look and our write, and ours takes nothing away."""
    for what, outcome in ((change, RECORD._replace(version=2, text="{}")), (end, Outcome.GONE)):
        await store.put(OLD, RECORD, seconds=60, replaces=OLD, expected=None)
        late = between("cas", what)
        write = late.put(goes_to, RECORD._replace(version=2, text="[]"), seconds=60, replaces=OLD, expected=1)
        assert await write == outcome
        assert await store.get(OLD) == (None if outcome is Outcome.GONE else outcome)
        assert goes_to == OLD or await store.get(NEW) is None


async def test_two_that_begin_a_session_at_once(between, store):
    async def take(other):
        await other.put(OLD, RECORD, seconds=60, replaces=OLD, expected=0)

    late = between("add", take)
    assert await late.put(OLD, RECORD._replace(text="{}"), seconds=60, replaces=OLD, expected=0) == RECORD


@pytest.mark.hardening("X18")
async def test_a_client_that_another_request_gives_up_is_an_outage(between, store):
    async def give_up(_):
        await late.close()

    late = between("cas", give_up)
    await store.put(OLD, RECORD, seconds=60, replaces=OLD, expected=None)
    with pytest.raises(SessionStoreUnavailable):
        await late.put(OLD, RECORD._replace(version=2), seconds=60, replaces=OLD, expected=1)


async def test_an_error_of_ones_own_is_no_outage(store):
    async def connect():
        raise RuntimeError("on purpose")

    store._link._connect = connect
    with pytest.raises(RuntimeError, match="on purpose"):
        await store.get(OLD)


async def test_of_two_renewals_one_holds(store, make_of_kind):
    for _ in range(20):
        await store.put(OLD, RECORD, seconds=60, replaces=OLD, expected=None)
        handles = [handle_of(str(number)) for number in range(4)]
        moved = RECORD._replace(version=2)
        outcomes = await asyncio.gather(
            *(store.put(handle, moved, seconds=60, replaces=OLD, expected=1) for handle in handles)
        )
        kept = [await store.get(handle) for handle in handles]
        assert outcomes.count(Outcome.WRITTEN) == 1
        assert [record is not None for record in kept] == [outcome is Outcome.WRITTEN for outcome in outcomes]
        assert await store.get(OLD) is None
        await store.delete(handles)


async def test_a_write_that_always_loses_gives_up(between, store):
    await store.put(OLD, RECORD, seconds=60, replaces=OLD, expected=None)

    async def connect():
        return Refusing(await other())

    losing = between("", None)
    other, losing._link._connect = losing._link._connect, connect
    with pytest.raises(SessionConflict):
        await losing.put(OLD, RECORD._replace(version=2), seconds=60, replaces=OLD, expected=1)


class Refusing(Between):
    def __init__(self, client, error=emcache.NotStoredStorageCommandError):
        super().__init__(client, "", None)
        self._error = error

    async def cas(self, *args, **options):
        raise self._error("on purpose")


async def test_a_write_that_memcached_cannot_do_is_an_outage(between, store):
    await store.put(OLD, RECORD, seconds=60, replaces=OLD, expected=None)

    async def connect():
        return Refusing(await other(), emcache.StorageCommandError)

    failing = between("", None)
    other, failing._link._connect = failing._link._connect, connect
    with pytest.raises(SessionStoreUnavailable):
        await failing.put(OLD, RECORD._replace(version=2), seconds=60, replaces=OLD, expected=1)
    assert await store.get(OLD) == RECORD


@asynccontextmanager
async def pretending(behave, path=None):
    """The address of a server whose connections are handed to `behave`, until they have ended."""
    tasks = set()

    async def accept(reader, writer):
        tasks.add(asyncio.current_task())
        await behave(reader, writer)
        writer.close()
        await writer.wait_closed()

    if path is None:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    else:
        server = await asyncio.start_unix_server(accept, path)
        yield f"unix:{path}"
    server.close()
    await asyncio.gather(*tasks)


def always(answer):
    async def behave(reader, writer):
        while await reader.readline():
            writer.write(answer)

    return behave


@pytest.mark.skipif(not hasattr(asyncio, "start_unix_server"), reason="no Unix sockets")
async def test_a_unix_socket(tmp_path):
    async with pretending(always(b"END\r\n"), tmp_path / "s") as address:
        store = memcached.MemcachedStore(address, patience=10)
        assert await store.get(OLD) is None
        await store.close()


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("localhost", ("localhost", 11211)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("[::1]:5", ("::1", 5)),
        ("[::1]", ("::1", 11211)),
        ("::1", ("::1", 11211)),
    ],
)
def test_addresses(address, parts):
    assert link._host_and_port(address) == parts


@pytest.mark.parametrize("address", ["", ":11211", "host:", "host:x", "host:0", "host:70000", "memcached://h:1", "h:²"])
def test_what_is_no_address(address):
    with pytest.raises(ValueError, match="expected the address of a memcached"):
        memcached.MemcachedStorage(address)


@pytest.mark.parametrize("prefix", ["a b", "x" * 171, "é", "\n"])
def test_what_no_key_begins_with(prefix):
    with pytest.raises(ValueError, match="expected a prefix of ASCII"):
        memcached.MemcachedStorage("localhost", prefix=prefix)


async def test_the_longest_prefix(memcached_address):
    storage = memcached.MemcachedStorage(memcached_address, prefix="x" * 170, patience=10)
    assert await storage.store.put(OLD, RECORD, seconds=1, replaces=OLD, expected=None) is Outcome.WRITTEN
    await storage.close()


# Outages.


async def count(request):
    session = await get_session(request)
    session["n"] = session.get("n", 0) + 1
    return Response(text=str(session["n"]))


async def look(request):
    return Response(text=f"{(await get_session(request)).get('n', 'nobody')}")


ROUTES = {"/count": count, "/look": look}


def is_refused(answer):
    """503 as a problem that a program can read, and the cookie left alone."""
    problem = json.loads(answer.text)
    return (answer.status, problem["status"], answer.headers["Retry-After"]) == (503, 503, "1") and (
        "Set-Cookie" not in answer.headers
    )


async def healed(visitor):
    deadline = time.monotonic() + 20
    while (answer := await visitor.get("/look")).status != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    return answer.text


@pytest.fixture
def own_server():
    with MemcachedServer() as server:
        yield server


@contextmanager
def stopped(server):
    server.hang()
    yield
    server.go_on()


@contextmanager
def killed(server):
    server.kill()
    yield
    server.start()


@pytest.mark.hardening("X18")
@pytest.mark.parametrize(("trouble", "after"), [(stopped, "2"), (killed, "nobody")])
async def test_an_outage_is_told_and_heals(own_server, serve, trouble, after):
    visitor = await serve(ROUTES, memcached.MemcachedStorage(own_server.address, secure=False))
    assert [(await visitor.get("/count")).text for _ in range(2)] == ["1", "2"]
    cookies = dict(visitor.cookies)
    with trouble(own_server):
        started = time.monotonic()
        answers = [await visitor.get(path) for path in ("/count", "/look", "/count")]
        waited = time.monotonic() - started
        assert all(map(is_refused, answers))
        assert waited < 3 * PATIENCE * BUSY
        assert visitor.cookies == cookies
    assert await healed(visitor) == after


@pytest.mark.hardening("X18")
async def test_anonymous_by_setting(own_server, serve):
    visitor = await serve(ROUTES, memcached.MemcachedStorage(own_server.address, secure=False, outage="anonymous"))
    await visitor.get("/count")
    cookies = dict(visitor.cookies)
    with stopped(own_server):
        answer = await visitor.get("/look")
        assert (answer.status, answer.text) == (200, "nobody")
        assert is_refused(await visitor.get("/count"))
        assert visitor.cookies == cookies


def restless(address):
    """A store that asks again at once after a failure."""
    store = memcached.MemcachedStore(address)
    store._link._patience = Patience(PATIENCE, rest=0)
    return store


async def check_that_all_is_refused(store):
    for ask in (store.get(OLD), store.delete([OLD]), store.put(OLD, RECORD, seconds=1, replaces=OLD, expected=None)):
        with pytest.raises(SessionStoreUnavailable):
            await ask
    await store.close()


@pytest.mark.hardening("X18")
async def test_a_memcached_that_ends_before_it_answers():
    asked = []

    async def end(reader, writer):
        asked.append(await reader.readline())

    async with pretending(end) as address:
        await check_that_all_is_refused(restless(address))
        assert [line[:4] for line in asked if line] == [b"gets", b"dele", b"set "]


@pytest.mark.hardening("X18")
@pytest.mark.parametrize("answer", [b"ERROR\r\n", b"SERVER_ERROR out of memory\r\n"])
async def test_a_memcached_that_answers_with_errors(answer):
    async with pretending(always(answer)) as address:
        await check_that_all_is_refused(restless(address))


@pytest.mark.hardening("X18")
async def test_after_a_failure_there_is_a_new_client():
    """emcache waits longer and longer before it looks for a server that was away; a new client looks at once."""
    clients = []
    async with pretending(always(b"ERROR\r\n")) as address:
        store = restless(address)
        make = store._link._connect

        async def connect():
            clients.append(await make())
            return clients[-1]

        store._link._connect = connect
        await check_that_all_is_refused(store)
    assert [client.closed for client in clients] == [True] * 3


@pytest.mark.hardening("X18")
async def test_an_answer_that_comes_late_is_nobody_elses(own_server):
    """While the server hangs, questions are given up; afterwards each gets its own answer."""
    store = restless(own_server.address)
    handles = [handle_of(str(number)) for number in range(10)]
    for number, handle in enumerate(handles):
        await store.put(handle, RECORD._replace(created=number), seconds=60, replaces=handle, expected=0)
    own_server.hang()
    answers = await asyncio.gather(*map(store.get, handles), return_exceptions=True)
    own_server.go_on()
    assert {type(answer) for answer in answers} == {SessionStoreUnavailable}
    assert [(await store.get(handle)).created for handle in handles] == list(range(10))
    await store.close()
