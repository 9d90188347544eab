"""Dialling over TCP, with or without TLS: the resolver and its cache name the addresses, happy eyeballs (RFC 8305)
races them, and an address whose TLS handshake fails gives way to the next. Dialling a Unix socket is the short case
of the same."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohappyeyeballs

from levante.http import DialedConnection

from .connector import BaseConnector
from .cookierules import is_ip_address
from .errors import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ConnectionTimeoutError,
    ServerFingerprintMismatch,
    UnixClientConnectorError,
)
from .origin import ConnectionKey
from .pool import POOL_LIMIT
from .resolver import DNS_CACHE_SIZE, DNS_TTL, AbstractResolver, DNSCache, ResolveResult, ThreadedResolver
from .tls import Fingerprint, SSLArgument, check_ssl_argument, context_for
from .tracing import (
    Trace,
    TraceDnsCacheHitParams,
    TraceDnsCacheMissParams,
    TraceDnsResolveHostEndParams,
    TraceDnsResolveHostStartParams,
)

# RFC 8305 section 8 recommends 250 ms between attempts.
HAPPY_EYEBALLS_DELAY = 0.25
# Seconds; a server that accepts and then stalls in TLS must not hold a place of the pool for asyncio's 60.
TLS_HANDSHAKE_TIMEOUT = 10.0

AddrInfo = tuple[int, int, int, str, tuple[Any, ...]]
SocketFactory = Callable[[AddrInfo], socket.socket]


class TCPConnector(BaseConnector):
    """Connections over TCP.

    `ssl`: True (verify), False (do not), an SSLContext, or a Fingerprint; TypeError otherwise; sessions and requests
    may override it. `family`: AF_INET, AF_INET6 or 0 for both. `local_addr`: (host, port) to dial from. `resolver`
    is closed with the connector only if the connector made it. `ttl_dns_cache`: seconds, None for ever.
    `happy_eyeballs_delay`: seconds between attempts, None for one after the other. `socket_factory(addr_info)` makes
    the sockets.
    """

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
        context = await self._context(setting) if key.is_ssl else None
        try:
            addresses = await self._resolve(key.host, key.port or 0, trace)
        except TimeoutError:
            raise
        except OSError as exc:
            raise ClientConnectorDNSError(key, exc) from exc
        infos = [_addr_info(address) for address in addresses]
        error: Exception = ClientConnectorDNSError(key, OSError(None, "the name has no address"))
        while infos:
            sock = await self._connect(key, infos)
            peer = sock.getpeername()
            try:
                return await self._handshake(key, sock, setting, context=context)
            except (ClientConnectorError, ServerFingerprintMismatch) as exc:
                error = exc
            infos = [info for info in infos if not _is_peer(info, peer)]
        raise error

    async def _context(self, setting: SSLArgument) -> ssl.SSLContext:
        if isinstance(setting, ssl.SSLContext):
            return setting
        return await self._loop.run_in_executor(None, context_for, setting)

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
            return await aiohappyeyeballs.start_connection(
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

    async def _handshake(
        self, key: ConnectionKey, sock: socket.socket, setting: SSLArgument, *, context: ssl.SSLContext | None
    ) -> DialedConnection:
        connection: DialedConnection
        try:
            if context is None:
                _, connection = await self._loop.create_connection(partial(self._protocol, key), sock=sock)
                return connection
            async with asyncio.timeout(TLS_HANDSHAKE_TIMEOUT):
                _, connection = await self._loop.create_connection(
                    partial(self._protocol, key),
                    sock=sock,
                    ssl=context,
                    server_hostname=key.server_hostname or key.host.rstrip("."),
                )
        except ssl.CertificateError as exc:
            raise ClientConnectorCertificateError(key, exc) from exc
        except ssl.SSLError as exc:
            raise ClientConnectorSSLError(key, exc) from exc
        except TimeoutError as exc:
            raise ConnectionTimeoutError(
                f"the TLS handshake with {key.host}:{key.port} takes longer than {TLS_HANDSHAKE_TIMEOUT} s"
            ) from exc
        except OSError as exc:
            raise ClientConnectorError(key, exc) from exc
        if isinstance(setting, Fingerprint):
            _check_fingerprint(setting, connection, key)
        return connection


class UnixConnector(BaseConnector):
    """Connections to the socket at `path` in the file system, without TLS; the host of the URL goes into the Host
    field only."""

    allowed_schemes = frozenset({"http", "ws", "unix"})

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        keepalive_timeout: float | None = None,
        force_close: bool = False,
        limit: int = POOL_LIMIT,
        limit_per_host: int = 0,
    ) -> None:
        super().__init__(
            keepalive_timeout=keepalive_timeout, force_close=force_close, limit=limit, limit_per_host=limit_per_host
        )  # fmt: skip
        self._path = os.fspath(path)

    @property
    def path(self) -> str:
        """The path of the socket."""
        return self._path

    async def _dial(self, key: ConnectionKey, trace: Trace | None) -> DialedConnection:  # noqa: ARG002 - the seam
        connection: DialedConnection
        try:
            _, connection = await self._loop.create_unix_connection(partial(self._protocol, key), self._path)
        except TimeoutError:
            raise
        except OSError as exc:
            raise UnixClientConnectorError(self._path, key, exc) from exc
        return connection


def _addr_info(address: ResolveResult) -> AddrInfo:
    host, port, family = address["host"], address["port"], address["family"]
    if family != socket.AF_INET6:
        return (family, socket.SOCK_STREAM, address["proto"], "", (host, port))
    plain, _, scope = host.partition("%")
    scope_id = 0 if not scope else int(scope) if scope.isdigit() else socket.if_nametoindex(scope)
    return (family, socket.SOCK_STREAM, address["proto"], "", (plain, port, 0, scope_id))


def _is_peer(info: AddrInfo, peer: tuple[Any, ...]) -> bool:
    return bool(info[4][:2] == peer[:2])


def _check_fingerprint(fingerprint: Fingerprint, connection: DialedConnection, key: ConnectionKey) -> None:
    tls = connection.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    got = fingerprint.mismatch(certificate or b"")
    if got is not None:
        connection.abort()
        raise ServerFingerprintMismatch(fingerprint.fingerprint, got, key.host, key.port or 0)
