"""Dialling over TCP, with or without TLS: the resolver and its cache name the addresses, happy eyeballs (RFC 8305)
races them, and an address whose TLS handshake fails gives way to the next. A dialer of the caller's own can take the
place of all that."""

import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import aiohappyeyeballs

from levante.http import DialedConnection

from .connector import BaseConnector
from .cookierules import is_ip_address
from .errors import ClientConnectorDNSError, ClientConnectorError, ServerFingerprintMismatch
from .origin import ConnectionKey
from .pool import POOL_LIMIT
from .proxydialling import dial_through
from .resolver import DNS_CACHE_SIZE, DNS_TTL, AbstractResolver, DNSCache, ResolveResult, ThreadedResolver
from .securing import open_connection, security_of
from .tls import SSLArgument, check_ssl_argument
from .tracing import (
    Trace,
    TraceDnsCacheHitParams,
    TraceDnsCacheMissParams,
    TraceDnsResolveHostEndParams,
    TraceDnsResolveHostStartParams,
)

# RFC 8305 section 8 recommends 250 ms between attempts.
HAPPY_EYEBALLS_DELAY = 0.25

AddrInfo = tuple[int, int, int, str, tuple[Any, ...]]
SocketFactory = Callable[[AddrInfo], socket.socket]
Dialer = Callable[[str, int], Awaitable[socket.socket]]


