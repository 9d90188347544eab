"""The resolver that asks nameservers, against one of ours on loopback: addresses of both families, what a nameserver
says when it has none, silence, sharing and closing."""

import asyncio
import gc
import ipaddress
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable

import aiodns
import pycares
import pytest

from levante import client
from levante.client import AsyncResolver, ClientSession, ClientTimeout, TCPConnector
from levante.client import asyncresolver as module

A, AAAA = 1, 28
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


class Nameserver(asyncio.DatagramProtocol):
    """Answers over UDP: addresses, a response code, or not at all (None). `questions` has (name, type)."""

    def __init__(self, says: list[str] | int | None, *, ttl: int = 0) -> None:
        self.says = says
        self.ttl = ttl
        self.questions: list[tuple[str, int]] = []
        self.asked = asyncio.Event()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport
        self.address = "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        labels, at = [], 12
        while length := data[at]:
            labels.append(data[at + 1 : at + 1 + length].decode())
            at += 1 + length
        (kind,) = struct.unpack_from("!H", data, at + 1)
        self.questions.append((".".join(labels), kind))
        self.asked.set()
        if self.says is None:
            return
        code, addresses = (NOERROR, self.says) if isinstance(self.says, list) else (self.says, [])
        records = [ipaddress.ip_address(address).packed for address in addresses]
        records = [record for record in records if len(record) == (4 if kind == A else 16)]
        head = data[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        answers = [struct.pack("!HHHIH", 0xC00C, kind, 1, self.ttl, len(record)) + record for record in records]
        self.transport.sendto(head + data[12 : at + 5] + b"".join(answers), peer)


Start = Callable[..., "asyncio.Future[Nameserver]"]


@pytest.fixture
async def nameserver() -> AsyncIterator[Start]:
    started: list[asyncio.DatagramTransport] = []

    async def start(says: list[str] | int | None, *, ttl: int = 0) -> Nameserver:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: Nameserver(says, ttl=ttl), local_addr=("127.0.0.1", 0)
        )
        started.append(transport)
        return protocol

    yield start
    for transport in started:
        transport.close()


def resolver_at(server: Nameserver, **options: object) -> AsyncResolver:
    return AsyncResolver(**({"nameservers": [server.address], "timeout": 5, "tries": 1} | options))


