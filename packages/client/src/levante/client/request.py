"""One request, ready to be sent: its URL and head checked before anything is dialled, its automatic header fields,
its body and how that is framed. `ClientRequest` is what middlewares see and may change. No I/O."""

import io
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict, CIMultiDictProxy, istr
from yarl import URL

from levante.http import ACCEPTABLE, HttpVersion, HttpVersion10, HttpVersion11, Payload, get_payload, hdrs

from .cookiejar import AbstractCookieJar, CookieJar, LooseCookies
from .errors import InvalidUrlClientError, NonHttpUrlClientError, RequestInfo
from .formdata import FormData
from .origin import SECURE_SCHEMES, ConnectionKey, host_header, is_legacy_ipv4
from .proxies import Fields, Proxy, ProxyRules, headers_beyond
from .timeouts import ClientTimeout
from .tls import SSLArgument

if TYPE_CHECKING:
    from .session import ClientSession

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"})
# Methods whose request has a body as a rule: without a type for it, it is bytes.
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
# Methods that say nothing about a body when they have none (RFC 9110 section 8.6); all others send Content-Length: 0.
BODILESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "CONNECT"})
# The types that FormData takes as a collection of fields.
FORM_TYPES = (list, tuple, Mapping)
CONTINUE = "100-continue"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BAD_TARGET = re.compile(r"[\x00-\x20\x7f]")

LooseHeaders = (
    Mapping[str, str] | Mapping[istr, str] | CIMultiDict[str] | CIMultiDictProxy[str] | Iterable[tuple[str, str]]
)


def check_method(method: str) -> str:
    """`method` in upper case; ValueError when it is not a token (RFC 9110 section 9.1; CVE-2023-49082)."""
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"a method is a token of letters, digits and !#$%&'*+-.^_`|~, got {method!r}")
    return method.upper()


def check_version(version: object) -> HttpVersion:
    """`version` if requests can be sent as it; ValueError for anything else (CVE-2023-49081)."""
    if isinstance(version, HttpVersion) and version in (HttpVersion10, HttpVersion11):
        return version
    raise ValueError(f"requests are sent as HttpVersion10 or HttpVersion11, got version={version!r}")


def check_url(url: URL, schemes: frozenset[str]) -> URL:
    """`url` if a request can go to it. NonHttpUrlClientError for its scheme, InvalidUrlClientError for its host or
    its characters."""
    if url.scheme not in schemes:
        raise NonHttpUrlClientError(url, f"expected one of the schemes {sorted(schemes)}")
    if not url.raw_host:
        raise InvalidUrlClientError(url, "the URL has no host")
    if is_legacy_ipv4(url.raw_host):
        raise InvalidUrlClientError(url, "an IPv4 address must be written as four decimal numbers")
    if _BAD_TARGET.search(url.raw_path_qs):
        raise InvalidUrlClientError(
            str(url).encode("unicode_escape").decode(), "the path or query has a space or a control character"
        )
    return url


def check_headers(headers: LooseHeaders) -> CIMultiDict[str]:
    """`headers` as a multidict of their own; ValueError for a name that is no token or a value with control
    characters."""
    checked: CIMultiDict[str] = CIMultiDict(headers)
    for name, value in checked.items():
        if not isinstance(value, str):
            raise TypeError(f"the value of header {name!r} must be str, got {type(value).__name__}")
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"a header name is a token, got {name!r}")
        if _BAD_VALUE.search(value):
            raise ValueError(f"the value of header {name!r} has control characters: {value!r}")
    return checked


def canonical_names(names: Iterable[str] | None) -> frozenset[istr]:
    """Header names as the automatic ones are written, so that a set of them can be asked."""
    return frozenset(istr(name.title()) for name in names or ())


