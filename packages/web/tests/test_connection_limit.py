import asyncio
import resource
import socket
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.web.connection_limit import (
    MAX_CONNECTIONS,
    SPARE_FILES,
    ConnectionLimit,
    address_key,
    default_max_connections,
)

LIMIT = 4


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def settle(question: Any) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(10):
        while not question():
            await asyncio.sleep(0.01)


@pytest.mark.parity("U15")
@pytest.mark.hardening("X12")
@pytest.mark.limit("Server.max_connections")
@pytest.mark.parametrize("count", [LIMIT, LIMIT + 1, LIMIT * 10])
async def test_connections_beyond_the_limit_wait_and_are_not_lost(serve: Any, count: int) -> None:
    served = await serve(hello, max_connections=LIMIT)
    peers = [await served.connect() for _ in range(count)]
    for peer in peers:
        await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    answered = 0
    for peer in peers[:LIMIT]:
        assert (await peer.answer()).status == 200
        answered += 1
    assert len(served.server.connections) == served.server.limit.count == LIMIT
    if count > LIMIT:
        with pytest.raises(TimeoutError):  # it is connected, as far as the system is concerned
            async with asyncio.timeout(0.2):
                await peers[LIMIT].head()
    for index, peer in enumerate(peers[LIMIT:]):
        await peers[index].close()
        assert (await peer.answer()).status == 200
        assert len(served.server.connections) <= LIMIT
        answered += 1
    assert answered == count


@pytest.mark.parity("U15")
async def test_a_full_server_says_so_once(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    served = await serve(hello, max_connections=1)
    await (await served.connect()).request("GET", "/")
    for _ in range(20):
        await served.connect()
    await settle(lambda: caplog.records)
    assert [record.getMessage() for record in caplog.records] == ["1 connections are open, others wait for one to end"]


@pytest.mark.parity("U15")
@pytest.mark.limit("Server.max_connections_per_ip")
@pytest.mark.parametrize("count", [LIMIT, LIMIT + 1, LIMIT * 10])
async def test_too_many_of_one_address(serve: Any, count: int) -> None:
    served = await serve(hello, max_connections_per_ip=LIMIT)
    peers = [await served.connect() for _ in range(count)]
    for peer in peers[:LIMIT]:
        assert (await peer.request("GET", "/")).status == 200
    for peer in peers[LIMIT:]:
        assert await peer.is_closed()
    assert served.server.limit.refused == count - LIMIT
    assert len(served.server.connections) == LIMIT
    await peers[0].close()
    await settle(lambda: len(served.server.connections) < LIMIT)
    assert (await served.get("/")).status == 200


async def test_a_unix_socket_has_no_addresses(tmp_path: Path) -> None:
    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, max_connections_per_ip=1)
    await runner.setup()
    await web.UnixSite(runner, tmp_path / "s").start()
    writers = []
    for _ in range(3):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readline()).endswith(b"200 OK\r\n")
        writers.append(writer)
    for writer in writers:
        writer.close()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("address", "key"),
    [
        (("192.0.2.1", 5), socket.inet_aton("192.0.2.1")),
        (("::ffff:192.0.2.1", 5, 0, 0), socket.inet_aton("192.0.2.1")),
        (("2001:db8:1:2:3:4:5:6", 5, 0, 0), bytes.fromhex("20010db800010002")),
        (("fe80::1%lo", 5, 0, 1), bytes.fromhex("fe80000000000000")),
        ("", None),
        (b"\0abstract", None),
    ],
)
def test_whose_an_address_is(address: object, key: bytes | None) -> None:
    assert address_key(address) == key


@pytest.mark.parametrize(
    ("files", "connections"),
    [(1024, 1024 - SPARE_FILES), (20_000, MAX_CONNECTIONS), (50, 1), (resource.RLIM_INFINITY, MAX_CONNECTIONS)],
)
def test_the_default_leaves_files_for_others(monkeypatch: pytest.MonkeyPatch, files: int, connections: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert default_max_connections() == connections
    assert ConnectionLimit().maximum == connections


def test_where_the_system_has_no_such_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "resource", None)
    assert default_max_connections() == MAX_CONNECTIONS


@pytest.mark.parametrize("name", ["max_connections", "max_connections_per_ip"])
def test_nothing_is_no_limit(name: str) -> None:
    arguments: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} is at least 1"):
        web.AppRunner(web.Application(), **arguments)


async def test_connections_of_another_listener_count() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response()

    server = web.Server(answer)
    loop = asyncio.get_running_loop()
    factory: Any = server
    listener = await loop.create_server(factory, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
    await settle(lambda: server.limit.count == 1)
    writer.close()
    await settle(lambda: server.limit.count == 0)
    listener.close()


def test_who_waits_for_room_is_called_once() -> None:
    limit = ConnectionLimit(1)
    calls: list[int] = []

    def call() -> None:
        calls.append(limit.count)

    connection: Any = object()
    assert limit.enter(connection, None)
    for _ in range(3):
        limit.when_there_is_room(call)
    limit.leave(connection)
    limit.enter(connection, None)
    limit.leave(connection)
    assert calls == [0]
