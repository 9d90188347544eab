"""Names to addresses: the resolver seam, the resolver that asks the operating system in a thread, and the bounded
cache in front. The one that asks nameservers itself is in asyncresolver.py. The cache keeps a good answer for its time
to live, at most `max_size` of them (least recently used leaves; CVE-2026-34514), turns the list by one at each lookup,
and lets concurrent lookups of one name share a single question, which survives the cancellation of any one that waits
for it."""

import abc
import asyncio
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, TypedDict

# Precedent: aiohttp. Long enough for a burst of requests, short enough to follow a failover by DNS.
DNS_TTL = 10.0
# Precedent: aiohttp after CVE-2026-34514. An entry is under 1 KiB.
DNS_CACHE_SIZE = 1000
NUMERIC_FLAGS = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class ResolveResult(TypedDict):
    """One address of a name: `hostname` as asked, `host` the address as text, `port`, `family`, `proto`, `flags` for
    getaddrinfo."""

    hostname: str
    host: str
    port: int
    family: int
    proto: int
    flags: int


class AbstractResolver(abc.ABC):
    """The seam: what a connector needs of a resolver."""

    @abc.abstractmethod
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`. OSError when it has none."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Release what the resolver holds."""


class ThreadedResolver(AbstractResolver):
    """getaddrinfo of the operating system, in the loop's thread pool: whatever the system knows names from (DNS, the
    hosts file, multicast DNS, a directory), and as long as it takes."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`, in the order of the system (RFC 6724). OSError (usually gaierror) when it has
        none."""
        try:
            infos = await _infos(host, port, family)
        except UnicodeError as exc:  # a label of more than 63 characters, or of none
            raise socket.gaierror(socket.EAI_NONAME, f"no name can be like this: {exc}") from exc
        return [
            ResolveResult(
                hostname=host,
                host=scoped(address),
                port=port,
                family=info_family,
                proto=proto,
                flags=NUMERIC_FLAGS,
            )
            for info_family, _, proto, _, address in infos
        ]

    async def close(self) -> None:
        """Nothing to release: the thread pool is the loop's."""


async def _infos(host: str, port: int, family: socket.AddressFamily) -> list[Any]:
    lookup = partial(asyncio.get_running_loop().getaddrinfo, host, port, type=socket.SOCK_STREAM, family=family)
    try:
        return await lookup(flags=socket.AI_ADDRCONFIG)
    except socket.gaierror:
        if host.rstrip(".").casefold() != "localhost":
            raise
        # Windows without a network has no address configured, as it counts; it can talk to itself all the same.
        return await lookup(flags=0)


def scoped(address: tuple[Any, ...]) -> str:
    """The address of a socket address as text, with its interface if it has one (`fe80::1%eth0`)."""
    host: str = address[0]
    if len(address) == 4 and address[3] and "%" not in host:
        # A link-local IPv6 address means nothing without its interface.
        return socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    return host


# Threads even where aiodns is, unlike in aiohttp: a package that something else brought must not decide where requests
# go. Whoever wants the other says so: TCPConnector(resolver=AsyncResolver()).
DefaultResolver = ThreadedResolver

Question = Callable[[], Awaitable[list[ResolveResult]]]


class CachedAnswer(NamedTuple):
    """An answer and the loop time at which it is too old (None: never)."""

    addresses: list[ResolveResult]
    expires: float | None


class DNSCache:
    """A bounded cache in front of a resolver. `ttl` is seconds, None for ever; `max_size` entries."""

    def __init__(self, *, ttl: float | None = DNS_TTL, max_size: int = DNS_CACHE_SIZE) -> None:
        if max_size < 1:
            raise ValueError(f"dns_cache_max_size must be at least 1, got {max_size}")
        self._ttl = ttl
        self._max_size = max_size
        self._answers: OrderedDict[tuple[str, int], CachedAnswer] = OrderedDict()
        self._running: dict[tuple[str, int], asyncio.Task[list[ResolveResult]]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def __contains__(self, key: object) -> bool:
        return key in self._answers

    def get(self, key: tuple[str, int], now: float) -> list[ResolveResult] | None:
        """The cached addresses, turned by one since the last time; None when there are none young enough."""
        answer = self._answers.get(key)
        if answer is None:
            return None
        if answer.expires is not None and now >= answer.expires:
            del self._answers[key]
            return None
        self._answers.move_to_end(key)
        result = list(answer.addresses)
        answer.addresses.append(answer.addresses.pop(0))
        return result

    async def ask(self, key: tuple[str, int], question: Question) -> list[ResolveResult]:
        """The answer to `question`, cached under `key`. Whoever asks the same meanwhile waits for the same answer."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(self._run(key, question))
            self._running[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return list(await asyncio.shield(task))

    async def _run(self, key: tuple[str, int], question: Question) -> list[ResolveResult]:
        addresses = await question()
        if addresses:
            expires = None if self._ttl is None else asyncio.get_running_loop().time() + self._ttl
            rotated = addresses[1:] + addresses[:1]
            self._answers[key] = CachedAnswer(rotated, expires)
            while len(self._answers) > self._max_size:
                self._answers.popitem(last=False)
        return addresses

    def _finished(self, key: tuple[str, int], task: asyncio.Task[list[ResolveResult]]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # every waiter may be gone; the error is theirs, not the loop's

    def clear(self, key: tuple[str, int] | None = None) -> None:
        """Forget one answer, or all."""
        if key is None:
            self._answers.clear()
        else:
            self._answers.pop(key, None)

    async def close(self) -> None:
        """Cancel the questions that run."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._answers.clear()