def merge_headers(defaults: CIMultiDict[str], headers: LooseHeaders | None) -> CIMultiDict[str]:
    """The defaults of a session with those of a request over them: same-named ones replaced, repeated ones of the
    request kept."""
    merged = defaults.copy()
    if headers:
        own = check_headers(headers)
        for name in own:
            merged.popall(name, None)
        merged.extend(own)
    return merged


def code_cookies(cookies: LooseCookies, url: URL, jar: AbstractCookieJar) -> dict[str, str]:
    """Per-request `cookies` by name, their values as they go over the wire: those that `jar`, the session's, would send
    to `url` (a Morsel may be Secure, or for another domain), quoted as it quotes."""
    secure = jar.treat_as_secure_origin if isinstance(jar, CookieJar) else ()
    own = CookieJar(unsafe=True, quote_cookie=jar.quote_cookie, treat_as_secure_origin=tuple(secure))
    own.update_cookies(cookies)
    return {name: morsel.coded_value for name, morsel in own.filter_cookies(url).items()}


def cookie_field(given: str | None, jar: str, cookies: Mapping[str, str]) -> str:
    """The Cookie field: what the caller's header has, then the jar's, then the request's own; a later one replaces
    an equal name."""
    if not given and not cookies:
        return jar
    pairs: dict[str, str] = {}
    for text in (given or "", jar):
        for pair in text.split("; "):
            name, equals, value = pair.partition("=")
            if equals:
                pairs[name] = value
    pairs.update(cookies)
    return "; ".join(f"{name}={value}" for name, value in pairs.items())


