"""Who is at the far end when proxies stand between: the Forwarded header (RFC 7239), the older X-Forwarded-*
headers, and the rule that makes either worth anything: walk from our own peer outwards, and believe a hop only
while the one that reports it is a proxy we were told to trust."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType
from typing import Final

from .errors import RemoteProtocolError
from .limits import MAX_FORWARDED_HOPS
from .parameters import TOKEN, scan_value, skip_space, unescape
from .target import parse_authority

Hop = MappingProxyType[str, str]

_PORT: Final = re.compile(r":[0-9]{1,5}")
_DIGITS: Final = re.compile(r"[0-9]{1,5}")
# RFC 7239 6: an address, in brackets where it has colons, or an obfuscated name; either may have a port, and that may
# be obfuscated, too.
_NODE: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]++)\]|([0-9.]++)|(unknown|_[A-Za-z0-9._\-]++))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._\-]++))?",
    re.IGNORECASE,
)


def parse_forwarded(values: Iterable[str]) -> tuple[Hop, ...]:
    """The hops of all Forwarded header lines, the farthest first: one read-only mapping each, with lower-case names
    and unquoted values.

    A hop that is malformed keeps what stood before the error; reading goes on after the next comma, for what our own
    proxy appends behind a client's garbage must still be found. At most MAX_FORWARDED_HOPS are kept: the last,
    nearest ones.
    """
    hops: list[Hop] = []
    for value in values:
        hops += _parse_field(value)
    return tuple(hops[-MAX_FORWARDED_HOPS:])


class TrustedPeers:
    """The proxies whose word about a client is believed: addresses and networks (`10.0.0.0/8`, `::1`), and `unix` for
    local sockets.

    Raises ValueError for anything that is neither.
    """

    __slots__ = ("_networks", "_trusts_unix")

    def __init__(self, networks: Iterable[str]) -> None:
        names = list(networks)
        self._trusts_unix = "unix" in names
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(name) for name in names if name != "unix"]

    def trusts(self, address: str | None) -> bool:
        """Whether the address (None or "" for a peer on a Unix socket) is one of the trusted; what is no address
        is not."""
        if not address:
            return self._trusts_unix
        parsed = _address(address)
        return parsed is not None and any(parsed in network for network in self._networks)


@dataclass(frozen=True, slots=True)
class Client:
    """The far end as the trusted proxies report it: `remote` is an address, an obfuscated name or `unknown`; scheme,
    host and port (the one that the client connected to) are None where unsaid, or not to be believed."""

    remote: str | None
    scheme: str | None
    host: str | None
    port: int | None = None


def resolve_client(peer: str | None, hops: Sequence[Mapping[str, str]], trusted: TrustedPeers) -> Client:
    """The nearest end that is not a trusted proxy, walking from our peer backwards through the hops.

    `hops` come from parse_forwarded() or x_forwarded(). Nothing that an untrusted peer claims is used.
    """
    remote, scheme, host, port = peer, None, None, None
    for hop in reversed(hops):
        if not trusted.trusts(remote):
            break
        scheme = _scheme(hop.get("proto")) or scheme
        host = _host(hop.get("host")) or host
        port = _port(hop.get("port")) or port
        node = node_address(hop.get("for", ""))
        if not node:
            break
        remote = node
    return Client(remote, scheme, host, port)


def x_forwarded(
    *, for_: Sequence[str], proto: Sequence[str] = (), host: Sequence[str] = (), port: Sequence[str] = ()
) -> tuple[Hop, ...]:
    """The values of X-Forwarded-For, -Proto, -Host and -Port (each a list of header lines) as hops like those of
    parse_forwarded().

    The lists are matched from the right, where the nearest proxy wrote; a list shorter than that of addresses gives
    its leftmost entry to the hops beyond it, for most proxies write scheme and host once.
    """
    addresses = _items(for_)
    others = {"proto": _items(proto), "host": _items(host), "port": _items(port)}
    hops = []
    for back in range(1, max(len(addresses), 1 if any(others.values()) else 0) + 1):
        hop = {}
        for name, items in others.items():
            if items:
                hop[name] = items[-min(back, len(items))]
        if back <= len(addresses):
            hop["for"] = addresses[-back]
        hops.append(MappingProxyType(hop))
    return tuple(reversed(hops))


def node_address(node: str) -> str:
    """The address of a node identifier (RFC 7239 6) without brackets and port: `[::1]:80` gives `::1`. Obfuscated
    names and `unknown` stay; "" stands for what is none of them, which must not get into logs as an address."""
    match = _NODE.fullmatch(node)
    if match is not None and match[3] is not None:
        return match[3]
    address = node if match is None else match[1] or match[2]  # X-Forwarded-For has IPv6 addresses without brackets
    return address if "%" not in address and _address(address) is not None else ""


def _parse_field(value: str) -> list[Hop]:
    hop: dict[str, str] = {}
    hops = [MappingProxyType(hop)]
    position = skip_space(value, 0)
    while position < len(value):
        if value[position] == ",":
            hop = {}
            hops.append(MappingProxyType(hop))
            position += 1
        elif value[position] == ";":
            position += 1
        else:
            end = _parse_pair(value, position, hop)
            if end is None:
                position = value.find(",", position)
                if position < 0:
                    break
            else:
                position = end
        position = skip_space(value, position)
    return hops


def _parse_pair(value: str, position: int, hop: dict[str, str]) -> int | None:
    """Reads one `name=value` into the hop and returns where it ends, or None where it is malformed."""
    name = TOKEN.match(value, position)
    if name is None or value[name.end() : name.end() + 1] != "=":
        return None
    try:
        text, end, quoted = scan_value(value, name.end() + 1)
    except ValueError:
        return None
    text = unescape(text) if quoted else text
    port = _PORT.match(value, end)  # a port makes the value need quotes, but many senders leave them out
    if port is not None and not quoted:
        text, end = text + port[0], port.end()
    following = skip_space(value, end)
    if following < len(value) and value[following] not in ";,":
        return None
    hop.setdefault(name[0].lower(), text)
    return following


def _items(lines: Sequence[str]) -> list[str]:
    items = [item.strip(" \t") for line in lines for item in line.split(",")]
    return [item for item in items if item][-MAX_FORWARDED_HOPS:]


def _host(text: str | None) -> str | None:
    """What could be a Host header; proxies pass on what the client has sent them."""
    try:
        return text if text and parse_authority(text).host else None
    except RemoteProtocolError:
        return None


def _scheme(text: str | None) -> str | None:
    return text.lower() if text is not None and text.lower() in ("http", "https", "ws", "wss") else None


def _port(text: str | None) -> int | None:
    if text is None or _DIGITS.fullmatch(text) is None or not 0 < int(text) <= 65535:
        return None
    return int(text)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])  # without the zone of a link-local address
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
