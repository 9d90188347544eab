"""Connections without sockets: what asyncio promises of transports, and a session above them."""

import asyncio

import pytest

from levante.client import ClientSession, MemoryConnector, ServerDisconnectedError
from levante.client.memory import connect

pytestmark = pytest.mark.parity("U18")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Recorder(asyncio.Protocol):
    """Writes down what its transport tells it. `half`: it goes on writing when the other end has finished."""

    def __init__(self, *, half: bool = False) -> None:
        self.half = half
        self.data = b""
        self.eofs = 0
        self.pauses: list[str] = []
        self.lost: list[Exception | None] = []
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        self.eofs += 1
        return self.half

    def pause_writing(self) -> None:
        self.pauses.append("pause")

    def resume_writing(self) -> None:
        self.pauses.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.append(error)
        self.gone.set()


def pair(*, half: bool = False) -> tuple[Recorder, Recorder]:
    near, far = Recorder(half=half), Recorder(half=half)
    connect(near, far, port=81)
    return near, far


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_bytes_go_both_ways_and_not_at_once() -> None:
    near, far = pair()
    near.transport.write(b"a")
    near.transport.write(bytearray(b"b"))
    near.transport.write(memoryview(b"c"))
    far.transport.writelines([b"1", b"2"])
    near.transport.write(b"")
    assert (far.data, near.data) == (b"", b"")
    await turns()
    assert (far.data, near.data) == (b"abc", b"12")
    assert near.transport.get_extra_info("peername") == ("127.0.0.1", 81)
    assert far.transport.get_extra_info("peername") == near.transport.get_extra_info("sockname")
    assert far.transport.get_extra_info("sslcontext") is None
    assert near.transport.get_protocol() is near


async def test_closing_sends_what_was_written_first() -> None:
    near, far = pair()
    near.transport.write(b"last")
    near.transport.close()
    near.transport.close()
    near.transport.write(b"ignored")
    assert near.transport.is_closing()
    await asyncio.wait_for(near.gone.wait(), 5)
    await asyncio.wait_for(far.gone.wait(), 5)
    assert (far.data, far.eofs) == (b"last", 1)
    assert (near.lost, far.lost) == ([None], [None])


async def test_half_closing() -> None:
    near, far = pair(half=True)
    assert near.transport.can_write_eof()
    near.transport.write(b"question")
    near.transport.write_eof()
    near.transport.write_eof()
    await turns()
    assert (far.data, far.eofs, far.lost) == (b"question", 1, [])
    with pytest.raises(RuntimeError, match="write_eof"):
        near.transport.write(b"more")
    far.transport.write(b"answer")
    far.transport.close()
    await asyncio.wait_for(far.gone.wait(), 5)
    assert near.data == b"answer"
    near.transport.close()
    await asyncio.wait_for(near.gone.wait(), 5)
    assert (near.lost, far.lost) == ([None], [None])


async def test_aborting_resets_the_other_end() -> None:
    near, far = pair()
    near.transport.write(b"never arrives")
    near.transport.abort()
    near.transport.abort()
    await asyncio.wait_for(far.gone.wait(), 5)
    assert far.data == b""
    assert near.lost == [None]
    assert isinstance(far.lost[0], ConnectionResetError)


async def test_writing_to_an_end_that_is_gone() -> None:
    near, far = pair(half=True)
    far.transport.close()
    await asyncio.wait_for(far.gone.wait(), 5)
    assert near.eofs == 1
    near.transport.write(b"hello?")
    await asyncio.wait_for(near.gone.wait(), 5)
    assert isinstance(near.lost[0], ConnectionResetError)


async def test_a_reader_that_pauses_makes_the_writer_pause() -> None:
    near, far = pair()
    near.transport.set_write_buffer_limits(100, 10)
    assert near.transport.get_write_buffer_limits() == (10, 100)
    far.transport.pause_reading()
    assert not far.transport.is_reading()
    near.transport.write(b"x" * 90)
    await turns()
    assert (near.pauses, far.data) == ([], b"")
    near.transport.write(b"x" * 20)
    assert (near.pauses, near.transport.get_write_buffer_size()) == (["pause"], 110)
    far.transport.resume_reading()
    await turns()
    assert (near.pauses, near.transport.get_write_buffer_size(), len(far.data)) == (["pause", "resume"], 0, 110)
    far.transport.pause_reading()
    near.transport.write(b"x" * 50)
    near.transport.set_write_buffer_limits(40)
    assert near.pauses[2:] == ["pause"]
    near.transport.set_write_buffer_limits()
    assert near.pauses[3:] == ["resume"]
    near.transport.set_write_buffer_limits(low=60)
    assert near.transport.get_write_buffer_limits() == (60, 240)


async def test_an_error_in_a_protocol_is_reported_and_ends_the_connection() -> None:
    near, far = pair()
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    def fail(_: bytes) -> None:
        raise KeyError("x")

    far.data_received = fail
    near.transport.write(b"a")
    await asyncio.wait_for(near.gone.wait(), 5)
    assert [type(error) for error in reported] == [KeyError]
    assert far.gone.is_set()


class Answering(Recorder):
    """A server that says OK to everything."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.data.endswith(b"\r\n\r\n"):
            self.transport.write(OK)


async def test_a_session_over_it() -> None:
    accepted: list[Answering] = []

    def accept() -> Answering:
        accepted.append(Answering())
        return accepted[-1]

    connector = MemoryConnector(accept, limit=2, limit_per_host=1, keepalive_timeout=30)
    async with ClientSession(connector=connector) as session:
        for url in ("http://a.test/x", "http://a.test/y", "https://a.test:8443/"):
            async with session.get(url) as response:
                assert (response.status, await response.read()) == (200, b"ok")
    assert len(accepted) == 2
    assert accepted[0].data.startswith(b"GET /x HTTP/1.1\r\nHost: a.test\r\n")
    assert accepted[1].transport.get_extra_info("sslcontext") is not None
    assert accepted[1].transport.get_extra_info("sockname") == ("127.0.0.1", 8443)
    assert all(server.gone.is_set() for server in accepted)


async def test_a_server_that_hangs_up() -> None:
    class Silent(Recorder):
        def data_received(self, data: bytes) -> None:
            self.transport.close()

    async with ClientSession(connector=MemoryConnector(Silent)) as session:
        with pytest.raises(ServerDisconnectedError):
            await session.get("http://a.test/")
