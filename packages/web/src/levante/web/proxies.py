"""Whose request it really is, where trusted proxies stand in front: what they say in headers, or at the beginning of
the connection (the PROXY protocol), replaces address, scheme and host of the request before anybody sees it: router,
middlewares, handlers and the access log see the same. Nobody else is believed.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from levante.http.errors import RemoteProtocolError
from levante.http.exchange import Exchange
from levante.http.forwarded import Client, TrustedPeers, node_address, parse_forwarded, resolve_client, x_forwarded
from levante.http.proxyprotocol import ProxyHeader
from levante.http.target import parse_authority

from .keys import RequestKey

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from .types import BaseRequest

PROXY_HEADER = RequestKey("proxy_header", ProxyHeader)
"""Where a request has the header of the PROXY protocol that its connection began with."""

X_FORWARDED = "X-Forwarded-For"
FORWARDED = "Forwarded"

_EVERYBODY = ("0.0.0.0/0", "::/0", "unix")
_SCHEMES = {"ws": "http", "wss": "https"}
_DEFAULT_PORTS = {"http": 80, "https": 443}


class TrustedProxies:
    """Which proxies are believed, and what they say it in.

    `networks` are addresses and networks in CIDR form, and `unix` for peers on Unix sockets. The client is the nearest
    hop that is not among them, walking from our own peer outwards. Where the addresses of the proxies are not known,
    `hops` says instead how many there are; then nobody else may be able to connect, for whoever does is believed.

    `header` names the one thing that they set: `X-Forwarded-For` (with -Proto, -Host and -Port), `Forwarded` (RFC
    7239), or a header with one address, such as `CF-Connecting-IP` (beside X-Forwarded-Proto). Only that one is read: a
    proxy passes on what it does not know, and clients could send the other.
    """

    __slots__ = ("_header", "_hops", "_peers")

    def __init__(self, networks: Iterable[str] = (), *, header: str = X_FORWARDED, hops: int | None = None) -> None:
        names = network_names(networks)
        if (hops is None) == (not names):
            raise ValueError("say which proxies to trust: by their networks, or by how many hops there are")
        if hops is not None and hops < 1:
            raise ValueError(f"hops is at least 1, the proxy that connects to us; got {hops!r}")
        self._peers = TrustedPeers(_EVERYBODY if hops is not None else names)
        self._hops = hops
        self._header = header.lower()

    def client(self, peer: str | None, headers: "CIMultiDictProxy[str]") -> Client:
        """The far end of a request that came from `peer` (None: on a Unix socket)."""
        if not self._peers.trusts(peer):
            return Client(peer, None, None)
        if self._header == FORWARDED.lower():
            hops = parse_forwarded(headers.getall(FORWARDED, ()))
        elif self._header == X_FORWARDED.lower():
            hops = x_forwarded(
                for_=headers.getall(X_FORWARDED, ()),
                proto=headers.getall("X-Forwarded-Proto", ()),
                host=headers.getall("X-Forwarded-Host", ()),
                port=headers.getall("X-Forwarded-Port", ()),
            )
        else:
            # The last one where there are several: the nearest proxy wrote it, the others came to it.
            node = node_address(headers.getall(self._header, ("",))[-1])
            hops = x_forwarded(for_=[node], proto=headers.getall("X-Forwarded-Proto", ())[-1:])
        return resolve_client(peer, hops if self._hops is None else hops[-self._hops :], self._peers)

    def apply(self, request: "BaseRequest") -> None:
        """Make the request that of its client."""
        client = self.client(direct_peer(request), request.headers)
        facts: dict[str, str] = {}
        if client.remote:
            facts["remote"] = client.remote
        if client.scheme is not None:
            facts["scheme"] = _SCHEMES.get(client.scheme, client.scheme)
        request.learn(facts)
        host = _with_port(client.host or request.host, client.port, request.scheme)
        if host != request.host:
            request.learn({"host": host})


class RequestsBehindProxies:
    """Makes requests as `make` does, and applies what is known of their clients; `headers` are those of the PROXY
    protocol, by connection.
    """

    def __init__(self, make: "Callable[[Exchange], BaseRequest]", trusted: TrustedProxies | None) -> None:
        self.headers: WeakKeyDictionary[object, ProxyHeader] = WeakKeyDictionary()
        self._make = make
        self._trusted = trusted

    def __call__(self, exchange: Exchange) -> "BaseRequest":
        request = self._make(exchange)
        header = self.headers.get(exchange.connection)
        if header is not None:
            request[PROXY_HEADER] = header
            request.learn(_facts(header))
        if self._trusted is not None:
            self._trusted.apply(request)
        return request


def as_trusted_proxies(value: TrustedProxies | Iterable[str] | None) -> TrustedProxies | None:
    """What a server may be given: networks alone mean X-Forwarded-For."""
    return value if value is None or isinstance(value, TrustedProxies) else TrustedProxies(value)


def network_names(networks: Iterable[str]) -> tuple[str, ...]:
    """Networks as they may be given. TypeError for one in the place of several, which would be read by letter."""
    if isinstance(networks, str):
        raise TypeError(f"expected several networks, such as [{networks!r}]; got {networks!r}")
    return tuple(networks)


def _facts(header: ProxyHeader) -> dict[str, str]:
    facts = {}
    if header.source is not None:
        facts["remote"] = header.source if isinstance(header.source, str) else header.source[0]
    if header.secure:
        facts["scheme"] = "https"
    return facts


def direct_peer(request: "BaseRequest") -> str | None:
    """The address of whoever speaks HTTP to us, be it a proxy, as the PROXY protocol has it; None on a Unix socket,
    whatever name the peer has given its own end.
    """
    header = request.get(PROXY_HEADER)
    named = None if header is None else _facts(header).get("remote")
    if named is not None:
        return named
    address = request.get_extra_info("peername")
    return str(address[0]) if isinstance(address, tuple) else None


def _with_port(host: str, port: int | None, scheme: str) -> str:
    """`host` with the port that the client connected to, where the host does not say."""
    if port is None or port == _DEFAULT_PORTS.get(scheme):
        return host
    try:
        authority = parse_authority(host)
    except RemoteProtocolError:
        return host
    return host if authority.port is not None or not authority.host else f"{host}:{port}"