@pytest.mark.parity("C15")
async def test_addresses_of_both_families(nameserver: Start) -> None:
    server = await nameserver(["192.0.2.1", "192.0.2.2", "2001:db8::1"])
    resolver = resolver_at(server)
    four = await resolver.resolve("name.test", 80)
    assert sorted(entry["host"] for entry in four) == ["192.0.2.1", "192.0.2.2"]
    assert [entry["family"] for entry in four] == [socket.AF_INET] * 2
    assert {kind for _, kind in server.questions} == {A}
    six = await resolver.resolve("name.test", 443, socket.AF_INET6)
    assert six == [
        {
            "hostname": "name.test",
            "host": "2001:db8::1",
            "port": 443,
            "family": socket.AF_INET6,
            "proto": 0,
            "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        }
    ]
    both = await resolver.resolve("name.test", family=socket.AF_UNSPEC)
    assert sorted(entry["host"] for entry in both) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    assert {name for name, _ in server.questions} == {"name.test"}
    await resolver.close()


@pytest.mark.parity("C15")
async def test_a_family_that_a_name_lacks_does_not_hide_the_other(nameserver: Start) -> None:
    resolver = resolver_at(await nameserver(["192.0.2.1"]))
    found = await resolver.resolve("name.test", family=socket.AF_UNSPEC)
    assert [entry["host"] for entry in found] == ["192.0.2.1"]
    with pytest.raises(socket.gaierror) as info:
        await resolver.resolve("name.test", family=socket.AF_INET6)
    assert info.value.errno == socket.EAI_NONAME
    await resolver.close()


@pytest.mark.parity("C15")
@pytest.mark.hardening("X21")
@pytest.mark.parametrize(
    ("says", "number"),
    [
        (NXDOMAIN, socket.EAI_NONAME),
        ([], socket.EAI_NONAME),
        (SERVFAIL, socket.EAI_AGAIN),
        (REFUSED, socket.EAI_FAIL),
        (None, socket.EAI_AGAIN),
    ],
    ids=["NXDOMAIN", "no answers", "SERVFAIL", "REFUSED", "silence"],
)
async def test_what_goes_wrong_is_a_gaierror(nameserver: Start, says: list[str] | int | None, number: int) -> None:
    server = await nameserver(says)
    resolver = resolver_at(server, timeout=0.2)
    with pytest.raises(socket.gaierror, match=r"\('name\.test'\)") as info:
        await resolver.resolve("name.test", 80)
    assert info.value.errno == number
    assert server.questions
    await resolver.close()


@pytest.mark.parity("C15")
async def test_nobody_at_the_nameserver_s_address() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:  # so that nobody takes the port meanwhile
        held.bind(("127.0.0.1", 0))
        held.connect(("127.0.0.1", 9))
        resolver = AsyncResolver(nameservers=[f"127.0.0.1:{held.getsockname()[1]}"], timeout=0.2, tries=1)
        with pytest.raises(socket.gaierror) as info:
            await resolver.resolve("name.test", 80)
    assert info.value.errno == socket.EAI_AGAIN
    await resolver.close()


@pytest.mark.parity("C15")
async def test_names_that_cannot_be(nameserver: Start) -> None:
    server = await nameserver(["192.0.2.1"])
    resolver = resolver_at(server)
    for name in ("a..b", "a" * 64 + ".test", "localhost\0.name.test", "two words"):
        with pytest.raises(socket.gaierror) as info:
            await resolver.resolve(name, 80)
        assert info.value.errno == socket.EAI_NONAME, name
    assert not server.questions
    await resolver.close()


@pytest.mark.parity("C15")
async def test_the_hosts_file_and_literals_need_no_nameserver(nameserver: Start) -> None:
    server = await nameserver(NXDOMAIN)
    resolver = resolver_at(server)
    for name, address in (("localhost", "127.0.0.1"), ("192.0.2.7", "192.0.2.7")):
        assert [entry["host"] for entry in await resolver.resolve(name, 80)] == [address]
    assert not server.questions
    await resolver.close()


@pytest.mark.parity("C15")
async def test_a_link_local_address_keeps_its_interface(nameserver: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = resolver_at(await nameserver(NXDOMAIN))
    index = socket.if_nametoindex("lo")

    async def addresses(host: str, family: int) -> list[tuple[int, tuple[object, ...]]]:
        return [(socket.AF_INET6, (b"fe80::1", 0, 0, index)), (socket.AF_INET6, (b"::1", 0, 0, 0))]

    monkeypatch.setattr(resolver._channel, "addresses", addresses)
    found = await resolver.resolve("name.test", 80, socket.AF_INET6)
    assert [entry["host"] for entry in found] == ["fe80::1%lo", "::1"]
    await resolver.close()


@pytest.mark.parity("C15", "C13")
async def test_a_session_by_way_of_it_with_the_cache_in_front(serve, nameserver: Start) -> None:
    server = await serve()
    names = await nameserver(["127.0.0.1"])
    resolver = resolver_at(names)
    connector = TCPConnector(resolver=resolver, force_close=True)
    async with ClientSession(connector=connector) as session:
        for _ in range(3):
            async with session.get(f"http://name.test:{server.port}/") as response:
                assert response.status == 200
    assert names.questions == [("name.test", A), ("name.test", AAAA)] or names.questions == [
        ("name.test", AAAA),
        ("name.test", A),
    ]
    assert [entry["host"] for entry in await resolver.resolve("name.test")] == ["127.0.0.1"]  # it is the caller's
    await resolver.close()


@pytest.mark.parity("C15", "C14")
async def test_happy_eyeballs_over_its_addresses(serve, nameserver: Start) -> None:
    """Nobody listens on the server's port of ::1."""
    server = await serve()
    resolver = resolver_at(await nameserver(["::1", "127.0.0.1"]))
    async with (
        ClientSession(connector=TCPConnector(resolver=resolver)) as session,
        session.get(f"http://name.test:{server.port}/") as response,
    ):
        assert response.status == 200
    await resolver.close()


@pytest.mark.parity("C15", "C41")
@pytest.mark.hardening("X21")
async def test_failures_as_a_session_tells_them(nameserver: Start) -> None:
    names = await nameserver(NXDOMAIN)
    resolver = resolver_at(names)
    timeout = ClientTimeout(sock_connect=0.2)
    async with ClientSession(connector=TCPConnector(resolver=resolver), timeout=timeout) as session:
        with pytest.raises(client.ClientConnectorDNSError, match=r"name\.test") as info:
            await session.get("http://name.test/")
        assert isinstance(info.value.os_error, socket.gaierror)
        names.says = None
        with pytest.raises(client.ConnectionTimeoutError):
            await session.get("http://other.test/")
    await resolver.close()


@pytest.mark.parity("C15")
async def test_an_answer_is_kept_for_as_long_as_the_nameserver_says(nameserver: Start) -> None:
    names = await nameserver(["192.0.2.1"], ttl=60)
    resolver = resolver_at(names)
    await resolver.resolve("name.test")
    names.says, names.ttl = ["192.0.2.2"], 0
    assert [entry["host"] for entry in await resolver.resolve("name.test")] == ["192.0.2.1"]
    assert [entry["host"] for entry in await resolver.resolve("other.test")] == ["192.0.2.2"]
    names.says = ["192.0.2.3"]
    assert [entry["host"] for entry in await resolver.resolve("other.test")] == ["192.0.2.3"]
    await resolver.close()


@pytest.mark.parity("C15")
async def test_cancelling_one_question_leaves_the_others(nameserver: Start) -> None:
    names = await nameserver(None)
    resolver = resolver_at(names, tries=2, timeout=0.3)
    first = asyncio.create_task(resolver.resolve("one.test"))
    second = asyncio.create_task(resolver.resolve("two.test"))
    await names.asked.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    names.says = ["192.0.2.1"]  # for the second attempt
    assert [entry["host"] for entry in await second] == ["192.0.2.1"]
    await resolver.close()


@pytest.mark.parity("C15")
async def test_closing_ends_the_questions(nameserver: Start) -> None:
    names = await nameserver(None)
    resolver = resolver_at(names, timeout=60)
    asking = asyncio.create_task(resolver.resolve("name.test"))
    await names.asked.wait()
    await resolver.close()
    with pytest.raises(socket.gaierror):
        await asking
    await resolver.close()
    with pytest.raises(RuntimeError, match="closed"):
        await resolver.resolve("name.test")


@pytest.mark.parity("C15")
async def test_without_arguments_they_share_a_channel() -> None:
    first, second, unused = AsyncResolver(), AsyncResolver(), AsyncResolver()
    assert first._channel is None  # until it is asked
    for resolver in (first, second, first):
        assert [entry["host"] for entry in await resolver.resolve("localhost", 80)] == ["127.0.0.1"]
    channel = first._channel
    assert channel is not None
    assert second._channel is channel
    assert channel.users == 2
    await first.close()
    await first.close()
    assert channel.users == 1
    assert [entry["host"] for entry in await second.resolve("localhost", 80)] == ["127.0.0.1"]
    await second.close()
    await unused.close()
    assert channel.users == 0
    with pytest.raises(RuntimeError):
        await channel._asker.getaddrinfo("localhost")
    third = AsyncResolver()
    await third.resolve("localhost", 80)
    assert third._channel is not channel
    await third.close()


@pytest.mark.parity("C15")
async def test_each_loop_has_its_channel_and_forgets_it() -> None:
    resolver = AsyncResolver()
    await resolver.resolve("localhost", 80)
    channel = resolver._channel

    async def elsewhere() -> bool:
        other = AsyncResolver()
        await other.resolve("localhost", 80)
        same = other._channel is channel
        await other.close()
        return same

    assert await asyncio.to_thread(asyncio.run, elsewhere()) is False
    await resolver.close()
    del resolver
    channel = None
    gc.collect()
    assert asyncio.get_running_loop() not in module._shared or module._shared[asyncio.get_running_loop()]() is None


@pytest.mark.parity("C15")
async def test_sessions_of_one_loop_share_and_close_it() -> None:
    resolvers = []
    for _ in range(3):
        connector = TCPConnector(resolver=AsyncResolver())
        connector._own_resolver = True
        resolvers.append(connector._resolver)
        async with ClientSession(connector=connector) as session:
            with pytest.raises(client.ClientConnectorError):
                await session.get("http://localhost:9/")
            channel = connector._resolver._channel
            assert channel.users == 1
        assert channel.users == 0
        assert connector._resolver._closed


@pytest.mark.parity("C15")
def test_outside_of_a_loop() -> None:
    AsyncResolver()
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncResolver(nameservers=["127.0.0.1"])


@pytest.mark.parity("C15")
async def test_the_arguments_are_those_of_aiodns() -> None:
    loop = asyncio.get_running_loop()
    resolver = AsyncResolver(["192.0.2.53"], loop, tries=1)
    assert resolver._channel is not None
    assert resolver._channel._asker.nameservers == ["192.0.2.53"]
    await resolver.close()


@pytest.mark.parity("C15")
def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiodns", None)
    with pytest.raises(RuntimeError, match=r"levante-client\[dns\]"):
        AsyncResolver()


@pytest.mark.parity("C15")
async def test_a_channel_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **options: object) -> None:
        raise pycares.AresError(15, "Out of memory")

    monkeypatch.setattr(aiodns, "DNSResolver", fails)
    resolver = AsyncResolver()
    with pytest.raises(socket.gaierror, match="Out of memory"):
        await resolver.resolve("name.test")
    monkeypatch.undo()
    assert await resolver.resolve("localhost", 80)
    await resolver.close()
