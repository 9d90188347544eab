"""From the arguments of a request to its response: merges them with the session's defaults, checks them before anything is dialled, arms the
deadline, and runs the journey. The traces and the `raise_for_status` of the whole request, redirects included, happen here.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from multidict import CIMultiDict, istr
from yarl import URL

from levante.http import JsonBytesPayload, JsonPayload

from .auth import BasicAuth
from .connector import BaseConnector
from .cookiejar import LooseCookies
from .errors import InvalidUrlClientError
from .journey import Journey, Route
from .middlewares import ClientHandlerType, ClientMiddlewareType, build_client_middlewares
from .options import Defaults, Query, RaiseForStatus, StrOrURL, limits_with
from .redirects import MAX_REDIRECTS
from .request import (
    ClientRequest,
    LooseHeaders,
    check_compress,
    check_framing,
    check_method,
    check_url,
    code_cookies,
    merge_headers,
)
from .response import ClientResponse
from .sending import SendOptions, send
from .timeouts import ClientTimeout
from .tls import SSLArgument, check_ssl_argument
from .tracing import Trace, TraceRequestEndParams, TraceRequestExceptionParams, TraceRequestStartParams


async def perform(
    defaults: Defaults,
    connector: BaseConnector,
    method: str,
    url: StrOrURL,
    *,
    params: Query = None,
    data: Any = None,  # Any: whatever a payload can be made of
    json: Any = None,  # Any: whatever the serializer takes
    cookies: LooseCookies | None = None,
    headers: LooseHeaders | None = None,
    skip_auto_headers: Iterable[str] | None = None,
    auth: BasicAuth | None = None,
    allow_redirects: bool = True,
    max_redirects: int = MAX_REDIRECTS,
    compress: bool | str | None = False,
    chunked: bool | None = None,
    expect100: bool = False,
    raise_for_status: RaiseForStatus | None = None,
    timeout: ClientTimeout | None = None,
    ssl: SSLArgument = True,
    server_hostname: str | None = None,
    trace_request_ctx: object = None,
    read_bufsize: int | None = None,
    auto_decompress: bool | None = None,
    max_line_size: int | None = None,
    max_field_size: int | None = None,
    max_headers: int | None = None,
    middlewares: Sequence[ClientMiddlewareType] | None = None,
) -> ClientResponse:
    """Make one request; the arguments are those of `RequestOptions`."""
    if timeout is None:
        timeout = defaults.timeout
    elif not isinstance(timeout, ClientTimeout):
        raise TypeError(
            f"timeout must be a ClientTimeout, got {type(timeout).__name__}; ClientTimeout(total=seconds) is what a number meant"
        )
    target = check_url(resolve_url(url, base=defaults.base_url, params=params), connector.allowed_schemes)
    merged = merge_headers(defaults.headers, headers)
    skip = defaults.skip_auto_headers
    if skip_auto_headers is not None:
        skip = skip | {istr(name) for name in skip_auto_headers}
    compress = check_compress(compress)
    chunked = check_framing(merged, compress=compress, chunked=chunked)
    setting = defaults.ssl if ssl is True else check_ssl_argument(ssl)
    trace = Trace(defaults.session, defaults.trace_configs, trace_request_ctx) if defaults.trace_configs else None
    body = _body(data, json, defaults)

    def make_request(hop_method: str, hop_url: URL, hop_headers: CIMultiDict[str], hop_body: object) -> ClientRequest:
        return ClientRequest(
            hop_method, hop_url, session=defaults.session, headers=hop_headers, skip_auto_headers=skip, body=hop_body, chunked=chunked,
            compress=compress, expect100=expect100, ssl=setting, server_hostname=server_hostname, timeout=timeout, version=defaults.version,
        )  # fmt: skip

    options = SendOptions(
        connector=connector,
        limits=limits_with(
            defaults.limits,
            read_bufsize=read_bufsize,
            max_line_size=max_line_size,
            max_field_size=max_field_size,
            max_headers=max_headers,
        ),
        auto_decompress=defaults.auto_decompress if auto_decompress is None else auto_decompress,
        transparent_retry=defaults.transparent_retry,
        resolve_charset=defaults.resolve_charset,
        trace=trace,
    )
    route = Route(
        make_request, _handler(options, defaults.middlewares if middlewares is None else tuple(middlewares)), defaults.cookie_jar,
        defaults.automatic, skip, connector.allowed_schemes, allow_redirects, max_redirects, defaults.requote_redirect_url,
        defaults.allow_insecure_redirects, trace,
    )  # fmt: skip
    credentials = auth if auth is not None else defaults.auth
    journey = Journey(
        route, method=check_method(method), url=target, headers=merged,
        cookies=code_cookies(cookies) if cookies else {}, auth=None if credentials is None else credentials.encode(),
    )  # fmt: skip
    response = await _run(journey, body, options, timeout=timeout, defaults=defaults)
    verdict = defaults.raise_for_status if raise_for_status is None else raise_for_status
    if verdict is True:
        response.raise_for_status()
    elif verdict is not False:
        await verdict(response)
    return response


async def _run(
    journey: Journey, body: object, options: SendOptions, *, timeout: ClientTimeout, defaults: Defaults
) -> ClientResponse:  # fmt: skip
    """Run the journey under its deadline, and tell the traces."""
    trace = options.trace
    deadline = options.deadline = defaults.deadlines.start(timeout)
    try:
        if deadline is None:
            return await _traced(journey, body, trace)
        with deadline:
            return await _traced(journey, body, trace)
    except BaseException:
        if deadline is not None:
            deadline.cancel()
        raise


async def _traced(journey: Journey, body: object, trace: Trace | None) -> ClientResponse:
    if trace is None:
        return await journey.run(body)
    method, url, headers = journey.method, journey.url, journey.headers
    await trace.send(TraceRequestStartParams(method, url, headers))
    try:
        response = await journey.run(body)
    except BaseException as exc:
        await trace.send(TraceRequestExceptionParams(method, url, headers, exc))
        raise
    await trace.send(TraceRequestEndParams(method, url, headers, response))
    return response


def resolve_url(url: StrOrURL, *, base: URL | None, params: Query) -> URL:
    """`url` as a URL, joined to `base` when it is relative, with `params` added to its query. InvalidUrlClientError for no URL at all."""
    try:
        target = url if isinstance(url, URL) else URL(url)
    except ValueError as exc:
        raise InvalidUrlClientError(url, str(exc)) from exc
    if base is not None and not target.absolute:
        target = base.join(target)
    return target.extend_query(params) if params else target


def _body(data: Any, json: Any, defaults: Defaults) -> Any:  # Any: whatever a payload can be made of
    if json is None:
        return data
    if data is not None:
        raise ValueError("data= and json= exclude each other: give one of them")
    if defaults.json_serialize_bytes is not None:
        return JsonBytesPayload(json, dumps=defaults.json_serialize_bytes)
    return JsonPayload(json, dumps=defaults.json_serialize)


def _handler(options: SendOptions, middlewares: tuple[ClientMiddlewareType, ...]) -> ClientHandlerType:
    async def last(request: ClientRequest) -> ClientResponse:
        return await send(request, options)

    return build_client_middlewares(last, middlewares) if middlewares else last
