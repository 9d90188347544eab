"""The PROXY protocol at the door: before HTTP and before TLS, from trusted peers and nobody else."""

import asyncio
import socket
import ssl
import struct
from pathlib import Path
from typing import Any

import pytest
import trustme

from levante import web
from levante.web import proxy_arrival
from levante.web.proxy_arrival import read_proxy_header

pytestmark = pytest.mark.parity("U16")

LOOPBACK = ["127.0.0.1"]
REQUEST = b"GET /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"
V2 = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + struct.pack("!H", 20) + bytes([192, 0, 2, 8, 198, 51, 100, 1])
    + struct.pack("!HH", 4711, 443) + b"\x20\x00\x05\x01\x00\x00\x00\x00"
)  # fmt: skip


async def whoami(request: web.Request) -> web.Response:
    header = request.get(web.PROXY_HEADER)
    version = None if header is None else header.version
    return web.json_response([request.remote, request.scheme, version, request.path])


async def exchange(port: int, *pieces: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            try:
                return await reader.read()
            except ConnectionResetError:
                return b""
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (V1, b'["192.0.2.7", "http", 1, "/p"]'),
        (V2, b'["192.0.2.8", "https", 2, "/p"]'),
        (b"PROXY UNKNOWN\r\n", b'["127.0.0.1", "http", 1, "/p"]'),
        (b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", b'["127.0.0.1", "http", 2, "/p"]'),
    ],
)
async def test_headers(serve: Any, header: bytes, told: bytes) -> None:
    served = await serve(whoami, proxy_protocol=LOOPBACK)
    assert (await exchange(served.port, header + REQUEST)).endswith(told)
    assert (await exchange(served.port, header, REQUEST)).endswith(told)
    pieces = [bytes([byte]) for byte in header + REQUEST]
    assert (await exchange(served.port, *pieces)).endswith(told)


