"""What a request leaves on its connection for the next one: nothing of its own."""

import asyncio
import ssl

import pytest
import trustme

from levante.client import ClientSession, ClientTimeout, TCPConnector

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parity("C8", "C11")
@pytest.mark.parametrize("method", ["GET", "PURGE"])
async def test_the_clock_on_silence_does_not_go_into_the_pool(serve, method: str) -> None:
    pause = 0.0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(pause)
            writer.write(OK)

    server = await serve(talk=talk)
    async with ClientSession() as session:
        async with session.request(method, server.url, timeout=ClientTimeout(sock_read=0.4)) as response:
            await response.read()
        (connection,) = session.connector._open
        # Idle for longer than that, and then a request that may wait for longer.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.wait_closed(), 0.7)
        pause = 0.7
        async with session.request(method, server.url) as response:
            assert await response.read() == b"ok"
    assert server.connections == 1


@pytest.mark.parity("C8")
async def test_the_clock_on_silence_stands_while_nobody_reads(serve, session) -> None:
    """A reader that takes its time is not the silence of the server."""
    body = bytes(4 * 1024 * 1024)
    server = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    async with session.get(server.url, timeout=ClientTimeout(sock_read=0.4)) as response:
        await response.content.readexactly(10)
        await asyncio.sleep(0.7)
        assert len(await response.read()) == len(body) - 10


@pytest.mark.parity("C8")
async def test_the_clock_on_silence_begins_anew_with_every_piece(serve, session) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for at in range(len(OK)):
            writer.write(OK[at : at + 1])
            await asyncio.sleep(0.05)

    server = await serve(talk=talk)
    async with session.get(server.url, timeout=ClientTimeout(sock_read=1.0)) as response:
        assert await response.read() == b"ok"


@pytest.mark.parity("C12")
async def test_tls_speaks_of_http_1_1_only(serve) -> None:
    authority = trustme.CA()
    context, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(trusting)
    server = await serve(tls=context)
    url = server.url.replace("http:", "https:")
    async with ClientSession(connector=TCPConnector(ssl=False)) as session, session.get(url) as response:
        assert await response.read() == b"ok"
        (connection,) = session.connector._open
        assert connection.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


@pytest.mark.parity("C6")
async def test_a_fragment_stays_at_home(serve, session) -> None:
    away = b"HTTP/1.1 302 F\r\nLocation: /b?x#two\r\nContent-Length: 0\r\n\r\n"
    server = await serve(lambda seen: OK if seen.target == "/b?x" else away)
    async with session.get(server.url + "a#one") as response:
        assert [seen.target for seen in server.seen] == ["/a", "/b?x"]
        assert (response.url.fragment, response.real_url.fragment) == ("", "two")
        assert response.history[0].real_url.fragment == "one"
