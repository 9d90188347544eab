"""Names that cannot be looked up, or lead nowhere (X21): by the resolver's seam, and an IPv6 address from which nothing
comes back."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from levante import client
from levante.client import AbstractResolver, ClientSession, ClientTimeout, TCPConnector

SERVFAIL = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
NXDOMAIN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class Nameserver(AbstractResolver):
    """Answers as it is told: addresses, an error, or not at all (None)."""

    def __init__(self, says: list[str] | Exception | None) -> None:
        self.says = says
        self.questions = 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.questions += 1
        await asyncio.sleep(0)
        if isinstance(self.says, Exception):
            raise self.says
        if self.says is None:
            await asyncio.Event().wait()
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
            for address in self.says
        ]

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.hardening("X21")
@pytest.mark.parity("C13", "C41")
@pytest.mark.parametrize(
    ("says", "error", "message"),
    [
        (SERVFAIL, client.ClientConnectorDNSError, "Temporary failure"),
        (NXDOMAIN, client.ClientConnectorDNSError, "not known"),
        ([], client.ClientConnectorDNSError, "no address"),
        (None, client.ConnectionTimeoutError, "no connection to name.test"),
    ],
    ids=["SERVFAIL", "NXDOMAIN", "no answers", "timeout"],
)
async def test_failures_are_typed_shared_and_not_remembered(serve, says, error: type[Exception], message: str) -> None:
    server = await serve()
    nameserver = Nameserver(says)
    timeout = ClientTimeout(sock_connect=0.1 if says is None else 30)
    connector = TCPConnector(resolver=nameserver, limit=8)
    async with ClientSession(connector=connector, timeout=timeout) as session:
        url = f"http://name.test:{server.port}/"
        failures = await asyncio.gather(*(session.get(url) for _ in range(8)), return_exceptions=True)
        assert [type(failure) for failure in failures] == [error] * 8
        assert all(message in str(failure) for failure in failures)
        assert nameserver.questions == 1
        nameserver.says = ["127.0.0.1"]
        connector.clear_dns_cache()
        if says is None:  # the question that was never answered is still being asked
            await connector._cache.close()
        async with session.get(url) as response:
            assert response.status == 200
        assert connector._pool.leased_count == 0


@pytest.mark.hardening("X21")
@pytest.mark.parity("C13")
async def test_a_good_answer_outlives_the_nameserver_for_its_time_and_not_longer(serve) -> None:
    server = await serve()
    nameserver = Nameserver(["127.0.0.1"])
    connector = TCPConnector(resolver=nameserver, ttl_dns_cache=0.2, force_close=True)
    async with ClientSession(connector=connector) as session:
        url = f"http://name.test:{server.port}/"
        answered = asyncio.get_running_loop().time()
        async with session.get(url) as response:
            assert response.status == 200
        nameserver.says = SERVFAIL
        while asyncio.get_running_loop().time() - answered < 0.1:
            async with session.get(url) as response:
                assert response.status == 200
        assert nameserver.questions == 1
        await asyncio.sleep(0.3)
        with pytest.raises(client.ClientConnectorDNSError):
            await session.get(url)


@pytest.mark.hardening("X21")
@pytest.mark.parity("C13")
async def test_a_name_that_moves_is_followed(serve) -> None:
    """The old address stops to answer; the new one is found as soon as the answer is too old."""
    server = await serve()
    nameserver = Nameserver(["127.0.0.9"])  # nobody listens there
    connector = TCPConnector(resolver=nameserver, ttl_dns_cache=0.05)
    async with ClientSession(connector=connector) as session:
        url = f"http://name.test:{server.port}/"
        with pytest.raises(client.ClientConnectorError):
            await session.get(url)
        nameserver.says = ["127.0.0.1"]
        await asyncio.sleep(0.1)
        async with session.get(url) as response:
            assert response.status == 200


@contextlib.contextmanager
def black_hole(port: int) -> Iterator[None]:
    """Nothing comes back from this port of ::1: its queue is full, so the kernel drops what wants to connect."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET6))
        listener.bind(("::1", port))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket(socket.AF_INET6))
            filler.setblocking(False)
            filler.connect_ex(("::1", port))
        yield


@pytest.mark.hardening("X21")
@pytest.mark.parity("C14")
async def test_an_ipv6_black_hole_costs_less_than_300_ms(serve) -> None:
    server = await serve()
    loop = asyncio.get_running_loop()
    attempts: list[tuple[int, float]] = []

    def factory(info: client.AddrInfo) -> socket.socket:
        attempts.append((info[0], loop.time()))
        return socket.socket(info[0], info[1])

    connector = TCPConnector(resolver=Nameserver(["::1", "127.0.0.1"]), socket_factory=factory, force_close=True)
    with black_hole(server.port):
        async with ClientSession(connector=connector) as session:
            for _ in range(3):
                async with session.get(f"http://name.test:{server.port}/") as response:
                    assert response.status == 200
                connector.clear_dns_cache()  # which would turn the addresses
    assert [family for family, _ in attempts] == [socket.AF_INET6, socket.AF_INET] * 3
    waits = [attempts[number + 1][1] - attempts[number][1] for number in (0, 2, 4)]
    assert 0.2 < min(waits) < 0.3  # of three, for a busy machine's sake


@pytest.mark.hardening("X21")
@pytest.mark.parity("C14", "C12")
async def test_a_black_hole_alone_is_a_timeout(serve) -> None:
    server = await serve()
    timeout = ClientTimeout(sock_connect=0.1)
    connector = TCPConnector(resolver=Nameserver(["::1"]))
    with black_hole(server.port):
        async with ClientSession(connector=connector, timeout=timeout) as session:
            with pytest.raises(client.ConnectionTimeoutError):
                await session.get(f"http://name.test:{server.port}/")
            assert connector._pool.leased_count == 0
