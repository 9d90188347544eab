"""What `trust_env=True` believes: the variables HTTP_PROXY, HTTPS_PROXY, WS_PROXY, WSS_PROXY, ALL_PROXY and NO_PROXY,
in lower case first, and the netrc file. The variables are read as they are at each hop; the file is read in an
executor, and looked at again once it may have changed. Reading text and deciding are pure; `Environment` does the
rest.

A CGI program finds the header field `Proxy` of whoever asks in HTTP_PROXY (CVE-2016-5385): where REQUEST_METHOD is
set, only the lower-case form is believed.
"""

import asyncio
import ipaddress
import logging
import netrc
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from yarl import URL

from .auth import BasicAuth
from .proxies import PLAIN_SCHEMES

# Seconds for which the netrc file counts as known: rotated credentials are seen soon, and no request waits for a disk.
NETRC_AGE = 30.0

_log = logging.getLogger(__name__)
_SCHEMES = ("http", "https", "ws", "wss", "all")
_NAMES = tuple(f"{scheme}_proxy" for scheme in (*_SCHEMES, "no"))
_VARIABLES = (*_NAMES, *(name.upper() for name in _NAMES), "REQUEST_METHOD")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Machines = Mapping[str, BasicAuth]


class NoProxy:
    """A NO_PROXY list, read: names (with what is below them; `*.name`: only what is below), addresses, networks in
    CIDR form, each with or without a port, `*` for everything. Separated by commas or blanks."""

    def __init__(self, text: str) -> None:
        self._everything = False
        self._names: list[tuple[str, int | None]] = []
        self._networks: list[tuple[IPNetwork, int | None]] = []
        for entry in re.split(r"[,\s]+", text.strip().lower()):
            self._read(entry)

    def _read(self, entry: str) -> None:
        network, port = _network(entry), None
        host = entry
        if network is None and (match := re.fullmatch(r"(\[[^\]]+\]|[^:]+):([0-9]+)", entry)):
            host, port = match[1], int(match[2])
            network = _network(host)
        if host == "*":
            self._everything = True
        elif network is not None:
            self._networks.append((network, port))
        elif name := host.removeprefix(".").rstrip("."):
            self._names.append((_as_in_urls(name), port))

    def covers(self, url: URL) -> bool:
        """Whether `url` is to be reached directly."""
        host = (url.raw_host or "").rstrip(".").lower()
        if self._everything:
            return True
        address = _address(host)
        if address is not None:
            return any(
                (port is None or port == url.port) and address.version == network.version and address in network
                for network, port in self._networks
            )
        return any((port is None or port == url.port) and _is_within(host, name) for name, port in self._names)


def _network(text: str) -> IPNetwork | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


def _address(text: str) -> IPAddress | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _as_in_urls(name: str) -> str:
    """`name` IDNA-encoded, as hosts are compared; what cannot be encoded matches nothing."""
    if name.isascii():
        return name
    stars = "*." if name.startswith("*.") else ""
    try:
        return stars + (URL.build(scheme="http", host=name.removeprefix(stars)).raw_host or "")
    except ValueError:
        return name


def _is_within(host: str, name: str) -> bool:
    if name.startswith("*."):
        return host.endswith(name[1:])
    return host == name or host.endswith("." + name)


class EnvironmentProxies:
    """The proxies that `variables` name."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._proxies: dict[str, str] = {}
        for scheme in _SCHEMES:
            value = variables.get(f"{scheme}_proxy")
            if value is None and not (scheme == "http" and "REQUEST_METHOD" in variables):
                value = variables.get(f"{scheme.upper()}_PROXY")
            if value:
                self._proxies[scheme] = value
        excepted = variables.get("no_proxy", variables.get("NO_PROXY", ""))
        self._excepted = NoProxy(excepted) if excepted.strip() else None

    def proxy_for(self, url: URL) -> str | None:
        """The URL of the proxy for `url`, None for a direct connection. One without a scheme is an http:// proxy."""
        proxies = self._proxies
        found = proxies.get(url.scheme) or proxies.get(PLAIN_SCHEMES.get(url.scheme, "")) or proxies.get("all")
        if found is None or (self._excepted is not None and self._excepted.covers(url)):
            return None
        return found if "://" in found else f"http://{found}"


