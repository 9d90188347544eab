"""Every way a connection can end, seen from both ends: codes, who is unblocked, and that nothing hangs."""

import asyncio
import errno
from collections.abc import Callable
from typing import Any

import pytest

from levante.http.errors import PeerDisconnected
from levante.ws import Role, WebSocketConnection, WebSocketError, WSMsgType

Make = Callable[..., bytes]


@pytest.mark.parity("W6", "S43")
async def test_we_close_and_the_peer_answers(loopback: Any) -> None:
    server, client = await loopback.pair()
    reading = asyncio.create_task(client.receive())
    assert await server.close(code=3001, message=b"bye") is True
    message = await reading
    assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 3001, "bye")
    await client.wait_closed()
    assert (server.close_code, client.close_code) == (3001, 3001)
    assert server.closed
    assert client.closed
    assert server.exception() is client.exception() is None
    assert await server.close() is False
    assert await client.close() is False


@pytest.mark.parity("S43")
async def test_the_reason_may_be_text(loopback: Any) -> None:
    server, client = await loopback.pair()
    reading = asyncio.create_task(client.receive())
    await server.close(message="adiós")
    assert (await reading).extra == "adiós"


@pytest.mark.parity("S57")
async def test_who_is_told_of_the_end(loopback: Any) -> None:
    server, client = await loopback.pair()
    assert not server.knows_of_the_end
    closing = asyncio.create_task(client.close())
    await server.receive()
    assert server.knows_of_the_end
    await closing


@pytest.mark.parity("W6")
async def test_a_client_closes_and_the_server_hangs_up(loopback: Any) -> None:
    server, client = await loopback.pair()
    reading = asyncio.create_task(server.receive())
    assert await client.close() is True
    assert (await reading).data == 1000
    await server.wait_closed()
    assert (server.close_code, client.close_code) == (1000, 1000)


@pytest.mark.parity("W6")
async def test_both_close_at_once(loopback: Any) -> None:
    server, client = await loopback.pair()
    assert await asyncio.gather(server.close(code=3001), client.close(code=3002)) == [True, True]
    assert (server.close_code, client.close_code) == (3002, 3001)


@pytest.mark.parity("S43")
@pytest.mark.parametrize("role", list(Role))
async def test_close_unblocks_a_pending_receive(loopback: Any, role: Role) -> None:
    server, client = await loopback.pair()
    ours, theirs = (server, client) if role is Role.SERVER else (client, server)
    waiting = asyncio.create_task(ours.receive())
    answering = asyncio.create_task(theirs.receive())
    await asyncio.sleep(0)
    assert await ours.close() is True
    assert (await waiting).type is WSMsgType.CLOSING
    assert (await answering).type is WSMsgType.CLOSE
    assert ours.close_code == theirs.close_code == 1000
    assert (await ours.receive()).type is WSMsgType.CLOSED


@pytest.mark.parity("S43", "C39")
async def test_receiving_after_the_end(loopback: Any) -> None:
    server, client = await loopback.pair()
    reading = asyncio.create_task(client.receive())
    await server.close()
    await reading
    for _ in range(4):
        assert (await server.receive()).type is WSMsgType.CLOSED
    with pytest.raises(RuntimeError, match="5 times on a closed"):
        await server.receive()
    for _ in range(10):
        assert (await client.receive()).type is WSMsgType.CLOSED


@pytest.mark.parity("W6")
async def test_data_after_our_close_frame_is_discarded(loopback: Any, masked: Make, frame: Make) -> None:
    server, peer = await loopback.with_peer()
    closing = asyncio.create_task(server.close(code=1001))
    assert await peer.frame() == (0x88, b"\x03\xe9")
    peer.send(masked(1, b"data") * 50 + masked(9, b"ping") + masked(8, b"\x03\xe9"))
    assert await peer.at_eof()
    await peer.close()
    assert await closing is True
    assert server.close_code == 1001


@pytest.mark.hardening("W20", "W22")
@pytest.mark.parity("W6")
async def test_the_peer_closes_and_more_follows(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer()
    peer.send(masked(1, b"begun", fin=0) + masked(8, b"\x0f\xa1why") + masked(8) + masked(1, b"late"))
    message = await server.receive()
    assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4001, "why")
    assert await peer.frame() == (0x88, b"\x0f\xa1")
    assert await peer.at_eof()
    assert server.close_code == 4001
    with pytest.raises(PeerDisconnected):
        await server.send_str("late")


