"""Where one site ends and another begins: the public suffixes below which anybody can register a name (`co.uk`,
`github.io`), and what follows for cookies. The list is that of the package `publicsuffixlist`, which carries a fresh
copy in each of its frequent releases and depends on nothing; without it, a name without a dot is a public suffix and
nothing else is.

SameSite is about the site that a request is made for, which a browser shows in its address bar. A client has none
unless it is told: one that acts for a page says so by `CookieJar(site=...)`.
"""

from collections.abc import Callable
from typing import Protocol

from yarl import URL

from .cookierules import is_ip_address

__all__ = ["PublicSuffixes", "Site", "SuffixList"]

_HTTP_SCHEMES = {"ws": "http", "wss": "https"}
# The SameSite values that keep a cookie at home. Lax makes an exception for navigation, which a client does not do.
_AT_HOME = frozenset({"lax", "strict"})


class SuffixList(Protocol):
    """What a jar needs of a list of public suffixes."""

    def is_public(self, domain: str) -> bool:
        """Whether anybody may register names below `domain` (lower case, IDNA-encoded)."""
        ...

    def site_of(self, host: str) -> str:
        """The public suffix of `host` and one label more; `host` itself where there is none."""
        ...


class PublicSuffixes:
    """The list of the package `publicsuffixlist` (extra `psl`). Making one reads it, about 25 ms and 1.4 MiB:
    make one and share it. With `private=False` only the suffixes of registries count (`co.uk`), not those of companies
    that let users have names (`github.io`). ImportError without the package.
    """

    def __init__(self, *, private: bool = True) -> None:
        try:
            from publicsuffixlist import PublicSuffixList
        except ImportError as error:
            raise ImportError(
                "PublicSuffixes needs the package publicsuffixlist: install levante-client[psl]"
            ) from error
        self._list = PublicSuffixList(only_icann=not private)

    def is_public(self, domain: str) -> bool:
        """Whether anybody may register names below `domain` (lower case, IDNA-encoded)."""
        return bool(self._list.publicsuffix(domain) == domain)

    def site_of(self, host: str) -> str:
        """The public suffix of `host` and one label more; `host` itself where there is none."""
        return str(self._list.privatesuffix(host) or host)


class Site:
    """The site that requests are made for: scheme and registrable domain of `url` (RFC 6265bis section 5.2). Without
    `suffixes` it is the host alone, for what stands above it may be anybody's. ValueError for a URL without a host."""

    def __init__(self, url: URL | str, suffixes: SuffixList | None) -> None:
        self._site_of: Callable[[str], str] | None = None if suffixes is None else suffixes.site_of
        self._name = self._named(URL(url))
        if not self._name[1]:
            raise ValueError(f"a site has a scheme and a host, such as https://shop.example; got {str(url)!r}")

    def keeps_from(self, url: URL, samesite: str) -> bool:
        """Whether a cookie whose SameSite is `samesite` has nothing to do with `url`."""
        return samesite.lower() in _AT_HOME and self._named(url) != self._name

    def _named(self, url: URL) -> tuple[str, str]:
        host = (url.raw_host or "").lower().removesuffix(".")
        if self._site_of is not None and host and not is_ip_address(host):
            host = self._site_of(host)
        return _HTTP_SCHEMES.get(url.scheme, url.scheme), host
