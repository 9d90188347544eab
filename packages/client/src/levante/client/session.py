"""ClientSession: composes jar, connector, middlewares and traces, and runs requests through them. It decides nothing
itself."""

import asyncio
import json as json_module
import traceback
import warnings
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, final

from multidict import CIMultiDict, istr
from yarl import URL

from levante.http import HttpVersion, HttpVersion11, Limits, hdrs
from levante.http.codings import ACCEPT_ENCODING
from levante.http.deadlines import DEADLINE_HEADER
from levante.ws import DeflateParams, WebSocketListener

from .auth import BasicAuth
from .bodylimit import check_max_body_size
from .breaker import CircuitBreaker
from .cache import Cache
from .connector import BaseConnector
from .cookiejar import AbstractCookieJar, CookieJar, LooseCookies
from .environment import Environment
from .hsts import HSTSStore
from .middlewares import ClientMiddlewareType
from .options import (
    Defaults,
    JSONBytesEncoder,
    JSONEncoder,
    Query,
    RaiseForStatus,
    RequestOptions,
    StrOrURL,
    limits_with,
)
from .pending import Pending
from .plans import Plans
from .proxies import ProxyMap, session_rules
from .request import ClientRequest, LooseHeaders, canonical_names, check_headers, check_version
from .resilience import Resilience
from .response import CharsetResolver, ClientResponse
from .retry import Retry
from .retrybudget import RetryBudget
from .shortway import request as send
from .tcpconnector import TCPConnector
from .timeouts import (
    DEFAULT_TIMEOUT,
    DEFAULT_WS_TIMEOUT,
    ClientTimeout,
    ClientWSTimeout,
    DeadlineWheel,
    as_client_timeout,
)
from .tls import SSLArgument, check_ssl_argument
from .tracing import TraceConfig
from .websocket import MAX_MSG_SIZE, ClientWebSocketResponse, as_timeout, open_websocket

USER_AGENT = "levante"


def _utf8(_response: ClientResponse, _body: bytes) -> str:
    return "utf-8"


