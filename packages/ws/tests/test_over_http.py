"""The whole way over levante.http's own drivers: a request, its upgrade, and the conversation behind it."""

import asyncio
from typing import Any

import pytest

from levante.http import AcceptedConnection, DialedConnection, Exchange
from levante.ws import (
    DialHandshake,
    Role,
    WebSocketConnection,
    WSHandshakeError,
    WSMsgType,
    accept_handshake,
)


async def serve(exchange: Exchange) -> None:
    """What an adapter does: answer the opening, hand the transport over, talk."""
    try:
        accepted = accept_handshake(exchange.head, protocols=["echo"])
    except WSHandshakeError as refused:
        exchange.respond(refused.status, None, refused.headers, refused.message.encode())
        return
    connection = WebSocketConnection(Role.SERVER, protocol=accepted.protocol, deflate=accepted.deflate)
    exchange.upgrade(connection, headers=accepted.headers)
    async for message in connection:
        if message.type is WSMsgType.TEXT:
            await connection.send_str(message.data)


async def dial(port: int, *fields: tuple[str, str], handshake: DialHandshake) -> Any:
    _, driver = await asyncio.get_running_loop().create_connection(DialedConnection, "127.0.0.1", port)
    exchange = driver.begin()
    exchange.send_head("GET", "/", [("Host", f"127.0.0.1:{port}"), *handshake.headers(), *fields], length=0)
    await exchange.finish()
    return driver, exchange, await exchange.response()


@pytest.mark.parity("S42", "C38")
async def test_an_upgrade_on_both_drivers(loopback: Any) -> None:
    port = await loopback.listen(lambda: AcceptedConnection(serve))
    handshake = DialHandshake(["echo"], compress=15, origin=f"http://127.0.0.1:{port}")
    _, exchange, head = await dial(port, handshake=handshake)
    protocol, deflate = handshake.verify(head)
    connection = loopback.made(WebSocketConnection(Role.CLIENT, protocol=protocol, deflate=deflate))
    exchange.upgrade(connection)
    assert protocol == "echo"
    assert deflate is not None
    for text in ("grüße", "x" * 100_000):
        await connection.send_str(text)
        assert await connection.receive_str() == text
    assert await connection.close(code=3000)
    assert connection.close_code == 3000


@pytest.mark.hardening("W05", "S19")
async def test_a_page_of_another_site_is_refused_before_the_upgrade(loopback: Any) -> None:
    port = await loopback.listen(lambda: AcceptedConnection(serve))
    handshake = DialHandshake(origin="https://evil.example")
    driver, exchange, head = await dial(port, handshake=handshake)
    assert head.status == 403
    assert b"evil.example" in await exchange.body.read()
    with pytest.raises(WSHandshakeError, match="got status 403"):
        handshake.verify(head)
    driver.abort()
    await driver.wait_closed()
