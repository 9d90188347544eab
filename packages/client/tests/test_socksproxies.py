"""Requests by way of SOCKS proxies on loopback: who looks names up, and what each failure is."""

import asyncio
import errno
import socket

import pytest

from levante import client
from levante.client import AbstractResolver, BasicAuth, ClientSession, TCPConnector


class Names(AbstractResolver):
    """`levante.test` has the addresses given, one port for all; counts."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked.append(host)
        if host == "silent.test":
            raise TimeoutError
        if host != "levante.test":
            raise socket.gaierror(-2, "Name or service not known")
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in self.addresses]
        return [
            {"hostname": host, "host": address, "port": port, "family": kind, "proto": 0, "flags": 0}
            for address, kind in zip(self.addresses, families, strict=True)
        ]

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parity("U7", "C21")
@pytest.mark.parametrize(
    ("scheme", "told", "asked"),
    [
        ("socks4", "127.0.0.1", ["levante.test"]),
        ("socks4a", "levante.test", []),
        ("socks5", "127.0.0.1", ["levante.test"]),
        ("socks5h", "levante.test", []),
    ],
)
async def test_who_looks_the_name_up(
    serve, relay, server_tls, client_tls, scheme: str, told: str, asked: list[str]
) -> None:
    proxy = await serve(talk=relay.socks4 if "4" in scheme else relay.socks5)
    plain, secure = await serve(), await serve(tls=server_tls)
    names = Names("127.0.0.1")
    async with ClientSession(
        connector=TCPConnector(resolver=names, ssl=client_tls), proxy=f"{scheme}://127.0.0.1:{proxy.port}"
    ) as session:
        for server in (plain, secure):
            for _ in range(2):
                headers = {"Proxy-Authorization": "Basic for-nobody"}
                url = server.url.replace("127.0.0.1", "levante.test")
                async with session.get(url + "a?b", headers=headers, proxy_headers={"X": "y"}) as answer:
                    assert await answer.read() == b"ok"
            assert server.last.target == "/a?b"
            assert server.last.values("Proxy-Authorization") == server.last.values("X") == []
    assert relay.hosts == [told, told]
    assert names.asked == asked * 2
    assert proxy.connections == 2


@pytest.mark.parity("U7")
async def test_an_address_in_the_url(serve, relay) -> None:
    proxy, server = await serve(talk=relay.socks5), await serve()
    async with ClientSession(proxy=f"socks5h://127.0.0.1:{proxy.port}") as session, session.get(server.url) as answer:
        assert answer.status == 200
    assert relay.hosts == ["127.0.0.1"]


@pytest.mark.parity("U7")
async def test_the_next_address_when_the_proxy_cannot_reach_one(serve, relay) -> None:
    proxy, server = await serve(talk=relay.socks5), await serve()
    url = server.url.replace("127.0.0.1", "levante.test")
    for addresses, worked in ((("127.0.0.9", "::1", "127.0.0.1"), True), (("127.0.0.9",), False)):
        relay.hosts.clear()
        connector = TCPConnector(resolver=Names(*addresses))
        async with ClientSession(connector=connector, proxy=f"socks5://127.0.0.1:{proxy.port}") as session:
            if worked:
                async with session.get(url) as answer:
                    assert answer.status == 200
                assert relay.hosts == ["127.0.0.9", "::1"]
            else:
                with pytest.raises(client.ClientProxyConnectionError, match=r"127\.0\.0\.9") as caught:
                    await session.get(url)
                assert caught.value.os_error.errno == errno.ECONNREFUSED


@pytest.mark.parity("U7")
async def test_a_proxy_that_fails_is_not_asked_for_the_other_addresses(serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(3)

    proxy = await serve(talk=talk)
    connector = TCPConnector(resolver=Names("127.0.0.1", "127.0.0.2"))
    async with ClientSession(connector=connector, proxy=f"socks5://127.0.0.1:{proxy.port}") as session:
        with pytest.raises(client.ClientProxyConnectionError, match="hung up"):
            await session.get("http://levante.test/")
    assert proxy.connections == 1


@pytest.mark.parity("U7", "C41")
async def test_names_that_cannot_be_looked_up(serve, relay) -> None:
    proxy = await serve(talk=relay.socks4)
    async with ClientSession(
        connector=TCPConnector(resolver=Names("::1")), proxy=f"socks4://127.0.0.1:{proxy.port}"
    ) as session:
        with pytest.raises(client.ClientConnectorDNSError, match="socks4"):
            await session.get("http://levante.test/")
        with pytest.raises(client.ClientConnectorDNSError, match="not known"):
            await session.get("http://other.test/")
        with pytest.raises(client.ConnectionTimeoutError):
            await session.get("http://silent.test/")
        assert session.connector._pool.leased_count == 0
    assert proxy.connections == 0


@pytest.mark.parity("U7")
@pytest.mark.hardening("C54")
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "SOCKS 5"),
        (b"\5\xff", "give a login"),
        (b"\5\0\5\2\0\1", "rules"),
        (b"\5\0\5\0\0\1" + bytes(6) + b"too early", "behind"),
        (b"\5", "hung up"),
        (b"", "hung up"),
    ],
)
async def test_proxies_that_do_not_behave(serve, answer: bytes, message: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(3)
        writer.write(answer[:2])
        if answer[2:]:
            await reader.read(1)
            writer.write(answer[2:])

    proxy = await serve(talk=talk)
    async with ClientSession(proxy=f"socks5h://127.0.0.1:{proxy.port}") as session:
        with pytest.raises(client.ClientProxyConnectionError, match=message) as caught:
            await session.get("http://levante.test/")
        assert (caught.value.host, caught.value.port) == ("127.0.0.1", proxy.port)
        assert session.connector._pool.leased_count == 0


@pytest.mark.parity("U7")
async def test_credentials_that_cannot_be_said(serve, relay) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.write(b"\5\2")
        await reader.read()

    proxy = await serve(talk=talk)
    auth = BasicAuth("a" * 256, "secret")
    async with ClientSession(proxy=f"socks5h://127.0.0.1:{proxy.port}", proxy_auth=auth) as session:
        with pytest.raises(ValueError, match="login") as caught:
            await session.get("http://levante.test/")
        assert "secret" not in str(caught.value)
        assert session.connector._pool.leased_count == 0
