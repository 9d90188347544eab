"""The table of misbehaving servers, over real sockets: the exact result or error of each row, nothing left behind, and
a session that works on."""

import asyncio
import io
import ssl

import pytest
import trustme
from fault_table import FAULTS, Fault
from faulty_servers import FaultyServer

from levante import client
from levante.client import ClientResponse, ClientSession, ClientTimeout

ERRORS: dict[str, type[Exception]] = {**vars(client), "TimeoutError": TimeoutError}
PLAIN = [fault for fault in FAULTS if fault.plain]
SECURE = [fault for fault in FAULTS if fault.tls or fault.rows]


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's and the client's."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return server, trusting


def made(options: dict[str, object]) -> dict[str, object]:
    """The options of a row as those of a request."""
    found = dict(options)
    if "timeout" in found:
        found["timeout"] = ClientTimeout(**found["timeout"])
    if "upload" in found:
        found["data"] = io.BytesIO(bytes(found.pop("upload")))
    return found


async def outcome(session: ClientSession, url: str, fault: Fault) -> tuple[str, ClientResponse | Exception, bytes]:
    """Where it ended, and how."""
    try:
        response = await session.request(fault.method, url, **made(fault.options))
    except Exception as error:
        return "request", error, b""
    async with response:
        try:
            return "body", response, await response.read()
        except Exception as error:
            return "body", error, b""


async def settled(condition) -> bool:
    for _ in range(200):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


async def run(fault: Fault, server: FaultyServer, session: ClientSession, scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{server.port}/"
    async with asyncio.timeout(20):
        where, result, body = await outcome(session, url, fault)
    if isinstance(fault.then, bytes):
        assert not isinstance(result, Exception), repr(result)
        assert (result.status, body) == (fault.status, fault.then)
    else:
        assert isinstance(result, Exception), (result, body)
        expected = ERRORS[fault.then]
        assert isinstance(result, expected), repr(result)
        if fault.then != "ClientConnectionError":  # which of its kind depends on who is faster
            assert type(result) is expected, repr(result)
        assert where == fault.where
        assert fault.text in str(result)
        assert {name: getattr(result, name) for name in fault.facts} == fault.facts
    assert session.connector._pool.leased_count == 0
    # Whoever comes next gets an answer, and its own.
    for _ in range(2):
        async with session.get(f"{scheme}://127.0.0.1:{server.good_port}/") as response:
            assert await response.read() == b"good"
    assert await settled(lambda: server.open_connections <= 1), "the bad connection is still open"


async def play(fault: Fault, session: ClientSession, tls: ssl.SSLContext | None = None) -> None:
    before = asyncio.all_tasks()
    async with FaultyServer(fault.play, tls=tls) as server:
        async with session:
            await run(fault, server, session, "http" if tls is None else "https")
        assert await settled(lambda: not server.open_connections)
        assert server.connections == 1, "asked again, although the connection was new"
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    assert not left


@pytest.mark.hardening(*sorted({row for fault in FAULTS for row in fault.rows}))
@pytest.mark.parity("C20", "C37")
@pytest.mark.parametrize("fault", PLAIN, ids=lambda fault: fault.name)
async def test_over_tcp(fault: Fault) -> None:
    await play(fault, ClientSession(timeout=ClientTimeout(total=15)))


@pytest.mark.parametrize("fault", SECURE, ids=lambda fault: fault.name)
async def test_over_tls(fault: Fault, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, trusting = contexts
    if fault.tls or "reset" not in fault.name:
        await play(fault, ClientSession(timeout=ClientTimeout(total=15), ssl=trusting), server)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x15\x03\x03\x00\x02\x02\x28"])
async def test_a_handshake_that_fails(serve, answer: bytes, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """TLS to a plain port, to one that hangs up, and an alert."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)

    bad, good = await serve(talk=talk), await serve(tls=contexts[0])
    async with ClientSession(ssl=contexts[1]) as session:
        with pytest.raises(client.ClientConnectorError) as caught:
            await session.get(bad.url.replace("http:", "https:"))
        if answer:
            assert type(caught.value) is client.ClientConnectorSSLError
        assert session.connector._pool.leased_count == 0
        async with session.get(good.url.replace("http:", "https:")) as response:
            assert await response.read() == b"ok"