class ClientRequest:
    """A request on its way. Middlewares may set `url`, `method` and the fields of `headers`, and replace the body by
    `update_body`.

    `original_url` is the URL of this hop with its fragment; `headers` are all that will be sent; `body` is the
    payload or None; `proxy` is the URL of the proxy that `url` leads through, without credentials.
    """

    __slots__ = (
        "_key", "body", "chunked", "compress", "expect100", "headers", "length", "method", "original_url",
        "proxies", "server_hostname", "session", "skip_auto_headers", "ssl", "timeout", "url", "version", "via",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        url: URL,
        *,
        session: "ClientSession",
        headers: CIMultiDict[str],
        skip_auto_headers: frozenset[istr] = frozenset(),
        body: object = None,
        chunked: bool | None = None,
        compress: str | None = None,
        expect100: bool = False,
        ssl: SSLArgument = True,
        server_hostname: str | None = None,
        timeout: ClientTimeout,
        version: HttpVersion = HttpVersion11,
        proxies: ProxyRules | None = None,
    ) -> None:
        self.method = method
        self._go_to(url)
        self.session = session
        self.headers = headers
        self.skip_auto_headers = skip_auto_headers
        self.chunked = chunked
        self.compress = compress
        self.expect100 = _take_expectation(headers) or expect100
        self.ssl = ssl
        self.server_hostname = server_hostname
        self.timeout = timeout
        self.version = version
        self.proxies = proxies
        self.via: Proxy | None = None
        self.body: Payload | None = None
        self.length: int | None = 0
        self._key: tuple[URL, ConnectionKey] | None = None
        self._set_body(body)

    def __repr__(self) -> str:
        return f"<ClientRequest {self.method} {self.url}>"

    def is_ssl(self) -> bool:
        """Whether the connection must be TLS."""
        return self.url.scheme in SECURE_SCHEMES

    @property
    def request_info(self) -> RequestInfo:
        """What is asked, for responses and errors."""
        return RequestInfo(self.url, self.method, CIMultiDictProxy(self.headers), self.original_url)

    @property
    def connection_key(self) -> ConnectionKey:
        """Which connections can carry this request."""
        if self._key is None or self._key[0] is not self.url:
            url = self.url
            secure = self.is_ssl()
            key = ConnectionKey(
                url.raw_host or "", url.port, secure, self.ssl if secure else True, self.server_hostname
            )
            self._key = (url, key)
        return self._key[1]

    @property
    def target(self) -> str:
        """The request target: in origin form (RFC 9112 section 3.2.1), or absolute for a proxy that forwards it
        (3.2.2)."""
        if self.via is None or self.via.tunnel:
            return self.url.raw_path_qs
        return f"{self.url.scheme}://{host_header(self.url)}{self.url.raw_path_qs}"

    @property
    def proxy(self) -> URL | None:
        """The proxy that `url` leads through, None for a direct connection."""
        chosen = None if self.proxies is None else self.proxies.choose(self.url)
        return None if chosen is None else chosen.url

    @property
    def proxy_headers(self) -> Fields:
        """The fields that were given for the proxy."""
        chosen = None if self.proxies is None else self.proxies.choose(self.url)
        return () if chosen is None else chosen.fields

    def set_out(self) -> ConnectionKey:
        """Decide, from `url` as it is now, by way of which proxy the request goes, and return the key of the
        connections that can carry it."""
        if self.proxies is None:
            return self.connection_key
        self.via = self.proxies.choose(self.url, self.headers)
        key = self.connection_key._replace(proxy=self.via)
        if self.via is not None and self.via.url.scheme == "https" and not key.is_ssl:
            key = key._replace(ssl=self.ssl)  # a context is for the proxy as well
        return key

    @property
    def needs_fresh_connection(self) -> bool:
        """Whether a connection that was used before will not do: proxies that forward (tinyproxy above all) close
        after an answer without having said so, and this request could not be sent again."""
        return self.via is not None and not self.via.tunnel and self.method not in IDEMPOTENT_METHODS

    @property
    def sent_headers(self) -> CIMultiDict[str]:
        """The fields that leave with the request: `headers`, and for a proxy what only it may see."""
        return self.headers if self.proxies is None else headers_beyond(self.headers, self.via)

    def variant(
        self,
        *,
        url: URL | None = None,
        headers: CIMultiDict[str] | None = None,
        timeout: ClientTimeout | None = None,
        body: Payload | None = None,
    ) -> "ClientRequest":
        """The same request with something else in it. Of this very class: what a subclass adds stays behind."""
        other = ClientRequest.__new__(ClientRequest)
        other.method = self.method
        other.session = self.session
        other.headers = self.headers if headers is None else headers
        other.skip_auto_headers = self.skip_auto_headers
        other.chunked = self.chunked
        other.compress = self.compress
        other.expect100 = self.expect100
        other.ssl = self.ssl
        other.server_hostname = self.server_hostname
        other.timeout = self.timeout if timeout is None else timeout
        other.version = self.version
        other.proxies = self.proxies
        other.via = self.via
        other.body = self.body
        other.length = self.length
        other._key = self._key  # noqa: SLF001 - of this class
        if url is None:
            other.original_url, other.url = self.original_url, self.url
        else:
            other._go_to(url)  # noqa: SLF001 - of this class
        if body is not None:
            other._set_body(body)  # noqa: SLF001 - of this class
        return other

    async def update_body(self, body: object) -> None:
        """Send `body` instead of the present one, which is closed. None: no body."""
        if self.body is not None and self.body is not body:
            await self.body.close()
        for name in (hdrs.CONTENT_LENGTH, hdrs.CONTENT_TYPE):
            self.headers.popall(name, None)
        if self.compress:
            self.headers.popall(hdrs.CONTENT_ENCODING, None)
        self._set_body(body)

    def _go_to(self, url: URL) -> None:
        self.original_url = url
        self.url = url.with_fragment(None) if url.raw_fragment else url

    def _set_body(self, body: object) -> None:
        self.body = None if body is None else as_payload(body)
        headers = self.headers
        if self.body is None:
            self.length = 0
            if self.method not in BODILESS_METHODS and hdrs.CONTENT_LENGTH not in headers:
                headers[hdrs.CONTENT_LENGTH] = "0"
        else:
            self._frame(self.body)
        wants_type = self.method in BODY_METHODS and hdrs.CONTENT_TYPE not in self.skip_auto_headers
        if wants_type and hdrs.CONTENT_TYPE not in headers:
            headers[hdrs.CONTENT_TYPE] = "application/octet-stream"

    def _frame(self, payload: Payload) -> None:
        """RFC 9112 section 6: Content-Length when the size is known and the body goes as it is, else chunked."""
        headers = self.headers
        for name, value in (payload.headers or {}).items():
            if name not in headers and name not in self.skip_auto_headers:
                headers[name] = value
        if self.compress:
            headers[hdrs.CONTENT_ENCODING] = self.compress
        given = headers.get(hdrs.CONTENT_LENGTH)
        if given is not None:
            if not (given.isascii() and given.isdigit()):
                raise ValueError(f"Content-Length must be digits, got {given!r}")
            self.length = int(given)
        elif self.compress or self.chunked or payload.size is None:
            self.length = None
        else:
            self.length = payload.size
            headers[hdrs.CONTENT_LENGTH] = str(payload.size)