async def test_every_request_of_the_connection(serve: Any) -> None:
    served = await serve(whoami, proxy_protocol=LOOPBACK)
    peer = await served.connect()
    await peer.send(V1)
    for _ in range(3):
        assert (await peer.request("GET", "/p")).text == '["192.0.2.7", "http", 1, "/p"]'
    assert len(served.server._request_factory.headers) == 1
    await peer.close()
    while served.server.connections:
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "data",
    [REQUEST, b"\x16\x03\x01\x02\x00", b"PROXY TCP4 x\r\n" + REQUEST, V2[:13] + b"\x77" + V2[14:], V1[:-2] + b"\n"],
)
async def test_a_proxy_that_sends_something_else_is_refused(
    serve: Any, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve(whoami, proxy_protocol=LOOPBACK)
    assert await exchange(served.port, data) == b""
    assert "a proxy was refused" in caplog.text
    assert (served.server.requests_count, served.server.limit.count) == (0, 0)


async def test_others_are_served_and_not_believed(serve: Any) -> None:
    served = await serve(whoami, proxy_protocol=["10.0.0.0/8"])
    assert (await exchange(served.port, REQUEST)).endswith(b'["127.0.0.1", "http", null, "/p"]')
    assert (await exchange(served.port, V1 + REQUEST)).startswith(b"HTTP/1.1 400")
    assert not (await exchange(served.port, V2 + REQUEST)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("cut", [0, 1, 15, 43])
async def test_a_proxy_that_leaves(serve: Any, cut: int) -> None:
    served = await serve(whoami, proxy_protocol=LOOPBACK)
    peer = await served.connect()
    await peer.send(V1[:cut])
    peer.writer.write_eof()
    assert await peer.is_closed()
    while served.server.limit.count:
        await asyncio.sleep(0)


async def test_a_proxy_that_resets(serve: Any) -> None:
    served = await serve(whoami, proxy_protocol=LOOPBACK)
    peer = await served.connect()
    await peer.send(V1[:5])
    while not served.server.limit.count:
        await asyncio.sleep(0)
    peer.reset()
    while served.server.limit.count:
        await asyncio.sleep(0)


async def test_a_proxy_that_sends_nothing(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = read_proxy_header

    async def soon(conn: socket.socket) -> Any:
        return await real(conn, timeout=0.05)

    monkeypatch.setattr("levante.web.listener.read_proxy_header", soon)
    served = await serve(whoami, proxy_protocol=LOOPBACK)
    assert await (await served.connect()).is_closed()
    assert proxy_arrival.PROXY_HEADER_TIMEOUT == 5.0


async def test_the_server_ends_while_one_arrives(serve: Any) -> None:
    served = await serve(whoami, proxy_protocol=LOOPBACK, shutdown_timeout=0.1)
    peer = await served.connect()
    while not served.server.limit.count:
        await asyncio.sleep(0)
    await served.runner.cleanup()
    assert await peer.is_closed()


async def test_tls_behind_the_header(serve: Any) -> None:
    authority = trustme.CA()
    context, trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(trust)
    served = await serve(whoami)
    site = web.TCPSite(served.runner, "127.0.0.1", 0, ssl_context=context, proxy_protocol=LOOPBACK)
    await site.start()
    for header, remote in ((V1, b"192.0.2.7"), (V2, b"192.0.2.8")):
        sock = socket.create_connection(("127.0.0.1", site.port))
        sock.sendall(header)
        reader, writer = await asyncio.open_connection(sock=sock, ssl=trust, server_hostname="localhost")
        writer.write(REQUEST)
        assert b'["%s", "https", ' % remote in await reader.read()
        writer.close()
        await writer.wait_closed()
    assert (await exchange(site.port, REQUEST)) == b""


async def test_an_option_of_the_site(serve: Any, tmp_path: Path) -> None:
    served = await serve(whoami, proxy_protocol=LOOPBACK)
    plain = web.TCPSite(served.runner, "127.0.0.1", 0, proxy_protocol=())
    await plain.start()
    assert b'["127.0.0.1", "http", null' in await exchange(plain.port, REQUEST)
    path = tmp_path / "s"
    await web.UnixSite(served.runner, path, proxy_protocol=["unix"]).start()
    peer = served.peer(*await asyncio.open_unix_connection(str(path)))
    await peer.send(V1)
    assert "192.0.2.7" in (await peer.request("GET", "/p")).text
    await peer.close()


async def test_headers_of_a_proxy_behind_it(serve: Any) -> None:
    """The source of the PROXY header is the peer that X-Forwarded-For has to be trusted from."""
    forwarded = REQUEST.replace(b"Connection", b"X-Forwarded-For: 203.0.113.5\r\nConnection")
    for networks, remote in ((["192.0.2.7"], b"203.0.113.5"), (LOOPBACK, b"192.0.2.7")):
        served = await serve(whoami, proxy_protocol=LOOPBACK, trusted_proxies=networks)
        assert b'["%s"' % remote in await exchange(served.port, V1 + forwarded)


async def test_the_limit_for_an_address_is_the_clients(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    served = await serve(whoami, proxy_protocol=LOOPBACK, max_connections_per_ip=2)
    peers = [await served.connect() for _ in range(5)]
    for peer, header in zip(peers, [V1, V1, V2, V1, V2], strict=True):
        await peer.send(header + b"GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
        if peer is peers[3]:
            assert await peer.is_closed()
        else:
            assert (await peer.answer()).status == 200
    assert "more than 2 connections from one address" in caplog.text
    await peers[0].close()
    while len(served.server.connections) > 3:
        await asyncio.sleep(0)
    again = await served.connect()
    await again.send(V1)
    assert (await again.request("GET", "/p")).status == 200


async def test_an_event_loop_that_cannot(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    served = await serve(whoami)

    def cannot(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr("levante.web.listener.Listener.start", cannot)
    with pytest.raises(NotImplementedError, match="SelectorEventLoop"):
        await web.TCPSite(served.runner, "127.0.0.1", 0, proxy_protocol=LOOPBACK).start()