class NetrcAccounts:
    """What a netrc file says: accounts by machine, and the `default` one."""

    def __init__(self, machines: Machines | None = None, default: BasicAuth | None = None) -> None:
        self._machines = machines or {}
        self._default = default

    def find(self, host: str, *, default: bool = True) -> BasicAuth | None:
        """The account for `host`; the `default` entry only where that is allowed."""
        return self._machines.get(host.rstrip(".")) or (self._default if default else None)


def read_netrc(path: Path) -> NetrcAccounts:
    """Read the file at `path`. OSError, or netrc.NetrcParseError for what is not to be understood."""
    hosts = netrc.netrc(os.fspath(path)).hosts
    accounts = {
        machine: BasicAuth(login or account or "", password or "", "utf-8")
        for machine, (login, account, password) in hosts.items()
    }
    return NetrcAccounts(accounts, accounts.pop("default", None))


def netrc_path(variables: Mapping[str, str]) -> Path:
    """Where the netrc file is: what NETRC says, else `.netrc` (`_netrc` on Windows) in the home directory."""
    named = variables.get("NETRC")
    return Path(named) if named else Path("~", "_netrc" if sys.platform == "win32" else ".netrc").expanduser()


class Environment:
    """The environment of this process, as a session that trusts it sees it. Await `refresh` before asking."""

    def __init__(self) -> None:
        self._variables: tuple[str | None, ...] = ()
        self._proxies = EnvironmentProxies({})
        self._accounts = NetrcAccounts()
        self._path: str | None = None
        self._read_at = 0.0

    async def refresh(self) -> None:
        """Read the netrc file if it may have changed. A file that is not there is no error, one that cannot be read
        is warned about in the log."""
        loop = asyncio.get_running_loop()
        named = os.environ.get("NETRC", "")
        if named == self._path and loop.time() - self._read_at < NETRC_AGE:
            return
        self._accounts = await loop.run_in_executor(None, _accounts)
        self._path, self._read_at = named, loop.time()

    def proxy_for(self, url: URL) -> str | None:
        """The proxy that the variables name for `url`."""
        variables = tuple(os.environ.get(name) for name in _VARIABLES)
        if variables != self._variables:
            self._variables = variables
            self._proxies = EnvironmentProxies(
                {name: value for name, value in zip(_VARIABLES, variables, strict=True) if value is not None}
            )
        return self._proxies.proxy_for(url)

    def credentials(self, host: str) -> BasicAuth | None:
        """What the netrc file has for exactly `host`, as for a proxy."""
        return self._accounts.find(host, default=False)

    def authorization(self, host: str, strayed: bool) -> str | None:
        """The Authorization value that the netrc file has for the origin at `host`. The `default` entry is not for
        hosts that only a redirect named (`strayed`): whoever redirects could collect it (CVE-2024-11053)."""
        account = self._accounts.find(host, default=not strayed)
        return None if account is None else account.encode()


def _accounts() -> NetrcAccounts:
    path = netrc_path(os.environ)
    try:
        return read_netrc(path)
    except FileNotFoundError:
        if os.environ.get("NETRC"):
            _log.warning("the file %s that NETRC names does not exist", path)
    except (OSError, RuntimeError, UnicodeDecodeError, netrc.NetrcParseError) as exc:
        # What cannot be parsed may be a password: say where it is, not what.
        where = f", line {exc.lineno}" if isinstance(exc, netrc.NetrcParseError) else ""
        _log.warning("the netrc file %s%s is not usable: %s", path, where, type(exc).__name__)
    return NetrcAccounts()
