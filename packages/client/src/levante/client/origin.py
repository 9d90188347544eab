"""Where a request goes: the key under which its connection can be shared, the Host header, and the check of the URL
before any I/O."""

import ssl as ssl_module
from functools import lru_cache
from typing import Any, NamedTuple

from yarl import URL

from levante.http import Limits

from .proxies import Proxy
from .tls import SSLArgument

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
SECURE_SCHEMES = frozenset({"https", "wss"})


class ConnectionKey(NamedTuple):
    """Two requests may share a connection when their keys are equal. `server_hostname` is part of it: the
    certificate was checked against that name and no other (CVE-2026-54275). `limits` are those of the responses,
    None for the usual ones; `lenient` says whether responses are forgiven what nobody can frame by; `proxy` is what is
    dialled instead of the host."""

    host: str
    port: int | None
    is_ssl: bool
    ssl: SSLArgument
    server_hostname: str | None = None
    limits: Limits | None = None
    lenient: bool = False
    proxy: Proxy | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # A context cannot be pickled; whether it verified is what a reader of the error wants.
        ssl = self.ssl
        if isinstance(ssl, ssl_module.SSLContext):
            ssl = ssl.verify_mode is not ssl_module.CERT_NONE
        return ConnectionKey, (*self[:3], ssl, *self[4:])


def host_header(url: URL) -> str:
    """The Host field for `url`: the IDNA or bracketed host, with the port unless it is the scheme's own (RFC 9110
    section 7.2)."""
    host = url.host_subcomponent or ""
    host = host.rstrip(".") if host.endswith(".") else host
    return host if url.explicit_port is None or url.port == DEFAULT_PORTS.get(url.scheme) else f"{host}:{url.port}"


def same_origin(one: URL, other: URL) -> bool:
    """Same scheme, host and port (RFC 6454 section 4), a trailing dot of the host aside."""
    return (
        one.scheme == other.scheme
        and (one.raw_host or "").rstrip(".") == (other.raw_host or "").rstrip(".")
        and one.port == other.port
    )


@lru_cache(maxsize=1024)
def is_legacy_ipv4(host: str) -> bool:
    """Whether `host` is an IPv4 address in one of inet_aton's old spellings (`127.1`, `2130706433`, `0x7f.1`): libc
    would dial it, a filter of host names would not see it, so the client refuses it."""
    labels = host.rstrip(".").split(".")
    last = labels[-1].lower()
    is_number = last.isdigit() or (last.startswith("0x") and all(c in "0123456789abcdef" for c in last[2:]))
    if not (last.isascii() and is_number):
        return False
    canonical = len(labels) == 4 and all(
        label.isascii() and label.isdigit() and int(label) <= 255 and label == str(int(label)) for label in labels
    )
    return not canonical