def check_framing(headers: CIMultiDict[str], *, compress: str | None, chunked: bool | None) -> bool | None:
    """`chunked` as it will be. ValueError where the arguments and the headers given contradict each other."""
    if compress and hdrs.CONTENT_ENCODING in headers:
        raise ValueError("compress= and a Content-Encoding header exclude each other: give one of them")
    coding = headers.get(hdrs.TRANSFER_ENCODING)
    if chunked and (coding is not None or hdrs.CONTENT_LENGTH in headers):
        raise ValueError(
            "chunked=True sets the framing: do not give a Content-Length or Transfer-Encoding header as well"
        )
    if coding is None:
        return chunked
    if coding.lower() != "chunked":
        raise ValueError(f"the only transfer coding a request can have is chunked, got {coding!r}")
    headers.popall(hdrs.TRANSFER_ENCODING)
    return True


def check_compress(compress: bool | str | None) -> str | None:
    """The name of the coding that a `compress` argument stands for, None for none. ValueError for one that is unknown,
    or whose library is not installed."""
    if compress is True:
        return "deflate"
    if compress is False or compress is None:
        return None
    if compress in ACCEPTABLE:
        return compress
    raise ValueError(f"compress must be False, True or one of {', '.join(ACCEPTABLE)}; got {compress!r}")


def as_payload(body: Any) -> Payload:  # Any: whatever the payload registry knows
    """`body` as a payload: a form from mappings, pairs and FormData, the rest by the registry of payloads. TypeError
    for what has none."""
    if isinstance(body, FormData):
        return body()
    if isinstance(body, FORM_TYPES):
        return FormData(body)()
    try:
        payload = get_payload(body)
    except LookupError as exc:
        raise TypeError(f"nothing can be sent of the {type(body).__name__} in data=: {exc}") from exc
    if isinstance(body, io.IOBase):
        payload.headers.popall(hdrs.CONTENT_DISPOSITION, None)  # which is for the parts of a form
    return payload


def automatic_headers(
    headers: CIMultiDict[str], url: URL, *, automatic: Mapping[str, str], skip: frozenset[istr]
) -> CIMultiDict[str]:
    """`headers` with Host before them and the `automatic` ones that are not there yet, except those to `skip` (C5)."""
    complete: CIMultiDict[str] = CIMultiDict()
    if hdrs.HOST not in headers:
        complete[hdrs.HOST] = host_header(url)
    complete.extend(headers)
    for name, value in automatic.items():
        if name not in headers and name not in skip:
            complete[name] = value
    return complete


def _take_expectation(headers: CIMultiDict[str]) -> bool:
    """Whether the caller asks for 100 (Continue) by a field, which is taken away: it is written with the head, and only
    where there is content to wait with (RFC 9110 section 10.1.1)."""
    said = headers.get(hdrs.EXPECT, "").strip(" \t").lower() == CONTINUE
    if said:
        headers.popall(hdrs.EXPECT)
    return said
