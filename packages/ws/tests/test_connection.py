"""The connection as an application sees it: sending, receiving, iterating, over real sockets."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from levante.http.errors import PeerDisconnected
from levante.ws import (
    DeflateParams,
    Role,
    WebSocketConnection,
    WSCloseCode,
    WSMessageTypeError,
    WSMsgType,
)

Make = Callable[..., bytes]


async def echo(connection: WebSocketConnection) -> None:
    async for message in connection:
        if message.type is WSMsgType.TEXT:
            await connection.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await connection.send_bytes(message.data)


@pytest.mark.parity("S43", "C39")
async def test_every_kind_of_sending_and_receiving(loopback: Any) -> None:
    server, client = await loopback.pair()
    await client.send_str("grüße")
    await client.send_bytes(bytearray(b"\x00\xff"))
    await client.send_json({"a": [1]})
    await client.send_json_bytes({"b": 2}, dumps=lambda data: json.dumps(data).encode())
    await client.send_frame(b"raw", WSMsgType.TEXT)
    assert await server.receive_str() == "grüße"
    assert await server.receive_bytes() == b"\x00\xff"
    assert await server.receive_json() == {"a": [1]}
    assert (await server.receive()).json() == {"b": 2}
    assert (await server.receive(timeout=5)).data == "raw"


@pytest.mark.parity("S43")
async def test_wrong_kinds_are_type_errors(loopback: Any) -> None:
    server, client = await loopback.pair()
    for send, data, wanted in ((client.send_str, b"x", "str"), (client.send_bytes, "x", "bytes")):
        with pytest.raises(TypeError, match=f"expected {wanted}"):
            await send(data)
    with pytest.raises(ValueError, match=r"call close\(\)"):
        await client.send_frame(b"", WSMsgType.CLOSE)
    await client.send_bytes(b"1")
    await client.send_str("2")
    with pytest.raises(WSMessageTypeError, match=r"type BINARY .*expected text"):
        await server.receive_str()
    with pytest.raises(TypeError, match=r"type TEXT .*expected binary"):
        await server.receive_bytes()


@pytest.mark.parity("W1")
async def test_text_as_bytes(loopback: Any) -> None:
    server, client = await loopback.pair(server={"decode_text": False})
    await client.send_str('"ü"')
    assert await server.receive_str() == '"ü"'.encode()
    await client.send_str('"ü"')
    assert await server.receive_json() == "ü"


@pytest.mark.parity("S41")
async def test_pings_are_answered_without_anybody_reading(loopback: Any, masked: Make) -> None:
    _, peer = await loopback.with_peer()
    peer.send(masked(9, b"one") + masked(9, b"two"))
    assert [await peer.frame(), await peer.frame()] == [(0x8A, b"one"), (0x8A, b"two")]


@pytest.mark.parity("S41")
async def test_pings_and_pongs_without_autoping(loopback: Any) -> None:
    server, client = await loopback.pair(server={"autoping": False}, client={"autoping": False})
    await client.ping("text")
    await client.pong(b"bytes")
    assert (await server.receive())[::3] == (b"text", WSMsgType.PING)
    assert (await server.receive())[::3] == (b"bytes", WSMsgType.PONG)
    with pytest.raises(ValueError, match="126 bytes"):
        await client.ping(bytes(126))


@pytest.mark.hardening("W30")
async def test_a_flood_of_pings_gets_few_pongs_and_the_latest(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer()
    server.data_received(b"".join(masked(9, str(i).encode()) for i in range(10_000)))
    pongs = [await peer.frame() for _ in range(17)]
    assert pongs[0] == (0x8A, b"0")
    assert pongs[-1] == (0x8A, b"9999")
    await server.send_str("next")
    assert await peer.frame() == (0x81, b"next")
    peer.send(masked(10, b"unasked") + masked(1, b"fine"))
    assert await server.receive_str() == "fine"


@pytest.mark.parity("S43")
async def test_only_one_task_may_receive(loopback: Any) -> None:
    server, client = await loopback.pair()
    first = asyncio.create_task(server.receive())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another receive"):
        await server.receive()
    await client.send_str("x")
    assert (await first).data == "x"


@pytest.mark.parity("S43", "S41")
async def test_a_receive_that_times_out_leaves_a_servers_socket_open(loopback: Any) -> None:
    server, client = await loopback.pair(server={"receive_timeout": 0.01})
    with pytest.raises(TimeoutError, match="no message"):
        await server.receive()
    with pytest.raises(TimeoutError):
        await server.receive(timeout=0.001)
    assert (server.closed, server.close_code) == (False, None)
    await client.send_str("late")
    assert await server.receive_str() == "late"


@pytest.mark.parity("C39")
async def test_a_receive_that_times_out_marks_a_client_1006(loopback: Any) -> None:
    _, client = await loopback.pair()
    with pytest.raises(TimeoutError):
        await client.receive(timeout=0.001)
    assert (client.closed, client.close_code) == (False, 1006)


async def test_a_cancelled_receive_loses_nothing(loopback: Any, masked: Make) -> None:
    server, _ = await loopback.with_peer()
    for comes_first in (True, False):
        waiting = asyncio.create_task(server.receive())
        await asyncio.sleep(0)
        if not comes_first:
            waiting.cancel()
        server.data_received(masked(1, b"kept"))
        if comes_first:
            waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await server.receive_str() == "kept"


async def test_a_reader_goes_on_while_its_message_is_delivered(loopback: Any, masked: Make) -> None:
    server, _ = await loopback.with_peer()
    seen: list[str] = []

    async def read() -> None:
        async for message in server:
            seen.append(message.data)

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    delivered = asyncio.get_running_loop().create_future()

    def deliver() -> None:
        server.data_received(masked(1, b"one") + masked(1, b"two"))
        delivered.set_result(list(seen))

    asyncio.get_running_loop().call_soon(deliver)
    assert await delivered == ["one", "two"]
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader


@pytest.mark.parity("W5")
async def test_the_receive_queue_is_bounded_and_pauses_the_transport(loopback: Any) -> None:
    server, client = await loopback.pair()
    payload = bytes(60_000)

    async def flood() -> None:
        for _ in range(300):
            await client.send_bytes(payload)

    sending = asyncio.create_task(flood())
    while not server._reading_paused:
        await asyncio.sleep(0)
    assert len(server._inbox) <= 16
    assert server._inbox.size < 600_000
    assert not sending.done()
    for _ in range(300):
        assert await server.receive_bytes() == payload
    await sending
    assert not server._reading_paused


@pytest.mark.parity("W5")
async def test_many_tiny_messages_in_one_read_stay_bytes_until_they_are_asked_for(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer()
    peer.send(b"".join(masked(1, str(i).encode()) for i in range(2_000)))
    while not server._stalled:
        await asyncio.sleep(0)
    assert len(server._inbox) == 16
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    assert [await server.receive_str() for _ in range(2_000)] == [str(i) for i in range(2_000)]
    ticking.cancel()
    assert ticks >= 50, "a long backlog must not keep the event loop to itself"


@pytest.mark.parity("W5", "U20")
async def test_sending_waits_for_a_peer_that_does_not_read(loopback: Any) -> None:
    server, peer = await loopback.with_peer(writer_limit=1000)
    server.get_extra_info("socket")
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while True:
            await server.send_bytes(bytes(100_000))
            sent += 1

    sending = asyncio.create_task(flood())
    while not server._outbox.paused:
        await asyncio.sleep(0)
    before = sent
    for _ in range(before + 1):
        assert len((await peer.frame())[1]) == 100_000
    while sent == before:
        await asyncio.sleep(0)
    server.abort()
    with pytest.raises(PeerDisconnected):
        await sending


@pytest.mark.parity("S43")
async def test_sending_on_what_is_closed(loopback: Any) -> None:
    server, client = await loopback.pair()
    reading = asyncio.create_task(server.receive())
    await client.close()
    with pytest.raises(PeerDisconnected, match="closing or closed"):
        await client.send_str("x")
    await reading
    with pytest.raises(ConnectionResetError):
        await server.ping()


@pytest.mark.parity("W3")
@pytest.mark.parametrize("size", [10, 20_000, 3_000_000])
async def test_compressed_messages_of_every_size_in_order(loopback: Any, size: int) -> None:
    params = {"deflate": DeflateParams(server_max_window_bits=12)}
    server, client = await loopback.pair(server=params, client=params)
    assert server.deflate == client.deflate == params["deflate"]
    serving = asyncio.create_task(echo(server))
    payload = bytes(range(256)) * (size // 256 + 1)
    await asyncio.gather(
        client.send_bytes(payload),
        client.send_str("between"),
        client.send_bytes(payload, compress=9),
        client.send_str("after"),
    )
    got = [(await client.receive()).data for _ in range(4)]
    assert sorted(map(len, got)) == sorted([len(payload)] * 2 + [7, 5])
    assert await client.close()
    await serving


async def test_long_messages_leave_in_fragments_and_let_control_frames_pass(loopback: Any) -> None:
    server, peer = await loopback.with_peer(fragment_size=50_000, writer_limit=1000)
    sending = asyncio.create_task(server.send_bytes(bytes(5_000_000)))
    while not server._outbox.paused:
        await asyncio.sleep(0)
    other = asyncio.create_task(server.send_str("behind"))
    await asyncio.sleep(0)
    pinging = asyncio.create_task(server.ping(b"now"))
    kinds = []
    while not kinds or kinds[-1] != 0x81:
        kinds.append((await peer.frame())[0])
    assert kinds[0] == 0x02
    assert 0x89 in kinds
    assert kinds.index(0x89) < kinds.index(0x80)
    await asyncio.gather(sending, other, pinging)


async def test_a_cancelled_long_message_is_still_sent_whole(loopback: Any) -> None:
    params = {"deflate": DeflateParams()}
    server, client = await loopback.pair(server=params, client=params)
    sending = asyncio.create_task(client.send_bytes(bytes(1_000_000)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await client.send_str("next")
    assert len(await server.receive_bytes()) == 1_000_000
    assert await server.receive_str() == "next"


async def test_a_long_message_is_given_up_when_the_connection_is(loopback: Any) -> None:
    server, _ = await loopback.with_peer(fragment_size=50_000, writer_limit=1000)
    sending = asyncio.create_task(server.send_bytes(bytes(5_000_000)))
    while not server._outbox.paused:
        await asyncio.sleep(0)
    server.abort()
    with pytest.raises(PeerDisconnected, match="lost while"):
        await sending


async def test_callbacks_and_extra_info(loopback: Any) -> None:
    gone: list[object] = []
    unconnected = WebSocketConnection(Role.SERVER, protocol="chat")
    assert (unconnected.protocol, unconnected.get_extra_info("peername", 1)) == ("chat", 1)
    unconnected.abort()
    with pytest.raises(RuntimeError, match="not connected yet"):
        await unconnected.close()
    with pytest.raises(PeerDisconnected):
        await unconnected.send_str("x")
    with pytest.raises(ValueError, match="fragment_size 0"):
        WebSocketConnection(Role.SERVER, fragment_size=0)
    server, client = await loopback.pair(server={"on_closed": gone.append})
    assert server.role is Role.SERVER
    assert server.get_extra_info("peername") == client.get_extra_info("sockname")
    assert server.get_extra_info("nothing", 7) == 7
    server.add_closed_callback(gone.append)
    client.abort()
    await server.wait_closed()
    assert gone == [server, server]
    client.remove_closed_callback(gone.append)
    server.add_closed_callback(gone.append)
    assert gone == [server, server, server]


@pytest.mark.parity("S43")
async def test_iteration_yields_errors_and_ends(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer()
    peer.send(masked(1, b"a") + masked(2, b"b") + masked(3))
    found = [(message.type, message.data) async for message in server]
    assert found[:2] == [(WSMsgType.TEXT, "a"), (WSMsgType.BINARY, b"b")]
    assert found[2][0] is WSMsgType.ERROR
    assert found[2][1] is server.exception()
    assert len(found) == 3
    assert server.close_code == WSCloseCode.PROTOCOL_ERROR


@pytest.mark.parity("S43", "S41")
async def test_what_is_no_message_does_not_prolong_a_receive(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer()
    waiting = asyncio.create_task(server.receive(timeout=0.2))

    async def chatter() -> None:
        while True:
            peer.send(masked(9) + masked(10))
            await asyncio.sleep(0.02)

    chatting = asyncio.create_task(chatter())
    with pytest.raises(TimeoutError, match="no message"):
        await asyncio.wait_for(asyncio.shield(waiting), 20)
    chatting.cancel()


class Shout(str):
    """A str that is none quite."""

    def encode(self, *_: str) -> bytes:  # type: ignore[override]
        return b"not this"


@pytest.mark.parametrize("text", ["", "plain", "l\u00e9vante", "x" * 70_000, "\u00e9" * 70_000, Shout("subclass")])
@pytest.mark.parametrize("role", list(Role))
async def test_every_kind_of_text_arrives_from_both_ends(loopback: Any, role: Role, text: str) -> None:
    server, client = await loopback.pair()
    sender, reader = (server, client) if role is Role.SERVER else (client, server)
    await sender.send_str(text)
    assert sender.write_str(text)
    assert [await reader.receive_str() for _ in range(2)] == [text, text]
