"""Every limit of levante.ws as a peer or an application meets it: reached, exceeded by one, and ten times over."""

import asyncio
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from levante.ws import DeflateParams, Rooms, SlowConsumer, WebSocketError, WSMsgType
from levante.ws.backplanes.outgoing import Outgoing
from levante.ws.deflate import Inflater
from levante.ws.extensions import parse_extensions
from levante.ws.limits import (
    FRAGMENT_SIZE,
    MAX_DEFLATE_MEMBERS,
    MAX_EXTENSION_PARAMETERS,
    MAX_EXTENSIONS,
    MAX_MSG_SIZE,
    MAX_PONGS_A_READ,
    MEMBER_QUEUE_BYTES,
    MEMBER_QUEUE_MESSAGES,
    MIN_FRAGMENTS,
    OUTGOING_BYTES,
    OUTGOING_MESSAGES,
    QUEUE_BYTES,
    QUEUE_MESSAGES,
    WRITER_LIMIT,
)

Make = Callable[..., bytes]

TEXT, BINARY, CONTINUATION, PING = 1, 2, 0, 9


def exceeding(limit: int) -> list[tuple[int, bool]]:
    """Amounts, and whether they are within `limit`."""
    return [(limit, True), (limit + 1, False), (10 * limit, False)]


async def outcome(connection: Any, peer: Any, *, size: int) -> None:
    """The message arrives whole (`size` bytes), or (-1) both sides know of 1009 and the TCP connection ends."""
    message = await connection.receive()
    if size >= 0:
        assert (message.type, message.size) == (WSMsgType.BINARY, size)
        return
    assert (message.type, message.data.code, connection.close_code) == (WSMsgType.ERROR, 1009, 1009)
    first, payload = await peer.frame()
    assert (first, payload[:2]) == (0x88, (1009).to_bytes(2, "big"))
    assert await peer.at_eof()


@pytest.mark.hardening("W13", "W25")
@pytest.mark.parity("S41", "W2")
@pytest.mark.parametrize(("size", "fits"), exceeding(MAX_MSG_SIZE))
async def test_the_size_of_a_message(loopback: Any, masked: Make, size: int, fits: bool) -> None:
    connection, peer = await loopback.with_peer()
    data = bytes(size) if fits else b""  # its announcement is enough
    peer.send(masked(BINARY, data, length=size, form=64, key=bytes(4)) if not fits else plain_masked(data))
    await outcome(connection, peer, size=size if fits else -1)


def plain_masked(data: bytes) -> bytes:
    """A long frame with the key 0, without a loop over its bytes."""
    return b"\x82\xff" + len(data).to_bytes(8, "big") + bytes(4) + data


