"""Names to addresses by asking nameservers from the event loop, without a thread of the pool for each question: c-ares
by way of the package `aiodns`. It reads the hosts file and what the system says of nameservers, search lists and
sortlists, and nothing else: no multicast DNS, no directory (LDAP, winbind), no other module of nsswitch.conf. Resolvers
that are made without arguments share one channel to the nameservers for each event loop, which is opened by the first
question and closed with the last of them; one that is given arguments has a channel of its own.
"""

import asyncio
import socket
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from .resolver import NUMERIC_FLAGS, AbstractResolver, ResolveResult, scoped

if TYPE_CHECKING:
    import aiodns


class AsyncResolver(AbstractResolver):
    """Asks nameservers without a thread for each question (extra `dns`): `TCPConnector(resolver=AsyncResolver())`.
    Arguments go to `aiodns.DNSResolver`: `nameservers` (texts, with a port after a colon if it is another than 53),
    `timeout` (seconds for an attempt), `tries`, `domains`, `ndots`, `rotate`, `local_ip`, `resolvconf_path` and
    others. RuntimeError without the package, or with arguments outside of an event loop.

    It differs from ThreadedResolver, which is the default, in this: a question that is given up leaves no thread
    behind, and a slow nameserver does not fill the thread pool; but what else the operating system knows names from
    (multicast DNS, LDAP, ...) is not asked, the hosts file is read in the event loop, and c-ares keeps answers for as
    long as the nameserver says, whatever `ttl_dns_cache` and `clear_dns_cache` of the connector say.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: they are those of aiodns
        try:
            import aiodns  # noqa: F401  # here, so that whoever has no such resolver does not load it
        except ImportError as error:
            raise RuntimeError("AsyncResolver needs the package aiodns: install levante-client[dns]") from error
        self._closed = False
        self._channel: _Channel | None = None
        if args or kwargs:
            self._channel = _Channel(asyncio.get_running_loop(), *args, **kwargs)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`, in the order of RFC 6724. socket.gaierror when it has none (EAI_NONAME), when no
        nameserver gave an answer (EAI_AGAIN) or none of use (EAI_FAIL); RuntimeError once it is closed."""
        if self._closed:
            raise RuntimeError(f"cannot look up {host!r}: the resolver is closed")
        if "\0" in host:  # where C would see the end of the name
            raise socket.gaierror(socket.EAI_NONAME, f"no name can be like this: {host!r}")
        if self._channel is None:
            self._channel = _shared_channel(asyncio.get_running_loop())
        return [
            ResolveResult(
                hostname=host,
                host=scoped((address[0].decode("ascii"), *address[1:])),
                port=port,
                family=address_family,
                proto=0,
                flags=NUMERIC_FLAGS,
            )
            for address_family, address in await self._channel.addresses(host, family)
        ]

    async def close(self) -> None:
        """Let go of the channel, which ends when nobody else uses it. Questions that wait for it then fail."""
        channel, self._channel = self._channel, None
        self._closed = True
        if channel is not None:
            await channel.leave()


class _Channel:
    """What c-ares needs for asking, and how many resolvers use it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *args: Any, **kwargs: Any) -> None:
        from aiodns import DNSResolver

        self.users = 1
        self._asker: aiodns.DNSResolver = DNSResolver(*args, **(kwargs if len(args) > 1 else {"loop": loop} | kwargs))

    async def addresses(self, host: str, family: int) -> list[tuple[int, tuple[Any, ...]]]:
        """The families and socket addresses that c-ares has for `host`."""
        from aiodns.error import DNSError

        try:
            # No flags: the bits of the system's have other meanings in c-ares.
            found = await self._asker.getaddrinfo(host, family=socket.AddressFamily(family), type=socket.SOCK_STREAM)
        except DNSError as exc:
            raise _as_gaierror(host, exc) from exc
        return [(node.family, node.addr) for node in found.nodes]

    async def leave(self) -> None:
        """One user fewer; without any, the channel is closed and its questions fail."""
        self.users -= 1
        if not self.users:
            await self._asker.close()


# Of each loop, weakly: whoever uses the channel keeps it.
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, "ref[_Channel]"] = WeakKeyDictionary()


def _shared_channel(loop: asyncio.AbstractEventLoop) -> _Channel:
    known = _shared.get(loop)
    channel = None if known is None else known()
    if channel is not None and channel.users:
        channel.users += 1
        return channel
    channel = _opened(loop)
    _shared[loop] = ref(channel)
    return channel


def _opened(loop: asyncio.AbstractEventLoop) -> _Channel:
    from pycares import AresError

    try:
        return _Channel(loop)
    except AresError as exc:  # no files left, no memory
        raise socket.gaierror(socket.EAI_SYSTEM, f"no channel to the nameservers: {exc}") from exc


def _as_gaierror(host: str, exc: "aiodns.error.DNSError") -> socket.gaierror:
    from aiodns import error

    code, *words = exc.args
    if code in (error.ARES_ENOTFOUND, error.ARES_ENODATA, error.ARES_ENONAME, error.ARES_EBADNAME):
        number = socket.EAI_NONAME
    elif code in (error.ARES_ETIMEOUT, error.ARES_ECONNREFUSED, error.ARES_ESERVFAIL, error.ARES_ECANCELLED):
        number = socket.EAI_AGAIN
    else:
        number = socket.EAI_FAIL
    return socket.gaierror(number, f"{' '.join(map(str, words))} ({host!r})")
