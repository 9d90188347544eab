"""What the head of a request says: target, header fields, conditions. Everything is made when it is first asked for
and then kept, so that a handler pays for what it reads and for nothing else.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from multidict import CIMultiDictProxy, MultiDict, MultiDictProxy
from propcache.api import under_cached_property as cached
from yarl import URL

from levante.http.cookies import parse_cookie
from levante.http.dates import parse_date
from levante.http.errors import LimitExceeded
from levante.http.exchange import Exchange
from levante.http.forms import parse_urlencoded
from levante.http.forwarded import parse_forwarded
from levante.http.heads import RequestHead
from levante.http.limits import ContentLimits
from levante.http.mediatypes import MediaType, parse_media_type
from levante.http.requestids import new_request_id
from levante.http.target import Target, absolute_url, decode_path, relative_url, split_target
from levante.http.validators import ETag, parse_etags, parse_range
from levante.http.versions import HttpVersion

from .state import StateMapping

CONTENT_LIMITS = ContentLimits()
"""What holds for a request that came by no server, and for all others unless their server says otherwise."""

UNKNOWN_TYPE = MediaType("application", "octet-stream")
"""What a body without a readable Content-Type is (RFC 9110 section 8.3)."""


class RequestHeadView(StateMapping):
    """The lazy view of a request head. `BaseRequest` sets its fields, and its own in the same breath."""

    __slots__ = ("_cache", "exchange", "head", "method", "target_text")

    exchange: Exchange
    head: RequestHead
    method: str
    target_text: str
    """The request target as it was sent, or as a clone has it."""
    _cache: dict[str, Any]  # Any: each cached property has its own type

    @property
    def content_limits(self) -> ContentLimits:
        """How many cookies, pairs of a query and fields of a form a request may have."""
        return CONTENT_LIMITS

    def learn(self, facts: Mapping[str, Any]) -> None:
        """For what stands in front of the application: replace `remote`, `scheme` or `host` (Any: as in `_cache`)."""
        self._cache.update(facts)
        self._cache.pop("url", None)

    # Its name.

    @cached
    def id(self) -> str:
        """What the request is called in logs and error pages: 32 hexadecimal digits, made when somebody asks first;
        what somebody in front of us has called it where the middleware `request_id` believes that.
        """
        return new_request_id()

    def take_id(self, given: str) -> None:
        """For the middleware: have `given` as the id, unless there is one already."""
        self._cache.setdefault("id", given)

    # The target.

    @property
    def match_path(self) -> str:
        """The path that routes are compared with: percent-decoded, but for `%2F` and `%25`. Raises
        RemoteProtocolError for a bad target.
        """
        target = self.target_text
        if target[0] == "/" and "?" not in target and "%" not in target:
            return target
        return decode_path(self.target.path)

    @cached
    def target(self) -> Target:
        """The parts of the request target, still encoded. Raises RemoteProtocolError (400) when the method does not
        allow its form.
        """
        return split_target(self.method, self.target_text)

    @property
    def version(self) -> HttpVersion:
        """The HTTP version of the request."""
        return self.head.version

    @cached
    def scheme(self) -> str:
        """`https` when the connection is TLS, else `http`; what proxies say is not believed, see `clone`."""
        return "http" if self.exchange.get_extra_info("sslcontext") is None else "https"

    @property
    def secure(self) -> bool:
        """Whether the scheme is `https`."""
        return self.scheme == "https"

    @cached
    def host(self) -> str:
        """The Host header (no target says anything else, or it is refused), else the authority of the target, else the
        address that the connection was accepted at, else `""`; with the port if it was given.
        """
        host = self.headers.get("Host")
        if host is not None:
            return host
        if self.target_text[0] != "/" and self.target.authority is not None:
            return str(self.target.authority)
        address = self.exchange.get_extra_info("sockname")
        if not isinstance(address, tuple):
            return ""
        name = str(address[0])
        return f"[{name}]" if ":" in name else name

    @cached
    def remote(self) -> str | None:
        """The address of the peer, without port; of the proxy, when there is one, see `clone`."""
        address = self.exchange.get_extra_info("peername")
        if isinstance(address, tuple):
            return str(address[0])
        return str(address) if address else None

    @cached
    def url(self) -> URL:
        """The absolute URL, of `scheme` and `host`; what an absolute target calls its scheme is not believed."""
        return absolute_url(self.scheme, self.host, self.target)

    @cached
    def rel_url(self) -> URL:
        """Path and query as a URL."""
        return relative_url(self.target)

    @property
    def path(self) -> str:
        """The decoded path."""
        target = self.target_text
        if target[0] == "/" and "%" not in target and "?" not in target:
            return target  # as the URL would say, which need not be made for it
        return self.rel_url.path

    @property
    def path_qs(self) -> str:
        """Path and query, encoded."""
        return str(self.rel_url)

    @cached
    def raw_path(self) -> str:
        """Path and query exactly as they were sent, without scheme and authority of an absolute target."""
        target = self.target
        return target.path if target.query is None else f"{target.path}?{target.query}"

    @cached
    def query(self) -> MultiDictProxy[str]:
        """The decoded query. Raises LimitExceeded (414) beyond the server's `content_limits.max_query_fields`."""
        query = self.target.query
        if not query:
            return MultiDictProxy(MultiDict())
        maximum = self.content_limits.max_query_fields
        try:
            return MultiDictProxy(MultiDict(parse_urlencoded(query, max_fields=maximum)))
        except LimitExceeded as exc:
            raise LimitExceeded("max_query_fields", maximum=maximum) from exc

    @property
    def query_string(self) -> str:
        """The decoded query as text."""
        return self.rel_url.query_string

    # The header.

    @cached
    def headers(self) -> CIMultiDictProxy[str]:
        """The header fields; names compare without case, a repeated field has several values."""
        return self.head.headers

    @cached
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The header fields as bytes, in the order and case of the request."""
        return self.head.raw_headers

    @cached
    def forwarded(self) -> tuple[Mapping[str, str], ...]:
        """The hops of the Forwarded headers (RFC 7239), the farthest first; anyone can have written them."""
        return tuple(parse_forwarded(self.headers.getall("Forwarded", ())))

    @cached
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name, read leniently; of several with one name the first holds. Raises LimitExceeded (431)
        beyond the server's `content_limits`: a session must not get lost among cookies that nobody reads.
        """
        limits = self.content_limits
        fields = self.headers.getall("Cookie", ())
        return MappingProxyType(
            parse_cookie("; ".join(fields), max_cookies=limits.max_cookies, max_cookie_size=limits.max_cookie_size)
        )

    @cached
    def media_type(self) -> MediaType:
        """The parsed Content-Type; `application/octet-stream` when there is none, or one that cannot be read."""
        try:
            return parse_media_type(self.headers["Content-Type"])
        except (KeyError, ValueError):
            return UNKNOWN_TYPE

    @property
    def content_type(self) -> str:
        """The media type of the body, lower case, without parameters."""
        return self.media_type.essence

    @property
    def charset(self) -> str | None:
        """The charset of the body if it is declared."""
        return self.media_type.charset

    @property
    def content_length(self) -> int | None:
        """The declared length of the body in bytes, None when it is unknown."""
        return self.head.content_length

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants the connection kept open."""
        return self.head.keep_alive

    @cached
    def if_modified_since(self) -> datetime | None:
        """If-Modified-Since, None when absent or no date."""
        return parse_date(self.headers.get("If-Modified-Since"))

    @cached
    def if_unmodified_since(self) -> datetime | None:
        """If-Unmodified-Since, None when absent or no date."""
        return parse_date(self.headers.get("If-Unmodified-Since"))

    @cached
    def if_range(self) -> datetime | None:
        """If-Range when it is a date; `FileResponse` understands its entity tags as well."""
        return parse_date(self.headers.get("If-Range"))

    @cached
    def if_match(self) -> tuple[ETag, ...] | None:
        """The entity tags of If-Match, None when absent."""
        return parse_etags(self.headers.get("If-Match"))

    @cached
    def if_none_match(self) -> tuple[ETag, ...] | None:
        """The entity tags of If-None-Match, None when absent."""
        return parse_etags(self.headers.get("If-None-Match"))

    @property
    def http_range(self) -> slice:
        """The single byte range asked for, as a slice; a suffix has a negative start. ValueError when malformed or
        several.
        """
        return parse_range(self.headers.get("Range"))
