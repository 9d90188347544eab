"""TLS over any transport: against OpenSSL's other side in memory."""

import asyncio
import ssl

import pytest

from levante.client.nestedtls import TLSTransport


class Far:
    """The server's side of TLS, on memory."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.shaken = False

    def take(self, data: bytes) -> bytes:
        """What it answers to `data` by itself."""
        self.incoming.write(data)
        if not self.shaken:
            try:
                self.tls.do_handshake()
                self.shaken = True
            except ssl.SSLError:
                pass  # it wants more, or was told that the other side gives up
        return self.outgoing.read()

    def say(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    def heard(self) -> bytes:
        heard = b""
        try:
            while data := self.tls.read(1 << 20):
                heard += data
        except ssl.SSLWantReadError:
            pass
        return heard

    def goodbye(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.outgoing.read()


class Wire(asyncio.Transport):
    """The transport beneath: hands bytes to the far side and back at once, and notes the rest."""

    def __init__(self, far: Far) -> None:
        super().__init__()
        self.far = far
        self.calls: list[str] = []
        self.protocol: asyncio.Protocol | None = None
        self.limits: tuple[int | None, int | None] | None = None

    def set_protocol(self, protocol) -> None:
        self.protocol = protocol

    def write(self, data) -> None:
        answer = self.far.take(bytes(data))
        if answer:
            asyncio.get_running_loop().call_soon(self.protocol.data_received, answer)

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def is_closing(self) -> bool:
        return "close" in self.calls or "abort" in self.calls

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def get_write_buffer_size(self) -> int:
        return 7

    def set_write_buffer_limits(self, high=None, low=None) -> None:
        self.limits = (high, low)

    def get_extra_info(self, name, default=None):
        return {"peername": ("p", 1), "ssl_object": "outer"}.get(name, default)


class Near(asyncio.Protocol):
    """Who speaks inside."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.on_data = None

    def connection_made(self, transport) -> None:
        self.told.append("made")

    def data_received(self, data) -> None:
        self.told.append(data)
        if self.on_data is not None:
            self.on_data()

    def eof_received(self) -> None:
        self.told.append("eof")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc) -> None:
        self.told.append(("lost", exc))


async def made(server_tls, client_tls, name: str = "levante.test") -> tuple[TLSTransport, Wire, Near]:
    wire, near = Wire(Far(server_tls)), Near()
    transport = TLSTransport(wire, near, client_tls, server_hostname=name)
    await transport.handshake()
    return transport, wire, near


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parity("U8")
async def test_a_conversation(server_tls, client_tls) -> None:
    transport, wire, near = await made(server_tls, client_tls)
    transport.write(b"")
    transport.write(bytearray(b"hello "))
    transport.write(memoryview(b"x" * 700_000))
    assert wire.far.heard() == b"hello " + b"x" * 700_000
    wire.protocol.data_received(wire.far.say(b"answer"))
    assert near.told == ["made", b"answer"]
    assert transport.get_protocol() is near
    assert transport.get_write_buffer_size() == 7
    transport.set_write_buffer_limits(high=5, low=3)
    assert wire.limits == (5, 3)
    assert not transport.can_write_eof()


@pytest.mark.parity("U8")
async def test_what_is_known(server_tls, client_tls) -> None:
    transport, _, _ = await made(server_tls, client_tls)
    assert transport.get_extra_info("ssl_object").version() == "TLSv1.3"
    assert transport.get_extra_info("sslcontext") is client_tls
    assert ("DNS", "levante.test") in transport.get_extra_info("peercert")["subjectAltName"]
    assert len(transport.get_extra_info("cipher")) == 3
    assert transport.get_extra_info("compression") is None
    assert transport.get_extra_info("peername") == ("p", 1)
    assert transport.get_extra_info("nothing", 5) == 5


@pytest.mark.parity("U8")
async def test_a_certificate_for_another_name(server_tls, client_tls) -> None:
    wire, near = Wire(Far(server_tls)), Near()
    transport = TLSTransport(wire, near, client_tls, server_hostname="other.test")
    with pytest.raises(ssl.SSLCertVerificationError):
        await transport.handshake()
    assert wire.calls == ["abort"]
    wire.protocol.connection_lost(None)
    assert near.told == []


