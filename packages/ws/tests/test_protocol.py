"""The protocol of both roles, without I/O: against itself, and its rules about closing."""

from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levante.ws import DeflateParams, Role, WebSocketError, WebSocketProtocol, WSMsgType

Make = Callable[..., bytes]


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("deflate", [False, True])
def test_two_ends_talk(ws: ModuleType, deflate: bool, size: int) -> None:
    params = ws.DeflateParams() if deflate else None
    client = ws.WebSocketProtocol(ws.Role.CLIENT, deflate=params)
    server = ws.WebSocketProtocol(ws.Role.SERVER, deflate=params)
    for sender, receiver in ((client, server), (server, client)):
        stream = (
            sender.send_text("grüße")
            + sender.send_binary(bytearray(b"\x00\x01" * 500))
            + sender.send_binary(memoryview(b"once"), compress=9)
            + sender.ping(b"1")
            + sender.pong(b"2")
            + sender.close(3000, "tschüß".encode())
        )
        found = []
        for start in range(0, len(stream), size):
            receiver.receive_data(memoryview(stream)[start : start + size])
            found += [(int(message.type), message.data) for message in receiver.events()]
        assert found == [(1, "grüße"), (2, b"\x00\x01" * 500), (2, b"once"), (9, b"1"), (10, b"2"), (8, 3000)]
        assert receiver.close_received == 3000
        assert not receiver.is_readable()
        assert receiver.unread() == 0


def test_messages_are_split_into_fragments() -> None:
    sender = WebSocketProtocol(Role.CLIENT)
    receiver = WebSocketProtocol(Role.SERVER)
    for payload, count in ((b"", 1), (b"abcd", 1), (b"abcde", 2), (b"abcdefghi", 3)):
        parts = list(sender.split(WSMsgType.BINARY, payload, size=4))
        assert len(parts) == count
        for part in parts:
            receiver.receive_data(sender.frame(*part))
        assert [message.data for message in receiver.events()] == [payload]


@pytest.mark.parity("W6")
def test_nothing_follows_a_close_frame() -> None:
    server = WebSocketProtocol(Role.SERVER)
    assert server.close(1000, b"bye") == b"\x88\x05\x03\xe8bye"
    assert server.close(1001) == b""
    for send in (server.ping, server.pong):
        with pytest.raises(RuntimeError, match="close frame has been sent"):
            send()
    with pytest.raises(RuntimeError, match="nothing may follow"):
        server.send_text("late")


@pytest.mark.hardening("W22")
def test_what_follows_the_peers_close_frame_is_dropped(masked: Make) -> None:
    server = WebSocketProtocol(Role.SERVER)
    server.receive_data(masked(8, b"\x03\xe9") + masked(1, b"late") + masked(8, b"\x03\xea"))
    assert [message.type for message in server.events()] == [WSMsgType.CLOSE]
    server.receive_data(b"\xff\xff\xff")
    assert server.next_event() is None
    assert server.answer_close() == b"\x88\x02\x03\xe9"


@pytest.mark.hardening("W22")
def test_a_close_frame_inside_a_fragmented_message(masked: Make) -> None:
    server = WebSocketProtocol(Role.SERVER)
    server.receive_data(masked(1, b"begun", fin=0) + masked(8, b"\x03\xe8"))
    assert [message.type for message in server.events()] == [WSMsgType.CLOSE]
    assert server.answer_close() == b"\x88\x02\x03\xe8"


@pytest.mark.hardening("W20")
def test_the_answer_to_a_close_frame_without_a_code(masked: Make) -> None:
    server = WebSocketProtocol(Role.SERVER)
    server.receive_data(masked(8))
    assert [message.data for message in server.events()] == [0]
    assert server.close_received == 1005
    assert server.answer_close() == b"\x88\x00"


def test_an_error_is_raised_once_after_what_came_before(masked: Make) -> None:
    server = WebSocketProtocol(Role.SERVER)
    server.receive_data(masked(1, b"first") + masked(3) + masked(1, b"never"))
    first = server.next_event()
    assert first is not None
    assert first.data == "first"
    with pytest.raises(WebSocketError, match="opcode 0x3") as caught:
        server.next_event()
    assert server.error is caught.value
    assert server.next_event() is None
    answer = server.answer_close()
    assert (answer[0], answer[2:4]) == (0x88, b"\x03\xea")
    assert b"opcode 0x3" in answer


@pytest.mark.hardening("W20")
@pytest.mark.parametrize("code", [999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_must_not_be_sent(code: int) -> None:
    server = WebSocketProtocol(Role.SERVER)
    with pytest.raises(ValueError, match=f"got close code {code}"):
        server.close(code)
    assert not server.close_sent


def test_long_reasons_are_cut_between_characters() -> None:
    frame = WebSocketProtocol(Role.SERVER).close(1000, b"x" * 122 + "ü".encode())
    assert frame == b"\x88\x7c\x03\xe8" + b"x" * 122
    frame = WebSocketProtocol(Role.SERVER).close(1000, b"x" * 123)
    assert len(frame) == 127


def test_long_control_payloads_are_refused() -> None:
    with pytest.raises(ValueError, match="got 126 bytes for a control frame"):
        WebSocketProtocol(Role.SERVER).ping(bytes(126))


def test_compressing_needs_agreement() -> None:
    with pytest.raises(RuntimeError, match="not agreed on"):
        WebSocketProtocol(Role.SERVER).compress(b"x")


@pytest.mark.hardening("W35")
def test_every_frame_of_a_client_has_its_own_key() -> None:
    client = WebSocketProtocol(Role.CLIENT)
    keys = {client.send_binary(b"")[2:6] for _ in range(200)}
    assert len(keys) == 200


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=200), st.binary(max_size=2000)), max_size=8),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_messages_survive_any_cuts(
    messages: list[str | bytes], from_client: bool, compressed: bool, data: st.DataObject
) -> None:
    params = DeflateParams(server_max_window_bits=9) if compressed else None
    ends = [WebSocketProtocol(role, deflate=params) for role in (Role.CLIENT, Role.SERVER)]
    sender, receiver = ends if from_client else reversed(ends)
    stream = b"".join(
        sender.send_text(message) if isinstance(message, str) else sender.send_binary(message) for message in messages
    )
    points = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    found = []
    for start, end in zip([0, *points], [*points, len(stream)], strict=True):
        receiver.receive_data(stream[start:end])
        found += [message.data for message in receiver.events()]
    assert found == messages
