"""Dialogues with proxies on bytes alone, whole and one byte at a time."""

import asyncio

import pytest

from levante.client import tunnels
from levante.client.proxies import parse_proxy
from levante.client.tunnels import ConnectHandshake, ConnectRefusal, Handshake, SocksHandshake, Talk, handshake_for
from levante.http import IllegalCharacter, Limits, RemoteProtocolError


def feed(handshake: Handshake, answers: bytes, *, size: int) -> bytes:
    sent = handshake.start()
    for position in range(0, len(answers), size):
        assert not handshake.done
        sent += handshake.receive(answers[position : position + size])
    return sent


@pytest.mark.parity("C18")
@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nX: y\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ],
)
@pytest.mark.hardening("C54")
def test_connect(answer: bytes, size: int) -> None:
    handshake = ConnectHandshake("o:443", (("Proxy-Authorization", "x"),))
    sent = feed(handshake, answer, size=size)
    assert handshake.done
    assert sent == b"CONNECT o:443 HTTP/1.1\r\nHost: o:443\r\nProxy-Authorization: x\r\n\r\n"


@pytest.mark.parity("C18")
@pytest.mark.hardening("C54")
@pytest.mark.parametrize("status", [300, 302, 400, 403, 407, 502, 599])
def test_connect_refused(status: int) -> None:
    answer = f"HTTP/1.1 {status} No\r\nProxy-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nsorry".encode()
    handshake = ConnectHandshake("o:443", ())
    with pytest.raises(ConnectRefusal) as caught:
        feed(handshake, answer, size=10_000)
    assert (caught.value.status, caught.value.reason) == (status, "No")
    assert caught.value.headers["Proxy-Authenticate"] == "Basic"
    assert not handshake.done


@pytest.mark.hardening("C54")
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 9000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    ],
)
def test_answers_that_are_none(answer: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        feed(ConnectHandshake("o:443", ()), answer, size=10_000)


@pytest.mark.hardening("C54")
def test_the_limits_of_the_request_hold_for_the_proxy() -> None:
    with pytest.raises(RemoteProtocolError, match="max_field_size"):
        feed(
            ConnectHandshake("o:443", (), limits=Limits(max_field_size=100)),
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200 + b"\r\n\r\n",
            size=10_000,
        )


@pytest.mark.hardening("C54")
def test_no_line_can_be_smuggled_in() -> None:
    with pytest.raises(IllegalCharacter):
        ConnectHandshake("o:443", (("X", "a\r\nEvil: b"),)).start()


@pytest.mark.parity("U7")
@pytest.mark.parametrize("size", [1, 3, 100])
def test_socks(size: int) -> None:
    handshake = handshake_for(parse_proxy("socks5h://ann:pw@p"), "name", 80)
    sent = feed(handshake, b"\5\2" + b"\1\0" + b"\5\0\0\3\1x\0\0", size=size)
    assert isinstance(handshake, SocksHandshake)
    assert handshake.done
    assert sent == b"\5\2\0\2" + b"\1\3ann\2pw" + b"\5\1\0\3\4name\0\x50"


@pytest.mark.parity("U7")
def test_nobody_speaks_first_behind_socks() -> None:
    with pytest.raises(RemoteProtocolError, match="1 bytes behind"):
        feed(handshake_for(parse_proxy("socks4a://p"), "name", 80), b"\0\x5a" + bytes(7), size=100)


def test_the_authority_of_an_address() -> None:
    assert handshake_for(parse_proxy("http://p"), "::1", 80).start().startswith(b"CONNECT [::1]:80 HTTP/1.1\r\n")


class Wire(asyncio.Transport):
    """A transport that notes what happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted


def talk() -> tuple[Talk, Wire]:
    it, wire = Talk(ConnectHandshake("o:1", ())), Wire()
    it.connection_made(wire)
    return it, wire


@pytest.mark.hardening("C54")
async def test_a_talk() -> None:
    it, wire = talk()
    it.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
    assert await it.finish() is wire
    assert wire.sent.startswith(b"CONNECT")


@pytest.mark.hardening("C54")
async def test_what_comes_before_we_speak_ends_the_connection() -> None:
    it, wire = talk()
    it.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
    it.data_received(b"hello")
    with pytest.raises(ConnectionResetError, match="as soon as"):
        await it.finish()
    assert wire.aborted


@pytest.mark.hardening("C54")
async def test_a_proxy_that_hangs_up_or_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    it, _ = talk()
    it.connection_lost(OSError("gone"))
    with pytest.raises(ConnectionResetError, match="middle") as caught:
        await it.finish()
    assert isinstance(caught.value.__cause__, OSError)
    it.connection_lost(None)
    monkeypatch.setattr(tunnels, "DIALOGUE_TIMEOUT", 0.01)
    stalled, wire = talk()
    with pytest.raises(TimeoutError):
        await stalled.finish()
    stalled.abort()
    assert wire.aborted
    stalled.data_received(b"late")


async def test_an_error_that_nobody_waits_for_is_not_reported() -> None:
    it, wire = talk()
    it.data_received(b"nonsense\r\n\r\n")
    assert wire.aborted
    it.abort()
    Talk(ConnectHandshake("o:1", ())).abort()
