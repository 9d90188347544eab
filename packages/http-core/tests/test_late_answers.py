"""What is sent for an exchange that is over must not become a part of the next one on the connection: an answer that
one user's request left behind would reach another user.
"""

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pytest
from http_support.loopback import GET, LAST, Gate

from levante.http import DialedConnection, Exchange, LocalProtocolError, PeerDisconnected

Start = Callable[..., Any]


async def late_write(exchange: Exchange) -> None:
    await exchange.write(b"secret")


async def late_end(exchange: Exchange) -> None:
    await exchange.finish()


async def late_file(exchange: Exchange) -> None:
    await exchange.sendfile(io.BytesIO(b"secret"), 0, 6)


async def late_head(exchange: Exchange) -> None:
    exchange.send_head(200, None, (), length=6)


async def late_answer(exchange: Exchange) -> None:
    exchange.respond(200, None, (), b"secret")


async def late_hint(exchange: Exchange) -> None:
    exchange.send_informational(103, (("Link", "<secret>"),))


async def late_upgrade(exchange: Exchange) -> None:
    exchange.upgrade(asyncio.Protocol(), headers=())


LATE = [late_write, late_end, late_file, late_head, late_answer, late_hint, late_upgrade]


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("late", LATE)
async def test_the_next_answer_stays_what_it_is(loopback: Start, late: Any, begun: bool) -> None:
    gate = Gate()
    over: list[Exchange] = []

    async def service(exchange: Exchange) -> None:
        if not over:
            over.append(exchange)
            exchange.respond(200, None, (), b"first")
            return
        if begun:
            exchange.send_head(200, None, (), length=None)
        gate.entered.set()
        await gate.open.wait()
        if not begun:
            exchange.send_head(200, None, (), length=None)
        await exchange.write(b"second")
        await exchange.finish()

    server = await loopback(service)
    client = await server.open()
    client.send(GET + LAST)
    await gate.entered.wait()
    with pytest.raises(LocalProtocolError, match="has been answered"):
        await late(over[0])
    gate.open.set()
    answer = await client.read_all()
    assert b"secret" not in answer
    assert answer.endswith(b"Connection: close\r\n\r\n6\r\nsecond\r\n0\r\n\r\n")
    client.close()


@pytest.mark.parametrize("late", LATE)
async def test_after_the_connection_was_dropped(loopback: Start, late: Any) -> None:
    outcome = asyncio.get_running_loop().create_future()

    async def service(exchange: Exchange) -> None:
        exchange.reset()
        try:
            await late(exchange)
        except PeerDisconnected as error:
            outcome.set_result(error)
            raise

    assert await (await loopback(service)).ask(GET) == b""
    await outcome


@pytest.mark.parametrize("late", ["head", "request", "write", "finish"])
async def test_the_next_request_stays_what_it_is(late: str) -> None:
    received = bytearray()
    complete = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        received.extend(await reader.readuntil(b"0\r\n\r\n"))
        complete.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, connection = await asyncio.get_running_loop().create_connection(DialedConnection, "127.0.0.1", port)
    first = connection.begin()
    first.request("GET", "/first", (("Host", "a"),))
    await first.response()
    await first.body.read()
    second = connection.begin()
    second.send_head("POST", "/second", (("Host", "a"),), length=None)
    with pytest.raises(LocalProtocolError, match="has been sent"):
        if late == "head":
            first.send_head("GET", "/secret", (("Host", "a"),), length=0)
        elif late == "request":
            first.request("GET", "/secret", (("Host", "a"),))
        elif late == "write":
            await first.write(b"secret")
        else:
            await first.finish()
    await second.write(b"body")
    await second.finish()
    await asyncio.wait_for(complete.wait(), 10)
    assert b"secret" not in received
    assert received.endswith(b"\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
    connection.abort()
    server.close()