@final
class ClientSession:
    """A connection pool, a cookie jar and defaults, shared by many requests. Use it with `async with`, or await
    `close()`.

    Made inside a running loop. `base_url` (absolute, ending in /) is what relative URLs are joined to. `headers`,
    `cookies`, `auth`, `timeout`, `raise_for_status`, `version`, `skip_auto_headers`, `auto_decompress`,
    `middlewares`, `trace_configs`, `ssl` and the limits `read_bufsize`, `max_line_size`, `max_field_size`,
    `max_headers` (bytes and a count) are defaults of its requests, and so is `max_body_size`, the largest response body
    in decoded bytes (None: any); ResponseTooLarge is raised beyond it. `transparent_retry=False` switches off the one
    repetition of an idempotent request on a connection that had died idle; `allow_insecure_redirects` lets a
    redirect lead from TLS to plain text. Responses are held to the letter of RFC 9112; `lenient_responses` accepts
    what aiohttp does outside of its development mode and nobody can frame by: bare LF and obs-fold in heads, blanks
    before a colon or behind a chunk size, a reason that touches its status, and a repeated Content-Type, Server, ETag,
    Content-Location or Content-Range, of which the first counts. A connection is not used again after an answer that
    had to be mended. As `version` HttpVersion10 sends plain requests: no chunks, no Expect, and the connection is
    kept only if `headers` have `Connection: keep-alive`.

    `proxy` (an http, https, socks4, socks4a, socks5 or socks5h URL) is for every request, `proxies` maps patterns such
    as `https`, `all://*.example.com` and `http://host:8080` to proxies, or to None for none. `proxy_auth` are the
    credentials for `proxy`, or for proxies that requests name; `proxy_headers` are fields for the proxy. An https://
    proxy is verified as `proxy_ssl` says; where that is None, by the SSLContext that `ssl` is, else by the system's
    certificates. `trust_env` believes the environment: HTTP_PROXY and its kin, NO_PROXY, and the netrc file. Requests,
    responses and WebSockets are of `request_class`, `response_class` and `ws_response_class`, subclasses of ours that
    leave the constructors as they are.

    `retry` says which requests are sent again when they fail, `retry_budget` how many in all; `breaker` stops sending
    to origins that keep failing. Requests made while a deadline is set (`levante.http.deadlines`) heed it, and tell the
    server in the field `deadline_header` how many milliseconds are left (None: they do not tell). `hsts` keeps the
    hosts that asked for TLS only, to whom http:// URLs are upgraded. `cache` keeps responses that may be used again.
    """

    def __init__(
        self,
        base_url: StrOrURL | None = None,
        *,
        connector: BaseConnector | None = None,
        cookies: LooseCookies | None = None,
        headers: LooseHeaders | None = None,
        skip_auto_headers: Iterable[str] | None = None,
        auth: BasicAuth | None = None,
        proxy: StrOrURL | None = None,
        proxies: ProxyMap | None = None,
        proxy_auth: BasicAuth | None = None,
        proxy_headers: LooseHeaders | None = None,
        proxy_ssl: SSLArgument | None = None,
        trust_env: bool = False,
        json_serialize: JSONEncoder = json_module.dumps,
        json_serialize_bytes: JSONBytesEncoder | None = None,
        request_class: type[ClientRequest] | None = None,
        response_class: type[ClientResponse] | None = None,
        ws_response_class: type[ClientWebSocketResponse] = ClientWebSocketResponse,
        version: HttpVersion = HttpVersion11,
        cookie_jar: AbstractCookieJar | None = None,
        connector_owner: bool = True,
        raise_for_status: RaiseForStatus | None = False,
        timeout: ClientTimeout = DEFAULT_TIMEOUT,
        auto_decompress: bool = True,
        requote_redirect_url: bool = True,
        trace_configs: Sequence[TraceConfig] | None = None,
        ssl: SSLArgument = True,
        read_bufsize: int | None = None,
        max_line_size: int | None = None,
        max_field_size: int | None = None,
        max_headers: int | None = None,
        max_body_size: int | None = None,
        fallback_charset_resolver: CharsetResolver = _utf8,
        middlewares: Sequence[ClientMiddlewareType] = (),
        transparent_retry: bool = True,
        allow_insecure_redirects: bool = False,
        lenient_responses: bool = False,
        retry: Retry | None = None,
        retry_budget: RetryBudget | None = None,
        breaker: CircuitBreaker | None = None,
        deadline_header: str | None = DEADLINE_HEADER,
        hsts: HSTSStore | None = None,
        cache: Cache | None = None,
    ) -> None:
        self._connector: BaseConnector | None = (
            None  # until everything below is accepted there is nothing to warn about
        )
        loop = asyncio.get_running_loop()
        if connector is not None and connector.loop is not loop:
            raise RuntimeError("the connector belongs to another event loop than the session")
        jar = CookieJar() if cookie_jar is None else cookie_jar
        if cookies:
            jar.update_cookies(cookies)
        configs = list(trace_configs or ())
        for config in configs:
            config.freeze()
        automatic: dict[str, str] = {
            hdrs.ACCEPT: "*/*",
            hdrs.ACCEPT_ENCODING: ACCEPT_ENCODING,
            hdrs.USER_AGENT: USER_AGENT,
        }
        if connector is not None and connector.force_close:
            automatic[hdrs.CONNECTION] = "close"
        self._defaults = Defaults(
            session=self,
            loop=loop,
            base_url=_checked_base(base_url),
            headers=check_headers(headers or ()),
            skip_auto_headers=canonical_names(skip_auto_headers),
            automatic=automatic,
            auth=auth,
            json_serialize=json_serialize,
            json_serialize_bytes=json_serialize_bytes,
            version=check_version(version),
            cookie_jar=jar,
            raise_for_status=raise_for_status or False,
            timeout=as_client_timeout(timeout),
            auto_decompress=auto_decompress,
            requote_redirect_url=requote_redirect_url,
            trace_configs=configs,
            ssl=check_ssl_argument(ssl),
            limits=limits_with(
                Limits(),
                read_bufsize=read_bufsize,
                max_line_size=max_line_size,
                max_field_size=max_field_size,
                max_headers=max_headers,
            ),
            max_body_size=check_max_body_size(max_body_size),
            request_class=_checked_class(request_class, ClientRequest),
            response_class=_checked_class(response_class, ClientResponse),
            resolve_charset=fallback_charset_resolver,
            middlewares=tuple(middlewares),
            transparent_retry=transparent_retry,
            allow_insecure_redirects=allow_insecure_redirects,
            lenient_responses=lenient_responses,
            deadlines=DeadlineWheel(loop),
            hsts=hsts,
            cache=cache,
            resilience=Resilience(retry, retry_budget or RetryBudget(), breaker, deadline_header),
            proxies=None,
            environment=Environment() if trust_env else None,
        )
        if trust_env or any(given is not None for given in (proxy, proxies, proxy_auth, proxy_headers, proxy_ssl)):
            self._defaults.proxies = session_rules(
                proxy=proxy,
                proxies=proxies,
                auth=proxy_auth,
                fields=tuple(check_headers(proxy_headers or ()).items()),
                ssl=None if proxy_ssl is None else check_ssl_argument(proxy_ssl),
                environment=self._defaults.environment,
            )
        self._plans = Plans(self._defaults)
        self._connector_owner = connector_owner
        self._websocket_class = _checked_class(ws_response_class, ClientWebSocketResponse) or ClientWebSocketResponse
        self._source = traceback.extract_stack() if loop.get_debug() else None
        self._connector = TCPConnector() if connector is None else connector

    def __del__(self) -> None:
        connector = getattr(self, "_connector", None)
        if connector is not None and not connector.closed:
            warnings.warn(
                f"unclosed client session {self!r}: await its close()", ResourceWarning, stacklevel=1, source=self
            )
            context: dict[str, Any] = {"client_session": self, "message": "unclosed client session"}
            if self._source is not None:
                context["source_traceback"] = self._source
            self.loop.call_exception_handler(context)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def closed(self) -> bool:
        """Whether close() or detach() was called, or the connector is closed."""
        return self._connector is None or self._connector.closed

    @property
    def connector(self) -> BaseConnector | None:
        """The connector, None when closed or detached."""
        return self._connector

    @property
    def connector_owner(self) -> bool:
        """Whether close() closes the connector."""
        return self._connector_owner

    @property
    def cookie_jar(self) -> AbstractCookieJar:
        """The cookie jar."""
        return self._defaults.cookie_jar

    @property
    def headers(self) -> CIMultiDict[str]:
        """The default headers; changes hold for later requests."""
        return self._defaults.headers

    @property
    def base_url(self) -> URL | None:
        """What relative URLs are joined to."""
        return self._defaults.base_url

    @property
    def timeout(self) -> ClientTimeout:
        """The default timeouts."""
        return self._defaults.timeout

    @property
    def version(self) -> HttpVersion:
        """The HTTP version of requests."""
        return self._defaults.version

    @property
    def auth(self) -> BasicAuth | None:
        """The default credentials."""
        return self._defaults.auth

    @property
    def trust_env(self) -> bool:
        """Whether the environment is asked for proxies and credentials."""
        return self._defaults.environment is not None

    @property
    def skip_auto_headers(self) -> frozenset[istr]:
        """Automatic headers that are not sent."""
        return self._defaults.skip_auto_headers

    @property
    def json_serialize(self) -> JSONEncoder:
        """What makes text of `json=` values."""
        return self._defaults.json_serialize

    @property
    def raise_for_status(self) -> RaiseForStatus:
        """Whether, or how, errors by status are raised."""
        return self._defaults.raise_for_status

    @property
    def auto_decompress(self) -> bool:
        """Whether bodies are decompressed."""
        return self._defaults.auto_decompress

    @property
    def requote_redirect_url(self) -> bool:
        """Whether the targets of redirects are requoted."""
        return self._defaults.requote_redirect_url

    @property
    def trace_configs(self) -> list[TraceConfig]:
        """The trace configs, frozen."""
        return list(self._defaults.trace_configs)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the session belongs to."""
        return self._defaults.loop

    async def close(self) -> None:
        """Close the session and, if it is ours, the connector; returns when every connection is gone."""
        if self._connector_owner:
            self._defaults.deadlines.close()
        if self._defaults.cache is not None:
            await self._defaults.cache.settle()
        connector, self._connector = self._connector, None
        if connector is not None and self._connector_owner:
            await connector.close()

    def detach(self) -> None:
        """Close the session and leave its connector open."""
        self._connector = None

    def request(self, method: str, url: StrOrURL, **options: Unpack[RequestOptions]) -> Pending[ClientResponse]:
        """Make a request. See `RequestOptions` for the keyword arguments; awaiting gives the response once its head is
        here.

        Raises the ClientError tree, TimeoutError, and ValueError or TypeError for arguments that cannot be sent.
        """
        return Pending(send(self._plans, self._connector, method, url, options))

    def get(self, url: StrOrURL, **options: Unpack[RequestOptions]) -> Pending[ClientResponse]:
        """GET `url`."""
        return Pending(send(self._plans, self._connector, "GET", url, options))

    def options(self, url: StrOrURL, **options: Unpack[RequestOptions]) -> Pending[ClientResponse]:
        """OPTIONS `url`."""
        return Pending(send(self._plans, self._connector, "OPTIONS", url, options))

    def head(self, url: StrOrURL, **options: Unpack[RequestOptions]) -> Pending[ClientResponse]:
        """HEAD `url`; redirects are not followed unless `allow_redirects=True`."""
        options.setdefault("allow_redirects", False)
        return Pending(send(self._plans, self._connector, "HEAD", url, options))

    def post(self, url: StrOrURL, **options: Unpack[RequestOptions]) -> Pending[ClientResponse]:
        """POST to `url`."""
        return Pending(send(self._plans, self._connector, "POST", url, options))

    def put(self, url: StrOrURL, **options: Unpack[RequestOptions]) -> Pending[ClientResponse]:
        """PUT to `url`."""
        return Pending(send(self._plans, self._connector, "PUT", url, options))

    def patch(self, url: StrOrURL, **options: Unpack[RequestOptions]) -> Pending[ClientResponse]:
        """PATCH `url`."""
        return Pending(send(self._plans, self._connector, "PATCH", url, options))

    def delete(self, url: StrOrURL, **options: Unpack[RequestOptions]) -> Pending[ClientResponse]:
        """DELETE `url`."""
        return Pending(send(self._plans, self._connector, "DELETE", url, options))

    def ws_connect(
        self,
        url: StrOrURL,
        *,
        method: str = "GET",
        protocols: Sequence[str] = (),
        timeout: ClientWSTimeout | float = DEFAULT_WS_TIMEOUT,
        receive_timeout: float | None = None,
        autoclose: bool = True,
        autoping: bool = True,
        heartbeat: float | None = None,
        origin: str | None = None,
        headers: LooseHeaders | None = None,
        compress: int | DeflateParams = 0,
        max_msg_size: int = MAX_MSG_SIZE,
        decode_text: bool = True,
        listener: WebSocketListener | None = None,
        auth: BasicAuth | None = None,
        params: Query = None,
        proxy: StrOrURL | None = None,
        proxies: ProxyMap | None = None,
        proxy_auth: BasicAuth | None = None,
        proxy_headers: LooseHeaders | None = None,
        proxy_ssl: SSLArgument | None = None,
        ssl: SSLArgument = True,
        server_hostname: str | None = None,
    ) -> Pending[ClientWebSocketResponse]:
        """Open a WebSocket (RFC 6455). `compress`: window bits 9 to 15 to offer for permessage-deflate, 0 for
        none, `DeflateParams` for all four parameters; `heartbeat`: seconds between pings; `max_msg_size` in bytes, 0
        for no limit; `decode_text=False` gives text as bytes; a `listener` gets the messages by its methods instead of
        `receive`. The session's total timeout holds for the opening only. WSServerHandshakeError when the answer is no
        acceptable 101."""
        return Pending(
            open_websocket(
                self.request,
                url,
                websocket_class=self._websocket_class,
                method=method,
                protocols=protocols,
                timeout=as_timeout(timeout, receive_timeout),
                autoclose=autoclose,
                autoping=autoping,
                heartbeat=heartbeat,
                origin=origin,
                headers=headers,
                compress=compress,
                max_msg_size=max_msg_size,
                decode_text=decode_text,
                listener=listener,
                auth=auth,
                params=params,
                proxy=proxy,
                proxies=proxies,
                proxy_auth=proxy_auth,
                proxy_headers=proxy_headers,
                proxy_ssl=proxy_ssl,
                ssl=ssl,
                server_hostname=server_hostname,
            )
        )


def request(
    method: str, url: StrOrURL, *, connector: BaseConnector | None = None, **options: Unpack[RequestOptions]
) -> "OneRequest":
    """One request with a session of its own: `async with request("GET", url) as response`. The connection is not
    kept."""
    return OneRequest(method, url, connector, options)


class OneRequest:
    """The context manager of `request()`: makes the session when entered, closes both when left."""

    def __init__(self, method: str, url: StrOrURL, connector: BaseConnector | None, options: RequestOptions) -> None:
        self._method = method
        self._url = url
        self._connector = connector
        self._options = options

    async def __aenter__(self) -> ClientResponse:
        owned = self._connector is None
        self._session = ClientSession(
            connector=self._connector or TCPConnector(force_close=True), connector_owner=owned
        )
        try:
            self._response = await self._session.request(self._method, self._url, **self._options)
        except BaseException:
            await self._session.close()
            raise
        return await self._response.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._response.__aexit__(kind, error, trace)
        await self._session.close()


C = TypeVar("C")


def _checked_class(given: type[C] | None, base: type[C]) -> type[C] | None:
    found: object = given  # of untyped callers
    if found is None or (isinstance(found, type) and issubclass(found, base)):
        return given
    raise TypeError(f"expected a subclass of {base.__name__}, got {given!r}")


def _checked_base(base_url: StrOrURL | None) -> URL | None:
    if base_url is None:
        return None
    base = URL(base_url)
    if not base.absolute:
        raise ValueError(f"base_url must be absolute, got {str(base)!r}")
    if not base.path.endswith("/"):
        raise ValueError(f"base_url must end in '/', got {str(base)!r}: a relative URL would replace its last segment")
    return base
