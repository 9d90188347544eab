"""The keyword arguments that requests take, and the defaults that a session has for them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

from multidict import CIMultiDict, istr
from yarl import URL

from levante.http import HttpVersion, Limits

from .auth import BasicAuth
from .cache import Cache
from .cookiejar import AbstractCookieJar, LooseCookies
from .environment import Environment
from .hsts import HSTSStore
from .middlewares import ClientMiddlewareType
from .proxies import ProxyMap, ProxyRules
from .redirects import MAX_REDIRECTS
from .request import ClientRequest, LooseHeaders
from .resilience import Resilience
from .response import CharsetResolver, ClientResponse
from .retry import Retry
from .timeouts import ClientTimeout, DeadlineWheel
from .tls import SSLArgument
from .tracing import TraceConfig

if TYPE_CHECKING:
    from .session import ClientSession

StrOrURL = str | URL
Query = (
    str | Mapping[str, Any] | Sequence[tuple[str, Any]] | None
)  # Any: yarl takes str, int, float and sequences of them
RaiseForStatus = bool | Callable[[ClientResponse], Awaitable[None]]
JSONEncoder = Callable[[Any], str]  # Any: whatever the encoder can encode
JSONBytesEncoder = Callable[[Any], bytes]


class RequestOptions(TypedDict, total=False):
    """The keyword arguments of `ClientSession.request` and its short forms. None, where it is allowed, means the
    session's default."""

    params: Query
    data: Any  # whatever a payload can be made of
    json: Any  # whatever the session's serializer takes
    cookies: LooseCookies | None
    headers: LooseHeaders | None
    skip_auto_headers: Iterable[str] | None
    auth: BasicAuth | None
    proxy: StrOrURL | None
    proxies: ProxyMap | None
    proxy_auth: BasicAuth | None
    proxy_headers: LooseHeaders | None
    proxy_ssl: SSLArgument | None
    allow_redirects: bool
    max_redirects: int
    compress: bool | str | None
    chunked: bool | None
    expect100: bool
    raise_for_status: RaiseForStatus | None
    timeout: ClientTimeout | None
    ssl: SSLArgument
    server_hostname: str | None
    trace_request_ctx: object
    read_bufsize: int | None
    auto_decompress: bool | None
    max_line_size: int | None
    max_field_size: int | None
    max_headers: int | None
    max_body_size: int | None
    read_until_eof: bool
    middlewares: Sequence[ClientMiddlewareType] | None
    retry: Retry | None


@dataclass(slots=True)
class Arguments:
    """The same at run time, with what each is when it is not given; an unknown one is a TypeError."""

    params: Query = None
    data: Any = None  # see RequestOptions
    json: Any = None  # see RequestOptions
    cookies: LooseCookies | None = None
    headers: LooseHeaders | None = None
    skip_auto_headers: Iterable[str] | None = None
    auth: BasicAuth | None = None
    proxy: StrOrURL | None = None
    proxies: ProxyMap | None = None
    proxy_auth: BasicAuth | None = None
    proxy_headers: LooseHeaders | None = None
    proxy_ssl: SSLArgument | None = None
    allow_redirects: bool = True
    max_redirects: int = MAX_REDIRECTS
    compress: bool | str | None = False
    chunked: bool | None = None
    expect100: bool = False
    raise_for_status: RaiseForStatus | None = None
    timeout: ClientTimeout | None = None
    ssl: SSLArgument = True
    server_hostname: str | None = None
    trace_request_ctx: object = None
    read_bufsize: int | None = None
    auto_decompress: bool | None = None
    max_line_size: int | None = None
    max_field_size: int | None = None
    max_headers: int | None = None
    max_body_size: int | None = None
    read_until_eof: bool = True
    middlewares: Sequence[ClientMiddlewareType] | None = None
    retry: Retry | None = None


@dataclass(slots=True)
class Defaults:
    """What a session has for its requests: see ClientSession for each."""

    session: "ClientSession"
    loop: asyncio.AbstractEventLoop
    base_url: URL | None
    headers: CIMultiDict[str]
    skip_auto_headers: frozenset[istr]
    automatic: Mapping[str, str]
    auth: BasicAuth | None
    json_serialize: JSONEncoder
    json_serialize_bytes: JSONBytesEncoder | None
    version: HttpVersion
    cookie_jar: AbstractCookieJar
    raise_for_status: RaiseForStatus
    timeout: ClientTimeout
    auto_decompress: bool
    requote_redirect_url: bool
    trace_configs: list[TraceConfig]
    ssl: SSLArgument
    limits: Limits
    max_body_size: int | None
    request_class: type[ClientRequest] | None
    response_class: type[ClientResponse] | None
    resolve_charset: CharsetResolver
    middlewares: tuple[ClientMiddlewareType, ...]
    transparent_retry: bool
    allow_insecure_redirects: bool
    lenient_responses: bool
    deadlines: DeadlineWheel
    resilience: Resilience
    hsts: HSTSStore | None
    cache: Cache | None
    proxies: ProxyRules | None
    environment: Environment | None


def limits_with(
    base: Limits,
    *,
    read_bufsize: int | None = None,
    max_line_size: int | None = None,
    max_field_size: int | None = None,
    max_headers: int | None = None,
) -> Limits:
    """`base` with those that are given changed (bytes, bytes, bytes, a count)."""
    if read_bufsize is max_line_size is max_field_size is max_headers is None:
        return base
    given = {
        "read_bufsize": read_bufsize,
        "max_line_size": max_line_size,
        "max_field_size": max_field_size,
        "max_headers": max_headers,
    }
    changes: dict[str, Any] = {
        name: value for name, value in given.items() if value is not None
    }  # Any: replace() is typed so
    return replace(base, **changes)
