"""HTTP Strict Transport Security (RFC 6797): which hosts asked to be reached by TLS only, so that a URL with http://
that leads there is upgraded before anything is sent. The first visit is in plain text still, unless the store is filled
beforehand: `save` and `load` it, or `add` the hosts that are known."""

import json
import math
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from yarl import URL

from .atomicfile import replace_file
from .cookierules import is_ip_address

# Precedent: browsers keep a thousand; what is forgotten is the host that was heard from least recently.
MAX_HOSTS = 1000
# Browsers take at most a year or two for a name that nobody confirms.
MAX_AGE = 2 * 365 * 24 * 3600
FILE_VERSION = 1

_UPGRADES = {"http": "https", "ws": "wss"}
_HTTP_PORT = 80
_MAX_DIGITS = 15
_DIRECTIVE = re.compile(r'[ \t]*([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)[ \t]*(?:=[ \t]*("(?:[^"\\]|\\.)*"|[^ \t";]+))?[ \t]*')


class Policy(NamedTuple):
    """What a Strict-Transport-Security field says: `max_age` in seconds, 0 to forget."""

    max_age: int
    include_subdomains: bool


def parse_policy(field: str) -> Policy | None:
    """RFC 6797 section 6.1. None for a field that does not keep to the grammar, has a directive twice, or no max-age:
    it is ignored as a whole."""
    directives: dict[str, str] = {}
    position = 0
    while position < len(field):
        if field[position] in "; \t":
            position += 1
            continue
        match = _DIRECTIVE.match(field, position)
        if match is None or (match.end() < len(field) and field[match.end()] != ";"):
            return None
        name = match[1].lower()
        if name in directives:
            return None
        directives[name] = _unquoted(match[2] or "")
        position = match.end()
    age = directives.get("max-age", "")
    if not (age.isascii() and age.isdecimal()) or directives.get("includesubdomains"):
        return None
    seconds = int(age) if len(age) <= _MAX_DIGITS else MAX_AGE
    return Policy(min(seconds, MAX_AGE), "includesubdomains" in directives)


class _Known(NamedTuple):
    """A host: until when, in POSIX seconds, and whether with all below it."""

    expires: float
    include_subdomains: bool


class HSTSStore:
    """The hosts that are reached by TLS only: `ClientSession(hsts=HSTSStore())`, shared by sessions if you like. IP
    addresses are never among them, and only answers over verified TLS put a host in."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._hosts: dict[str, _Known] = {}

    def __len__(self) -> int:
        now = self._clock()
        return sum(known.expires > now for known in self._hosts.values())

    def __contains__(self, host: object) -> bool:
        return isinstance(host, str) and self._covers(_canonical(host))

    def add(self, host: str, *, max_age: int = MAX_AGE, include_subdomains: bool = False) -> None:
        """Reach `host` (IDNA-encoded) by TLS only for `max_age` seconds; 0 or less forgets it. ValueError for an IP
        address."""
        name = _canonical(host)
        if not name or is_ip_address(name):
            raise ValueError(f"expected the name of a host, got {host!r}: RFC 6797 is not for IP addresses")
        self._hosts.pop(name, None)
        if max_age <= 0:
            return
        if len(self._hosts) >= MAX_HOSTS:
            self._make_room()
        self._hosts[name] = _Known(self._clock() + min(max_age, MAX_AGE), include_subdomains)

    def learn(self, url: URL, field: str | None) -> None:
        """Heed the first Strict-Transport-Security `field` (None: there is none) of an answer from `url` over TLS that
        was verified."""
        host = _canonical(url.raw_host or "")
        if field is None or url.scheme not in _UPGRADES.values() or is_ip_address(host):
            return
        policy = parse_policy(field)
        if policy is not None:
            self.add(host, max_age=policy.max_age, include_subdomains=policy.include_subdomains)

    def upgrade(self, url: URL) -> URL:
        """`url`, with TLS if its host asked for that (RFC 6797 section 8.3): port 80 becomes 443, another one stays."""
        scheme = _UPGRADES.get(url.scheme)
        if scheme is None or not self._hosts or not self._covers(_canonical(url.raw_host or "")):
            return url
        port = None if url.explicit_port == _HTTP_PORT else url.explicit_port
        return url.with_port(None).with_scheme(scheme).with_port(port)

    def save(self, file_path: str | os.PathLike[str]) -> None:
        """Write the hosts to a JSON file with mode 0600, replacing it as a whole."""
        now = self._clock()
        hosts = {name: list(known) for name, known in self._hosts.items() if known.expires > now}
        replace_file(Path(file_path), json.dumps({"version": FILE_VERSION, "hosts": hosts}).encode())

    def load(self, file_path: str | os.PathLike[str]) -> None:
        """Add the hosts of a file that `save` wrote. ValueError for anything else; nothing is added then."""
        try:
            data = json.loads(Path(file_path).read_bytes())
            if data["version"] != FILE_VERSION:
                raise ValueError(f"version {data['version']!r}, expected {FILE_VERSION}")
            hosts = {_checked_name(name): _checked(record) for name, record in data["hosts"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"{file_path!r} is not a file that HSTSStore.save wrote: {error}") from error
        now = self._clock()
        for name, known in hosts.items():
            if known.expires > now:
                self.add(name, max_age=int(known.expires - now) + 1, include_subdomains=known.include_subdomains)

    def _covers(self, host: str) -> bool:
        name, exact = host, True
        while name:
            known = self._hosts.get(name)
            if known is not None and (exact or known.include_subdomains) and known.expires > self._clock():
                return True
            name, exact = name.partition(".")[2], False
        return False

    def _make_room(self) -> None:
        now = self._clock()
        expired = [name for name, known in self._hosts.items() if known.expires <= now]
        for name in expired or [next(iter(self._hosts))]:
            del self._hosts[name]


def _canonical(host: str) -> str:
    return host.lower().removesuffix(".")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _checked_name(name: str) -> str:
    if not name or is_ip_address(name):
        raise ValueError(f"{name!r} is not the name of a host")
    return name


def _checked(record: Any) -> _Known:  # Any: what JSON holds
    expires, include_subdomains = record
    if not (isinstance(expires, (int, float)) and math.isfinite(expires) and isinstance(include_subdomains, bool)):
        raise TypeError(f"expected a time and a bool, got {record!r}")
    return _Known(float(expires), include_subdomains)