class TCPConnector(BaseConnector):
    """Connections over TCP.

    `ssl`: True (verify), False (do not), an SSLContext, or a Fingerprint; TypeError otherwise; sessions and requests
    may override it. `family`: AF_INET, AF_INET6 or 0 for both. `local_addr`: (host, port) to dial from. `resolver`
    is closed with the connector only if the connector made it. `ttl_dns_cache`: seconds, None for ever.
    `happy_eyeballs_delay`: seconds between attempts, None for one after the other. `socket_factory(addr_info)` makes
    the sockets. A `dialer`, a coroutine function of host and port that returns a connected stream socket, dials
    instead of resolver and happy eyeballs, the proxy if there is one; OSError says that it could not.
    """

    speaks_to_proxies = True

    def __init__(
        self,
        *,
        ssl: SSLArgument = True,
        family: socket.AddressFamily = socket.AddressFamily.AF_UNSPEC,
        local_addr: tuple[str, int] | None = None,
        resolver: AbstractResolver | None = None,
        use_dns_cache: bool = True,
        ttl_dns_cache: float | None = DNS_TTL,
        dns_cache_max_size: int = DNS_CACHE_SIZE,
        happy_eyeballs_delay: float | None = HAPPY_EYEBALLS_DELAY,
        interleave: int | None = None,
        socket_factory: SocketFactory | None = None,
        dialer: Dialer | None = None,
        keepalive_timeout: float | None = None,
        force_close: bool = False,
        limit: int = POOL_LIMIT,
        limit_per_host: int = 0,
    ) -> None:
        super().__init__(
            keepalive_timeout=keepalive_timeout, force_close=force_close, limit=limit, limit_per_host=limit_per_host
        )  # fmt: skip
        self._ssl = check_ssl_argument(ssl)
        self._family = family
        self._local = local_addr
        self._own_resolver = resolver is None
        self._resolver = ThreadedResolver() if resolver is None else resolver
        self._cache = DNSCache(ttl=ttl_dns_cache, max_size=dns_cache_max_size) if use_dns_cache else None
        self._delay = happy_eyeballs_delay
        self._interleave = 1 if interleave is None and family == socket.AF_UNSPEC else interleave
        self._socket_factory = socket_factory
        self._dialer = dialer

    @property
    def family(self) -> socket.AddressFamily:
        """The address family dialled, AF_UNSPEC for both."""
        return self._family

    @property
    def use_dns_cache(self) -> bool:
        """Whether answers of the resolver are kept."""
        return self._cache is not None

    def clear_dns_cache(self, host: str | None = None, port: int | None = None) -> None:
        """Forget the addresses of `host` and `port`, or of everything. ValueError for only one of them."""
        if (host is None) != (port is None):
            raise ValueError("give both host and port, or neither")
        if self._cache is not None:
            self._cache.clear(None if host is None or port is None else (host, port))

    async def close(self) -> None:
        """As BaseConnector.close; running lookups are cancelled."""
        await super().close()
        if self._cache is not None:
            await self._cache.close()
        if self._own_resolver:
            await self._resolver.close()

    async def _dial(self, key: ConnectionKey, trace: Trace | None) -> DialedConnection:
        setting = self._ssl if key.ssl is True else key.ssl
        factory = partial(self._protocol, key)
        if key.proxy is not None:
            return await dial_through(
                key.proxy, key, trace, reach=self._reach, resolve=self._resolve, setting=setting, factory=factory
            )
        security = await security_of(key, setting)
        connection: DialedConnection
        if self._dialer is not None:
            connection = await open_connection(key, await self._reach(key, trace), factory, security)
            return connection
        infos = await self._addresses(key, trace)
        error: Exception | None = None
        while infos:
            sock = await self._connect(key, infos)
            peer = sock.getpeername()
            try:
                connection = await open_connection(key, sock, factory, security)
            except (ClientConnectorError, ServerFingerprintMismatch) as exc:
                error = exc
            else:
                return connection
            infos = [info for info in infos if not _is_peer(info, peer)]
        raise error or ClientConnectorDNSError(key, OSError(None, "the name has no address"))

    async def _reach(self, key: ConnectionKey, trace: Trace | None) -> socket.socket:
        """A connected socket for `key`, which may be a proxy."""
        if self._dialer is None:
            infos = await self._addresses(key, trace)
            if not infos:
                raise ClientConnectorDNSError(key, OSError(None, "the name has no address"))
            return await self._connect(key, infos)
        try:
            return await self._dialer(key.host, key.port or 0)
        except TimeoutError:
            raise
        except OSError as exc:
            raise ClientConnectorError(key, exc) from exc

    async def _addresses(self, key: ConnectionKey, trace: Trace | None) -> list[AddrInfo]:
        try:
            addresses = await self._resolve(key.host, key.port or 0, trace)
        except TimeoutError:
            raise
        except OSError as exc:
            raise ClientConnectorDNSError(key, exc) from exc
        return [_addr_info(address) for address in addresses]

    async def _resolve(self, host: str, port: int, trace: Trace | None) -> list[ResolveResult]:
        host = host.rstrip(".") if host.count(".") > 1 else host
        if is_ip_address(host):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return [ResolveResult(hostname=host, host=host, port=port, family=family, proto=0, flags=0)]
        if self._cache is None:
            return await self._ask(host, port, trace)
        cached = self._cache.get((host, port), self._loop.time())
        if trace is not None:
            await trace.send(TraceDnsCacheMissParams(host) if cached is None else TraceDnsCacheHitParams(host))
        if cached is not None:
            return cached
        return await self._cache.ask((host, port), lambda: self._ask(host, port, trace))

    async def _ask(self, host: str, port: int, trace: Trace | None) -> list[ResolveResult]:
        if trace is not None:
            await trace.send(TraceDnsResolveHostStartParams(host))
        addresses = await self._resolver.resolve(host, port, family=self._family)
        if trace is not None:
            await trace.send(TraceDnsResolveHostEndParams(host))
        return addresses

    async def _connect(self, key: ConnectionKey, infos: list[AddrInfo]) -> socket.socket:
        local = None
        if self._local is not None:
            host, port = self._local
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            local = [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
        try:
            sock = await aiohappyeyeballs.start_connection(
                infos,
                local_addr_infos=local,
                happy_eyeballs_delay=self._delay,
                interleave=self._interleave,
                loop=self._loop,
                socket_factory=self._socket_factory,
            )
        except TimeoutError:
            raise
        except OSError as exc:
            raise ClientConnectorError(key, exc) from exc
        _send_at_once(sock)
        return sock


def _addr_info(address: ResolveResult) -> AddrInfo:
    host, port, family = address["host"], address["port"], address["family"]
    if family != socket.AF_INET6:
        return (family, socket.SOCK_STREAM, address["proto"], "", (host, port))
    plain, _, scope = host.partition("%")
    scope_id = 0 if not scope else int(scope) if scope.isdigit() else socket.if_nametoindex(scope)
    return (family, socket.SOCK_STREAM, address["proto"], "", (plain, port, 0, scope_id))


def _send_at_once(sock: socket.socket) -> None:
    """No piece of a request waits for the acknowledgement of the one before (Nagle). asyncio sees to that only for
    sockets that were made for TCP by number, which those to a literal address are not."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _is_peer(info: AddrInfo, peer: tuple[Any, ...]) -> bool:
    return bool(info[4][:2] == peer[:2])
