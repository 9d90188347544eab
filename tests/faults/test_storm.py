"""Connections that come all at once, and connections that only come: X12."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from peers import Peer
from processes import PATIENCE
from scale import allow_files, scaled
from shops import Shop
from slowdown import Slowdown

Start = Callable[..., Shop]

STORM = scaled(2_000, 5_000)  # connections, all begun within a second
SILENT = scaled(500, 5_000)
TIMEOUT = 1.5  # seconds that a peer has for its head, or its handshake
GET = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"


async def begin(port: int) -> socket.socket:
    """A connection whose handshake has begun."""
    sock = socket.socket()
    sock.setblocking(False)
    try:
        sock.connect(("127.0.0.1", port))
    except BlockingIOError:
        pass
    return sock


async def finish(sock: socket.socket) -> bytes:
    """Ask on it, and give the answer."""
    loop = asyncio.get_running_loop()
    with sock:
        await loop.sock_sendall(sock, GET)
        heard = b""
        while not heard.endswith(b"hello"):
            data = await loop.sock_recv(sock, 4096)
            if not data:
                break
            heard += data
        return heard


@pytest.mark.hardening("X12")
async def test_a_storm_of_connections_loses_none(shop: Start) -> None:
    """As many as the backlog holds wait in the system while the server accepts; `backlog` is that large here, which the
    system may bound (net.core.somaxconn, 4,096): whose handshake it drops then comes again after a second.
    """
    count = min(STORM, allow_files(STORM + 500) - 500)
    server = shop(backlog=STORM)
    with Slowdown() as machine:
        began = time.monotonic()
        socks = [await begin(server.port) for _ in range(count)]
        begun = time.monotonic() - began
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*(finish(sock) for sock in socks))
    assert begun < machine.allows(1.0)
    assert all(answer.startswith(b"HTTP/1.1 200 OK\r\n") for answer in answers)
    assert len(answers) == count
    assert "Traceback" not in server.program.log


@pytest.mark.hardening("X12")
async def test_peers_that_connect_and_are_silent_are_let_go(shop: Start) -> None:
    """A peer that is answered meanwhile needs no longer than TIMEOUT."""
    count = min(SILENT, allow_files(SILENT + 500) - 500)
    server = shop(head_timeout=TIMEOUT, backlog=count)
    quiet = await asyncio.to_thread(server.facts)
    good = await server.connect()
    with Slowdown() as machine:
        began = time.monotonic()
        readers = [(await server.connect()).reader for _ in range(count)]
        assert (await good.request("GET", "/hello")).text == "hello"
        async with asyncio.timeout(PATIENCE):
            assert {await reader.read() for reader in readers} == {b""}
        took = time.monotonic() - began
    assert TIMEOUT <= took < machine.allows(TIMEOUT + 1.0)
    await server.has_again({name: quiet[name] for name in ("fds", "tasks", "connections")})


async def end_of(peer: Peer) -> None:
    """Read to the end: there may be an alert before."""
    try:
        await peer.reader.read()
    except ConnectionResetError:
        pass


@pytest.mark.hardening("X12")
@pytest.mark.parametrize("start", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n\r\n"])
async def test_handshakes_that_stall_are_ended(shop: Start, tmp_path: Path, start: bytes) -> None:
    """At once where it is no TLS, by the timeout where it could become some."""
    authority = trustme.CA()
    certificate = tmp_path / "certificate"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    count = SILENT // 5
    server = shop(tls=str(certificate), tls_handshake_timeout=TIMEOUT, backlog=count)
    quiet = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
    with Slowdown() as machine:
        began = time.monotonic()
        peers = [await server.connect() for _ in range(count)]
        for peer in peers:
            peer.writer.write(start)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, ssl=context, server_hostname="localhost"
        )
        writer.write(GET)
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
        async with asyncio.timeout(PATIENCE):
            for peer in peers:
                await end_of(peer)
        took = time.monotonic() - began
    assert took < machine.allows(TIMEOUT + 1.0)
    server.peers.clear()
    for peer in peers:
        peer.writer.transport.abort()
    async with asyncio.timeout(PATIENCE):
        while len(list(Path(f"/proc/{server.pid}/fd").iterdir())) > quiet:
            await asyncio.sleep(0.02)
