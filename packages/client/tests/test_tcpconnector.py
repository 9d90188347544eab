"""Dialling: addresses, TLS, pins, Unix sockets, and what each failure is."""

import asyncio
import hashlib
import socket
import ssl
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from levante import client
from levante.client import (
    AbstractResolver,
    ClientSession,
    ClientTimeout,
    Fingerprint,
    TCPConnector,
    UnixConnector,
    securing,
    tcpconnector,
)


class Table(AbstractResolver):
    """A resolver that answers from a table and counts."""

    def __init__(self, *addresses: str, port: int | None = None) -> None:
        self.addresses = addresses
        self.port = port
        self.asked: list[str] = []
        self.closed = False

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked.append(host)
        return [
            {
                "hostname": host,
                "host": address,
                "port": self.port or port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
            for address in self.addresses
        ]

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parity("C12", "C15")
async def test_a_resolver_of_ones_own(serve) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    resolver = Table("127.0.0.1")
    async with TCPConnector(resolver=resolver) as connector, ClientSession(connector=connector) as session:
        for _ in range(2):
            async with session.get(f"http://some.example.:{server.port}/"):
                pass
        assert server.last.value("Host") == f"some.example:{server.port}"
        assert resolver.asked == ["some.example"]
        connector.clear_dns_cache("some.example", server.port)
        async with session.get(f"http://some.example:{server.port}/"):
            pass
        assert resolver.asked == ["some.example"] * 2
        connector.clear_dns_cache()
        with pytest.raises(ValueError, match="both"):
            connector.clear_dns_cache("some.example")
    assert not resolver.closed


@pytest.mark.parity("C13")
async def test_without_a_cache(serve) -> None:
    server = await serve()
    resolver = Table("127.0.0.1")
    connector = TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True, family=socket.AF_INET)
    assert not connector.use_dns_cache
    assert connector.family == socket.AF_INET
    connector.clear_dns_cache()
    async with ClientSession(connector=connector) as session:
        for _ in range(2):
            async with session.get(f"http://some.example:{server.port}/"):
                pass
    assert len(resolver.asked) == 2


@pytest.mark.parity("C14")
@pytest.mark.parametrize("delay", [0.05, None])
async def test_a_dead_address_gives_way(serve, delay: float | None) -> None:
    server = await serve()
    table, local = Table("127.0.0.9", "127.0.0.1"), ("127.0.0.1", 0)
    connector = TCPConnector(resolver=table, happy_eyeballs_delay=delay, local_addr=local)
    url = f"http://some.example:{server.port}/"
    async with ClientSession(connector=connector) as session, session.get(url) as response:
        assert await response.read() == b"ok"


@pytest.mark.parity("C15", "C41")
async def test_no_address() -> None:
    async with ClientSession(connector=TCPConnector(resolver=Table())) as session:
        with pytest.raises(client.ClientConnectorDNSError, match="no address"):
            await session.get("http://some.example/")


@pytest.mark.parity("C15", "C41")
@pytest.mark.hardening("X21")
async def test_a_resolver_that_fails() -> None:
    class Broken(Table):
        async def resolve(self, host, port=0, family=socket.AF_INET):
            raise socket.gaierror(-2, "Name or service not known")

    class Late(Table):
        async def resolve(self, host, port=0, family=socket.AF_INET):
            raise TimeoutError

    async with ClientSession(connector=TCPConnector(resolver=Broken())) as session:
        with pytest.raises(client.ClientConnectorDNSError, match="not known"):
            await session.get("http://some.example/")
    async with ClientSession(connector=TCPConnector(resolver=Late())) as session:
        with pytest.raises(client.ConnectionTimeoutError):
            await session.get("http://some.example/")


@pytest.mark.parity("C41")
async def test_refused(session) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(client.ClientConnectorError) as caught:
            await session.get(f"http://127.0.0.1:{port}/")
    assert (caught.value.host, caught.value.port) == ("127.0.0.1", port)
    assert caught.value.errno is not None
    with pytest.raises(client.ClientConnectorError):
        await session.get(f"http://[::1]:{port}/")


@pytest.mark.parity("C12")
async def test_a_socket_factory(serve) -> None:
    server = await serve()
    made = []

    def factory(info: client.AddrInfo) -> socket.socket:
        made.append(info[4])
        return socket.socket(info[0], info[1], info[2])

    connector = TCPConnector(socket_factory=factory)
    async with ClientSession(connector=connector) as session, session.get(server.url):
        pass
    assert made == [("127.0.0.1", server.port)]


@pytest.mark.parity("C8")
@pytest.mark.hardening("C58")
async def test_stalling_in_tls_is_a_connection_timeout(serve) -> None:
    stop = asyncio.Event()

    async def talk(reader, writer) -> None:
        await stop.wait()

    server = await serve(talk=talk)
    url = server.url.replace("http:", "https:")
    async with ClientSession() as session:
        for timeout in (ClientTimeout(sock_connect=0.05), ClientTimeout(connect=0.05)):
            with pytest.raises(client.ConnectionTimeoutError):
                await session.get(url, timeout=timeout)
        assert session.connector._pool.leased_count == 0
    stop.set()