@pytest.mark.hardening("W27")
@pytest.mark.parity("S41", "W3")
@pytest.mark.parametrize(("size", "fits"), exceeding(MAX_MSG_SIZE))
async def test_the_size_of_a_message_when_it_is_inflated(loopback: Any, masked: Make, size: int, fits: bool) -> None:
    connection, peer = await loopback.with_peer(deflate=DeflateParams())
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = compressor.compress(bytes(size)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    peer.send(masked(BINARY, body[:-4], rsv=4))
    await outcome(connection, peer, size=size if fits else -1)


@pytest.mark.hardening("W25")
@pytest.mark.parity("W5")
@pytest.mark.parametrize(("count", "fits"), exceeding(MIN_FRAGMENTS))
async def test_the_fragments_of_a_message(loopback: Any, masked: Make, count: int, fits: bool) -> None:
    connection, peer = await loopback.with_peer(max_msg_size=100_000)
    peer.send(masked(BINARY, b"x", fin=0) + masked(CONTINUATION, b"x", fin=0) * (count - 2))
    peer.send(masked(CONTINUATION, b"x"))
    await outcome(connection, peer, size=count if fits else -1)


@pytest.mark.parity("W5")
@pytest.mark.parametrize(("count", "fits"), exceeding(QUEUE_MESSAGES))
async def test_the_messages_that_wait_for_the_application(loopback: Any, masked: Make, count: int, fits: bool) -> None:
    connection, _ = await loopback.with_peer()
    connection.data_received(masked(TEXT, b"x") * count)
    assert len(connection._inbox) == min(count, QUEUE_MESSAGES)
    connection.data_received(masked(TEXT, b"last"))
    assert connection._reading_paused == (count >= QUEUE_MESSAGES)
    got = [(await connection.receive()).data for _ in range(count + 1)]
    assert got == ["x"] * count + ["last"]
    assert not connection._reading_paused


@pytest.mark.parity("W5")
@pytest.mark.parametrize(("size", "fits"), exceeding(QUEUE_BYTES))
async def test_the_bytes_that_wait_for_the_application(loopback: Any, masked: Make, size: int, fits: bool) -> None:
    connection, _ = await loopback.with_peer(max_msg_size=0)
    piece = plain_masked(bytes(QUEUE_BYTES // 8))
    for _ in range(size // (QUEUE_BYTES // 8)):
        connection.data_received(piece)
    connection.data_received(masked(BINARY, bytes(size % (QUEUE_BYTES // 8))))
    assert connection._inbox.size <= QUEUE_BYTES
    assert connection._reading_paused
    total = 0
    while total < size:
        total += (await connection.receive()).size
    assert total == size


@pytest.mark.hardening("W30")
@pytest.mark.parametrize(("count", "fits"), exceeding(MAX_PONGS_A_READ))
async def test_the_pings_that_are_answered_one_by_one(loopback: Any, masked: Make, count: int, fits: bool) -> None:
    connection, peer = await loopback.with_peer()
    connection.data_received(b"".join(masked(PING, str(number).encode()) for number in range(count)))
    await connection.send_str("end")
    pongs = []
    while (frame := await peer.frame())[0] == 0x8A:
        pongs.append(int(frame[1]))
    assert pongs == [*range(MAX_PONGS_A_READ), *([] if fits else [count - 1])]


@pytest.mark.parametrize(("size", "fits"), exceeding(FRAGMENT_SIZE))
async def test_the_size_of_a_fragment(loopback: Any, size: int, fits: bool) -> None:
    connection, peer = await loopback.with_peer()
    sending = asyncio.create_task(connection.send_bytes(bytes(size)))
    lengths = []
    while not lengths or not lengths[-1][0] & 0x80:
        first, payload = await peer.frame()
        lengths.append((first, len(payload)))
    await sending
    rest = size % FRAGMENT_SIZE or FRAGMENT_SIZE
    assert [length for _, length in lengths] == [FRAGMENT_SIZE] * ((size - 1) // FRAGMENT_SIZE) + [rest]
    assert (lengths[0][0] == 0x82) == fits


@pytest.mark.parity("W5", "S41")
@pytest.mark.parametrize(("size", "fits"), exceeding(WRITER_LIMIT))
async def test_the_bytes_that_are_not_sent_yet(loopback: Any, size: int, fits: bool) -> None:
    """Counted from where the kernel takes nothing more."""
    connection, peer = await loopback.with_peer(fragment_size=100 * WRITER_LIMIT)
    peer.writer.transport.pause_reading()
    while not connection._transport.get_write_buffer_size():
        await connection.send_bytes(bytes(20_000))
    head = 10 if size > 65_535 else 4
    written = connection._transport.get_write_buffer_size()
    sending = asyncio.create_task(connection.send_bytes(bytes(size - written - head)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert connection._transport.get_write_buffer_size() == size
    assert sending.done() == fits
    peer.writer.transport.resume_reading()
    reading = asyncio.create_task(peer.reader.read())
    await sending
    connection.abort()
    await asyncio.wait([reading])


@pytest.mark.hardening("W29")
@pytest.mark.parametrize(("count", "fits"), exceeding(MAX_EXTENSIONS))
def test_the_extensions_of_an_opening(count: int, fits: bool) -> None:
    for offers in ([", ".join(["permessage-deflate"] * count)], ["permessage-deflate"] * count):
        if fits:
            assert len(parse_extensions(offers)) == count
        else:
            with pytest.raises(ValueError, match="more than 16 extensions"):
                parse_extensions(offers)


@pytest.mark.hardening("W29")
@pytest.mark.parametrize(("count", "fits"), exceeding(MAX_EXTENSION_PARAMETERS))
def test_the_parameters_of_an_extension(count: int, fits: bool) -> None:
    offer = "permessage-deflate" + "; x=1" * count
    if fits:
        assert len(parse_extensions([offer])[0].parameters) == count
    else:
        with pytest.raises(ValueError, match="more than 8 parameters"):
            parse_extensions([offer])


@pytest.mark.hardening("W28")
@pytest.mark.parity("W2")
@pytest.mark.parametrize(("count", "fits"), exceeding(MAX_DEFLATE_MEMBERS))
def test_the_deflate_streams_in_a_message(count: int, fits: bool) -> None:
    into = Inflater(window_bits=15, no_context_takeover=False)
    final_empty_block = b"\x03\x00"
    if fits:
        assert into.inflate(final_empty_block * count, 10) + into.finish(10) == b""
        return
    with pytest.raises(WebSocketError) as caught:
        into.inflate(final_empty_block * count, 10)
    assert caught.value.code == 1009


async def stuck_member(loopback: Any, rooms: Rooms) -> Any:
    """One whose connection takes nothing more."""
    connection, _ = await loopback.with_peer()
    rooms.join(connection, "a")
    connection.pause_writing()
    return connection


@pytest.mark.hardening("W31")
@pytest.mark.parametrize(("count", "fits"), exceeding(MEMBER_QUEUE_MESSAGES))
async def test_the_messages_that_wait_for_a_slow_member(loopback: Any, count: int, fits: bool) -> None:
    dropping = Rooms(policy=SlowConsumer.DROP_OLDEST)
    disconnecting = Rooms(policy=SlowConsumer.DISCONNECT)
    await stuck_member(loopback, dropping)
    await stuck_member(loopback, disconnecting)
    for number in range(count):
        await dropping.broadcast("a", str(number))
        await disconnecting.broadcast("a", str(number))
    assert (dropping.dropped, dropping.disconnected) == (count - MEMBER_QUEUE_MESSAGES, 0)
    assert (disconnecting.dropped, disconnecting.disconnected) == (0, int(not fits))
    await disconnecting.close_all(timeout=0)


@pytest.mark.hardening("W31")
@pytest.mark.parametrize(("size", "fits"), exceeding(MEMBER_QUEUE_BYTES))
async def test_the_bytes_that_wait_for_a_slow_member(loopback: Any, size: int, fits: bool) -> None:
    rooms = Rooms(policy=SlowConsumer.DISCONNECT)
    await stuck_member(loopback, rooms)
    head = 10
    for _ in range(size // (MEMBER_QUEUE_BYTES // 8)):
        await rooms.broadcast("a", bytes(MEMBER_QUEUE_BYTES // 8 - head))
    if size % 8:
        await rooms.broadcast("a", b"")
    assert rooms.disconnected == int(not fits)
    await rooms.close_all(timeout=0)


@pytest.mark.hardening("X18")
@pytest.mark.parametrize(("count", "fits"), exceeding(OUTGOING_MESSAGES))
async def test_the_broadcasts_that_wait_for_a_backplane(count: int, fits: bool) -> None:
    outgoing = Outgoing(max_messages=OUTGOING_MESSAGES, max_bytes=OUTGOING_BYTES, batch=1)
    for _ in range(count):
        outgoing.put("a", b"x")
    assert (len(outgoing), outgoing.lost) == (OUTGOING_MESSAGES, count - OUTGOING_MESSAGES)


@pytest.mark.hardening("X18")
@pytest.mark.parametrize(("size", "fits"), exceeding(OUTGOING_BYTES))
async def test_the_bytes_that_wait_for_a_backplane(size: int, fits: bool) -> None:
    outgoing = Outgoing(max_messages=OUTGOING_MESSAGES, max_bytes=OUTGOING_BYTES, batch=1)
    piece = bytes(OUTGOING_BYTES // 16)
    for _ in range(size // len(piece)):
        outgoing.put("a", piece)
    if size % len(piece):
        outgoing.put("a", b"x")
    assert (outgoing.lost == 0) == fits
    assert len(outgoing) == 16