@pytest.mark.parity("U8")
@pytest.mark.parametrize("exc", [None, OSError("gone")])
async def test_the_end_in_the_middle_of_the_handshake(server_tls, client_tls, exc: OSError | None) -> None:
    wire, near = Wire(Far(server_tls)), Near()
    task = asyncio.ensure_future(TLSTransport(wire, near, client_tls, server_hostname="levante.test").handshake())
    await asyncio.sleep(0)
    wire.protocol.pause_writing()
    wire.protocol.connection_lost(exc)
    with pytest.raises(OSError, match="gone" if exc else "ended"):
        await task
    assert near.told == []


@pytest.mark.parity("U8")
async def test_the_end(server_tls, client_tls) -> None:
    transport, wire, near = await made(server_tls, client_tls)
    error = OSError("gone")
    wire.protocol.connection_lost(error)
    wire.protocol.connection_lost(None)
    wire.protocol.data_received(wire.far.say(b"late"))
    wire.protocol.resume_writing()
    assert near.told == ["made", ("lost", error)]
    assert transport.is_closing()


@pytest.mark.parity("U8")
async def test_reading_pauses(server_tls, client_tls) -> None:
    transport, wire, near = await made(server_tls, client_tls)
    assert transport.is_reading()
    near.on_data = transport.pause_reading
    wire.protocol.data_received(wire.far.say(b"one") + wire.far.say(b"two"))
    assert near.told == ["made", b"one"]
    assert not transport.is_reading()
    near.on_data = None
    transport.resume_reading()
    transport.resume_reading()
    await turns()
    assert near.told == ["made", b"one", b"two"]
    assert wire.calls == ["pause", "resume"]


@pytest.mark.parity("U8")
async def test_pressure_is_passed_on_to_whoever_speaks_now(server_tls, client_tls) -> None:
    transport, wire, near = await made(server_tls, client_tls)
    wire.protocol.pause_writing()
    other = Near()
    transport.set_protocol(other)
    wire.protocol.resume_writing()
    wire.protocol.data_received(wire.far.say(b"x"))
    assert (near.told, other.told) == (["made", "pause"], ["resume", b"x"])


@pytest.mark.parity("U8")
async def test_goodbye(server_tls, client_tls) -> None:
    transport, wire, _ = await made(server_tls, client_tls)
    transport.write(b"last")
    transport.close()
    transport.close()
    transport.write(b"too late")
    assert wire.calls == ["close"]
    assert wire.far.heard() == b"last"  # and then the goodbye, or reading would have to wait
    assert transport.is_closing()


@pytest.mark.parity("U8")
async def test_the_other_sides_goodbye(server_tls, client_tls) -> None:
    transport, wire, near = await made(server_tls, client_tls)
    wire.protocol.data_received(wire.far.say(b"last") + wire.far.goodbye())
    assert near.told == ["made", b"last", "eof"]
    assert wire.calls == ["close"]
    assert not transport.is_reading()


@pytest.mark.parity("U8")
async def test_nonsense_on_the_wire(server_tls, client_tls) -> None:
    _, wire, near = await made(server_tls, client_tls)
    wire.protocol.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert wire.calls == ["abort"]
    assert near.told[0] == "made"
    assert isinstance(near.told[1][1], ssl.SSLError)
    wire.protocol.connection_lost(None)
    assert len(near.told) == 2


@pytest.mark.parity("U8")
async def test_abort(server_tls, client_tls) -> None:
    transport, wire, near = await made(server_tls, client_tls)
    near.on_data = transport.abort
    wire.protocol.data_received(wire.far.say(b"one") + wire.far.say(b"two"))
    assert near.told == ["made", b"one"]
    assert wire.calls == ["abort"]
    wire.protocol.connection_lost(None)
    assert near.told[-1] == ("lost", None)
