"""Rules on the Host header, for applications that belong to a domain."""

import re
from fnmatch import translate
from typing import TYPE_CHECKING

from yarl import URL

if TYPE_CHECKING:
    from levante.web.types import Request

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_DEFAULT_PORT = 80


class Domain:
    """An exact host, whatever its case. Without a port (or with 80) it is that host at any port, with one at that port
    only.

    Raises TypeError when `domain` is no str, ValueError when it has a scheme or a label that is no DNS label (RFC
    1035 section 2.3.1).
    """

    def __init__(self, domain: str) -> None:
        self._domain = self.validated(domain)

    @property
    def canonical(self) -> str:
        """The rule as text."""
        return self._domain

    def validated(self, domain: str) -> str:
        """The domain in lower case, with its port when it is not 80."""
        if not isinstance(domain, str):
            raise TypeError(f"a domain is a str; got {domain!r}")
        domain = domain.rstrip(".").lower()
        if not domain:
            raise ValueError("a domain cannot be empty")
        if "://" in domain:
            raise ValueError(f"a domain has no scheme; got {domain!r}")
        url = URL("http://" + domain)
        host = url.raw_host or ""
        if not all(_LABEL.fullmatch(label) for label in host.split(".")):
            raise ValueError(f"{domain!r} is no valid domain")
        return host if url.port == _DEFAULT_PORT else f"{host}:{url.port}"

    def match(self, request: "Request") -> bool:
        """Whether the request's Host header fits; without the header nothing fits."""
        return bool(request.headers.get("Host")) and self.match_domain(request.host)

    def match_domain(self, host: str) -> bool:
        """Whether a host fits, which may have a port."""
        host = host.lower()
        return self._domain in (host, host.partition(":")[0])

    def get_info(self) -> dict[str, str]:
        """What the rule is, for tools that list routes."""
        return {"domain": self._domain}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.canonical}>"


class MaskDomain(Domain):
    """A host with `*` for any run of characters of the name, dots included; ports as in `Domain`."""

    def __init__(self, domain: str) -> None:
        super().__init__(domain)
        name, _, self._port = self._domain.partition(":")
        # translate() gives a pattern that is linear in the Host, which a stranger sends.
        self._mask = re.compile(translate(name), re.IGNORECASE)

    def validated(self, domain: str) -> str:
        super().validated(domain.replace("*", "x"))
        return domain.rstrip(".").lower()

    def match_domain(self, host: str) -> bool:
        name, _, port = host.partition(":")
        return self._port in ("", port) and self._mask.fullmatch(name) is not None