@pytest.mark.hardening("C58")
async def test_the_handshake_has_a_limit_of_its_own(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(securing, "TLS_HANDSHAKE_TIMEOUT", 0.05)
    stop = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stop.wait()

    server = await serve(talk=talk)
    async with ClientSession() as session:
        with pytest.raises(client.ConnectionTimeoutError, match="TLS handshake"):
            await session.get(server.url.replace("http:", "https:"))
    stop.set()


@pytest.mark.parity("C12")
async def test_tls(serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    server = await serve(tls=server_tls)
    async with ClientSession(connector=TCPConnector(ssl=client_tls)) as session:
        for _ in range(2):
            async with session.get(server.url) as response:
                assert await response.read() == b"ok"
    assert server.connections == 1
    async with ClientSession(ssl=client_tls) as session, session.get(server.url) as response:
        assert response.connection is not None or response.closed
    async with ClientSession() as session, session.get(server.url, ssl=False) as response:
        assert await response.read() == b"ok"


@pytest.mark.parity("C12", "C41")
@pytest.mark.hardening("C55")
async def test_tls_that_cannot_be_trusted(serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    server = await serve(tls=server_tls)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    plain = await serve(talk=talk)
    async with ClientSession() as session:
        with pytest.raises(client.ClientConnectorCertificateError) as caught:
            await session.get(server.url)
        assert isinstance(caught.value.certificate_error, ssl.SSLCertVerificationError)
        with pytest.raises(client.ClientConnectorCertificateError):
            await session.get(server.url, ssl=client_tls, server_hostname="elsewhere.example")
        with pytest.raises(client.ClientConnectorSSLError):
            await session.get(plain.url.replace("http:", "https:"), ssl=False)
        old = ssl.create_default_context()
        with pytest.raises(client.ClientConnectorError):
            await session.get(server.url, ssl=old)
    await _refuses_old_versions(serve, server_tls)


async def _refuses_old_versions(serve, server_tls: ssl.SSLContext) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        server_tls.minimum_version = ssl.TLSVersion.TLSv1
        server_tls.maximum_version = ssl.TLSVersion.TLSv1_1
    server = await serve(tls=server_tls)
    async with ClientSession() as session:
        with pytest.raises(client.ClientConnectorError):
            await session.get(server.url, ssl=False)


@pytest.mark.parity("C10", "V40")
async def test_another_server_hostname_is_another_connection(
    serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    server = await serve(tls=server_tls)
    async with ClientSession(ssl=client_tls) as session:
        for name in (None, "levante.test", "localhost", "levante.test"):
            async with session.get(server.url, server_hostname=name) as response:
                await response.read()
        assert server.connections == 3
        with pytest.raises(client.ClientConnectorCertificateError):
            await session.get(server.url, server_hostname="wrong.example")


@pytest.mark.parity("C17")
async def test_fingerprint(serve, certificate, server_tls: ssl.SSLContext) -> None:
    server = await serve(tls=server_tls)
    der = x509.load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes()).public_bytes(Encoding.DER)
    digest = hashlib.sha256(der).digest()
    async with ClientSession() as session:
        async with session.get(server.url, ssl=Fingerprint(digest)) as response:
            assert await response.read() == b"ok"
        with pytest.raises(client.ServerFingerprintMismatch) as caught:
            await session.get(server.url, ssl=Fingerprint(bytes(32)))
        assert (caught.value.expected, caught.value.got) == (bytes(32), digest)
        assert (caught.value.host, caught.value.port) == ("127.0.0.1", server.port)


@pytest.mark.parity("C16")
async def test_unix(serve, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = await serve(path=path)
    connector = UnixConnector(path)
    assert connector.path == path
    async with ClientSession(connector=connector) as session:
        for url in ("http://some.host/x", "unix://some.host/y"):
            async with session.get(url) as response:
                assert await response.read() == b"ok"
        assert server.last.value("Host") == "some.host"
        with pytest.raises(client.NonHttpUrlClientError):
            await session.get("https://some.host/")
    async with ClientSession(connector=UnixConnector(tmp_path / "gone")) as session:
        with pytest.raises(client.UnixClientConnectorError) as caught:
            await session.get("http://h/")
        assert caught.value.path == str(tmp_path / "gone")


async def test_scoped_addresses() -> None:
    address = {"hostname": "h", "host": "fe80::1%7", "port": 1, "family": socket.AF_INET6, "proto": 0, "flags": 0}
    assert tcpconnector._addr_info(address)[4] == ("fe80::1", 1, 0, 7)
    address["host"] = "fe80::1%lo"
    assert tcpconnector._addr_info(address)[4][3] == socket.if_nametoindex("lo")
    address["host"] = "::1"
    assert tcpconnector._addr_info(address)[4] == ("::1", 1, 0, 0)


@pytest.mark.parity("C12")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_nothing_waits_for_nagle(serve, host: str) -> None:
    server = await serve()
    async with ClientSession() as session:
        async with session.get(f"http://{host}:{server.port}/") as response:
            await response.read()
        (connection,) = session.connector._open
        endpoint = connection.get_extra_info("socket")
        assert endpoint.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