@pytest.mark.parity("W1", "W6")
async def test_a_close_frame_without_a_code(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer()
    peer.send(masked(8))
    assert (await server.receive()).data == 0
    assert server.close_code == 1005
    assert await peer.frame() == (0x88, b"")


@pytest.mark.parity("S41")
async def test_without_autoclose_the_application_answers(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer(autoclose=False)
    peer.send(masked(8, b"\x03\xe8"))
    assert (await server.receive()).type is WSMsgType.CLOSE
    assert (server.closed, server.close_code) == (False, 1000)
    assert (await server.receive()).type is WSMsgType.CLOSING
    await server.send_str("last words")
    assert await peer.frame() == (0x81, b"last words")
    closing = asyncio.create_task(server.close(code=4000, message=b"mine"))
    assert await peer.frame() == (0x88, b"\x0f\xa0mine")
    assert await peer.at_eof()
    await peer.close()
    assert await closing is True
    assert server.close_code == 1000


@pytest.mark.parity("W6")
async def test_an_application_answers_what_came_before_the_close_frame(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer()
    peer.send(masked(1, b"question") + masked(8, b"\x03\xe8"))
    assert await server.receive_str() == "question"
    await asyncio.sleep(0)
    await server.send_str("answer")
    assert (await server.receive()).type is WSMsgType.CLOSE
    assert [await peer.frame(), await peer.frame()] == [(0x81, b"answer"), (0x88, b"\x03\xe8")]


@pytest.mark.hardening("W16")
async def test_what_came_before_an_error_is_delivered_and_answered(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer()
    peer.send(masked(1, b"question") + masked(1, b"\xff") + masked(9, b"ignored"))
    assert await server.receive_str() == "question"
    await server.send_str("answer")
    message = await server.receive()
    assert message.type is WSMsgType.ERROR
    assert isinstance(message.data, WebSocketError)
    assert server.exception() is message.data
    assert await peer.frame() == (0x81, b"answer")
    first, payload = await peer.frame()
    assert (first, payload[:2]) == (0x88, b"\x03\xef")
    assert await peer.at_eof()
    assert server.close_code == 1007
    assert (await server.receive()).type is WSMsgType.CLOSED


@pytest.mark.parity("U20")
@pytest.mark.parametrize(("sent", "code"), [(b"\x88\x80abcd", b""), (b"\x83\x80abcd", b"\x03\xea")])
async def test_an_application_that_does_not_read_does_not_keep_the_peer_waiting(
    loopback: Any, sent: bytes, code: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("levante.ws.driver.ANSWER_GRACE", 0.01)
    server, peer = await loopback.with_peer()
    peer.send(sent)
    first, payload = await peer.frame()
    assert (first, payload[:2]) == (0x88, code)
    assert await peer.at_eof()
    await peer.close()
    await server.wait_closed()
    assert server.closed
    assert (await server.receive()).type in (WSMsgType.CLOSE, WSMsgType.ERROR)


async def test_close_while_an_error_waits_sends_the_errors_code(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer()
    peer.send(masked(3))
    while not server._ended:
        await asyncio.sleep(0)
    closing = asyncio.create_task(server.close())
    assert (await peer.frame())[1][:2] == b"\x03\xea"
    await peer.close()
    assert await closing is True
    assert server.close_code == 1002


@pytest.mark.parity("W6")
@pytest.mark.parametrize("role", list(Role))
async def test_the_connection_ends_without_a_close_frame(loopback: Any, role: Role) -> None:
    connection, peer = await loopback.with_peer(role)
    peer.send(b"\x81\x00" if role is Role.CLIENT else b"\x81\x80abcd")
    await peer.close()
    await connection.wait_closed()
    assert (await connection.receive()).type is WSMsgType.TEXT
    assert (await connection.receive()).type is WSMsgType.CLOSED
    assert (connection.closed, connection.close_code) == (True, 1006)
    assert await connection.close() is False


async def test_a_waiting_receive_is_told_that_the_connection_is_lost(loopback: Any) -> None:
    server, peer = await loopback.with_peer()
    waiting = asyncio.create_task(server.receive())
    await asyncio.sleep(0)
    await peer.close()
    assert (await waiting).type is WSMsgType.CLOSED


async def test_a_backlog_outlives_its_connection(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer()
    peer.send(masked(1, b"m") * 100 + masked(8, b"\x03\xf3"))
    await peer.close()
    while not server._stalled:
        await asyncio.sleep(0)
    server.connection_lost(None)
    assert [await server.receive_str() for _ in range(100)] == ["m"] * 100
    assert (await server.receive()).type is WSMsgType.CLOSE
    assert server.close_code == 1011


@pytest.mark.hardening("W23")
@pytest.mark.parity("S41", "W6")
async def test_a_peer_that_never_answers(loopback: Any) -> None:
    server, peer = await loopback.with_peer(close_timeout=0.02)
    assert await server.close() is True
    assert (server.close_code, type(server.exception())) == (1006, TimeoutError)
    assert await peer.frame() == (0x88, b"\x03\xe8")
    assert await peer.at_eof()


@pytest.mark.hardening("W23")
async def test_a_peer_that_never_reads(loopback: Any) -> None:
    server, _ = await loopback.with_peer(close_timeout=0.02, writer_limit=1000)
    sending = asyncio.create_task(server.send_bytes(bytes(50_000_000)))
    while not server._outbox.paused:
        await asyncio.sleep(0)
    assert await server.close() is True
    with pytest.raises(PeerDisconnected):
        await sending
    assert server.close_code == 1006


async def test_without_a_limit_closing_takes_what_it_takes(
    loopback: Any, masked: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("levante.ws.lifeline.LINGER", 0.01)
    server, peer = await loopback.with_peer(close_timeout=None)
    peer.send(masked(1, b"x") + masked(8))
    assert (await server.receive()).type is WSMsgType.TEXT
    assert await server.close() is True
    assert server.close_code == 1005
    server, client = await loopback.pair(server={"close_timeout": None}, client={"close_timeout": None})
    reading = asyncio.create_task(client.receive())
    assert await server.close() is True
    assert (await reading).data == 1000


async def test_close_is_cancelled(loopback: Any) -> None:
    server, _ = await loopback.with_peer()
    closing = asyncio.create_task(server.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await server.wait_closed()
    assert server.close_code == 1006


async def test_the_peer_vanishes_while_we_close(loopback: Any) -> None:
    server, peer = await loopback.with_peer()
    closing = asyncio.create_task(server.close())
    await peer.frame()
    await peer.close()
    assert await closing is True
    assert server.close_code == 1006


async def test_the_peer_breaks_the_rules_while_we_close(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer()
    closing = asyncio.create_task(server.close())
    await peer.frame()
    peer.send(masked(3))
    assert await peer.at_eof()
    await peer.close()
    assert await closing is True
    assert (server.close_code, type(server.exception())) == (1006, WebSocketError)


@pytest.mark.parametrize("role", list(Role))
async def test_a_peer_that_does_not_hang_up_is_not_waited_for(
    loopback: Any, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("levante.ws.lifeline.LINGER", 0.01)
    connection, peer = await loopback.with_peer(role)
    peer.send(b"\x88\x00" if role is Role.CLIENT else b"\x88\x80abcd")
    assert (await connection.receive()).type is WSMsgType.CLOSE
    await connection.wait_closed()
    assert await peer.frame() == (0x88, b"")


async def test_close_with_a_code_that_must_not_travel(loopback: Any) -> None:
    server, _ = await loopback.with_peer()
    with pytest.raises(ValueError, match="got close code 1006"):
        await server.close(code=1006)
    assert not server.closed


@pytest.mark.hardening("W32")
@pytest.mark.parity("S41", "C39")
@pytest.mark.parametrize("role", list(Role))
async def test_a_dead_peer_is_found_by_the_heartbeat(loopback: Any, role: Role) -> None:
    connection, peer = await loopback.with_peer(role, heartbeat=0.02)
    message = await connection.receive()
    assert message.type is WSMsgType.ERROR
    assert isinstance(message.data, TimeoutError)
    assert (connection.close_code, connection.exception()) == (1006, message.data)
    await connection.wait_closed()
    assert await peer.frame() == (0x89, b"")
    assert (await connection.receive()).type is WSMsgType.CLOSED


@pytest.mark.parity("S41")
async def test_a_peer_that_answers_pings_lives(loopback: Any) -> None:
    server, client = await loopback.pair(server={"heartbeat": 0.01}, client={"heartbeat": 0.01})
    with pytest.raises(TimeoutError):
        await server.receive(timeout=0.1)
    assert not server.closed
    assert not client.closed


async def test_silence_proves_nothing_while_we_do_not_read(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer(heartbeat=0.02)
    peer.send(masked(1, b"x") * 40)
    while not server._stalled:
        await asyncio.sleep(0)
    peer.send(masked(1, b"y"))
    while not server._reading_paused:
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)
    assert not server.closed
    for _ in range(41):
        assert (await server.receive()).type is WSMsgType.TEXT


@pytest.mark.hardening("W30")
async def test_pongs_do_not_pile_up_for_a_peer_that_does_not_read(loopback: Any, masked: Make) -> None:
    server, peer = await loopback.with_peer(writer_limit=1000, fragment_size=10_000_000)
    sending = asyncio.create_task(server.send_bytes(bytes(8_000_000)))
    while not server._outbox.paused:
        await asyncio.sleep(0)
    for i in range(100):
        server.data_received(masked(9, str(i).encode()))
    assert len((await peer.frame())[1]) == 8_000_000
    assert await peer.frame() == (0x8A, b"99")
    await sending


class GoneUnnoticed(asyncio.Transport):
    """A transport whose peer has reset the connection, which the event loop has not been told yet."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def is_closing(self) -> bool:
        return self.aborted

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def write(self, data: Any) -> None: ...

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    def abort(self) -> None:
        self.aborted = True


async def test_a_peer_that_reset_before_we_hang_up_is_no_error(masked: Make) -> None:
    connection, transport = WebSocketConnection(Role.SERVER), GoneUnnoticed()
    connection.connection_made(transport)
    connection.data_received(masked(8, (3001).to_bytes(2, "big")))
    message = await connection.receive()
    assert (message.type, message.data) == (WSMsgType.CLOSE, 3001)
    assert transport.aborted
    connection.connection_lost(None)
    assert (await connection.receive()).type is WSMsgType.CLOSED
