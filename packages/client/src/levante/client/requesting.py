"""From the arguments of a request to its response: merges them with the session's defaults, checks them before
anything is dialled, arms the deadline, and runs the journey. The traces and the `raise_for_status` of the whole
request, redirects included, happen here."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from multidict import CIMultiDict
from yarl import URL

from levante.http import JsonBytesPayload, JsonPayload, Payload

from .auth import first_authorization
from .bodylimit import check_max_body_size, refuse_announced
from .cache import Reading
from .connector import BaseConnector
from .errors import InvalidUrlClientError
from .journey import Journey, Route
from .middlewares import ClientHandlerType, build_client_middlewares
from .options import Arguments, Defaults, Query, RaiseForStatus, RequestOptions, StrOrURL, limits_with
from .proxies import ProxyRules, request_rules
from .request import (
    ClientRequest,
    canonical_names,
    check_compress,
    check_framing,
    check_headers,
    check_method,
    check_url,
    code_cookies,
    merge_headers,
)
from .resilience import resilient
from .response import ClientResponse
from .sending import SendOptions, send
from .timeouts import ClientTimeout, as_client_timeout
from .tls import check_ssl_argument
from .tracing import Trace, TraceRequestEndParams, TraceRequestExceptionParams, TraceRequestStartParams


@dataclass(slots=True)
class Begun:
    """A request that is on its way: the first answer, and the time of the loop at which it began."""

    response: ClientResponse
    since: float


async def perform(
    defaults: Defaults,
    connector: BaseConnector,
    method: str,
    url: StrOrURL,
    args: Arguments,
    *,
    begun: Begun | None = None,
) -> ClientResponse:
    """Make one request, or go on with one whose first answer has come."""
    if defaults.environment is not None:
        await defaults.environment.refresh()
    journey, sending, timeout = embark(args, defaults, connector, method, url)
    body = _body(args.data, args.json, defaults)
    since, first = (None, None) if begun is None else (begun.since, begun.response)
    work = _traced(journey, body, sending.trace) if sending.trace is not None else journey.run(body, first=first)
    response = await in_total_time(work, timeout, defaults, since=since)
    verdict = defaults.raise_for_status if args.raise_for_status is None else args.raise_for_status
    if verdict is not False:
        await judge(response, verdict)
    if sending.max_body_size is not None:
        refuse_announced(response, sending.max_body_size)
    return response


async def judge(response: ClientResponse, verdict: RaiseForStatus) -> None:
    """Apply `raise_for_status` of a session or a request."""
    if verdict is True:
        response.raise_for_status()
    elif verdict is not False:
        await verdict(response)


async def follow(
    first: ClientResponse,
    body: Payload | None,
    defaults: Defaults,
    connector: BaseConnector,
    method: str,
    url: StrOrURL,
    options: RequestOptions,
    *,
    since: float,
) -> ClientResponse:
    """Go on with a request to which `first`, a redirect, is the answer; it began at `since` and had `body`."""
    args = Arguments(**options)
    args.data, args.json = body, None
    return await perform(defaults, connector, method, url, args, begun=Begun(first, since))


def embark(
    args: Arguments, defaults: Defaults, connector: BaseConnector, method: str, url: StrOrURL
) -> tuple[Journey, SendOptions, ClientTimeout]:
    """Merge and check everything; the request can then set out."""
    timeout = defaults.timeout if args.timeout is None else as_client_timeout(args.timeout)
    target = check_url(resolve_url(url, base=defaults.base_url, params=args.params), connector.allowed_schemes)
    trace = Trace(defaults.session, defaults.trace_configs, args.trace_request_ctx) if defaults.trace_configs else None
    sending = _send_options(args, defaults, connector, trace=trace)
    headers = merge_headers(defaults.headers, args.headers)
    journey = Journey(
        _route(args, defaults, sending, headers=headers, timeout=timeout),
        method=check_method(method),
        url=target,
        headers=headers,
        cookies=code_cookies(args.cookies, target, defaults.cookie_jar) if args.cookies else {},
        auth=first_authorization(target, headers, given=args.auth, default=defaults.auth),
    )
    return journey, sending, timeout


def _send_options(args: Arguments, defaults: Defaults, connector: BaseConnector, *, trace: Trace | None) -> SendOptions:
    return SendOptions(
        connector=connector,
        limits=limits_with(
            defaults.limits,
            read_bufsize=args.read_bufsize,
            max_line_size=args.max_line_size,
            max_field_size=args.max_field_size,
            max_headers=args.max_headers,
        ),
        read_until_eof=args.read_until_eof,
        response_class=defaults.response_class or ClientResponse,
        max_body_size=defaults.max_body_size if args.max_body_size is None else check_max_body_size(args.max_body_size),
        auto_decompress=defaults.auto_decompress if args.auto_decompress is None else args.auto_decompress,
        transparent_retry=defaults.transparent_retry,
        lenient=defaults.lenient_responses,
        resolve_charset=defaults.resolve_charset,
        trace=trace,
    )


def _route(
    args: Arguments, defaults: Defaults, sending: SendOptions, *, headers: CIMultiDict[str], timeout: ClientTimeout
) -> Route:
    """What is the same on every hop. Takes a Transfer-Encoding out of `headers`: the framing is ours."""
    skip = defaults.skip_auto_headers
    if args.skip_auto_headers is not None:
        skip = skip | canonical_names(args.skip_auto_headers)
    compress = check_compress(args.compress)
    chunked = check_framing(headers, compress=compress, chunked=args.chunked)
    request_class = defaults.request_class or ClientRequest
    ssl = defaults.ssl if args.ssl is True else check_ssl_argument(args.ssl)
    proxies = _proxy_rules(args, defaults, sending.connector)

    def make_request(method: str, url: URL, fields: CIMultiDict[str], body: object) -> ClientRequest:
        return request_class(
            method,
            url,
            session=defaults.session,
            headers=fields,
            skip_auto_headers=skip,
            body=body,
            chunked=chunked,
            compress=compress,
            expect100=args.expect100,
            ssl=ssl,
            server_hostname=args.server_hostname,
            timeout=timeout,
            version=defaults.version,
            proxies=proxies,
        )

    return Route(
        make_request=make_request,
        handler=handler_for(sending, args, defaults, timeout=timeout),
        jar=defaults.cookie_jar,
        automatic=defaults.automatic,
        skip_auto_headers=skip,
        schemes=sending.connector.allowed_schemes,
        allow_redirects=args.allow_redirects,
        max_redirects=args.max_redirects,
        requote=defaults.requote_redirect_url,
        allow_downgrade=defaults.allow_insecure_redirects,
        hsts=defaults.hsts,
        trace=sending.trace,
        find_auth=None if defaults.environment is None else defaults.environment.authorization,
    )


def _proxy_rules(args: Arguments, defaults: Defaults, connector: BaseConnector) -> ProxyRules | None:
    """The rules of this request, None when no proxy is in play."""
    rules = defaults.proxies
    given = (args.proxy, args.proxies, args.proxy_auth, args.proxy_headers, args.proxy_ssl)
    if given != (None,) * len(given):
        fields = None if args.proxy_headers is None else tuple(check_headers(args.proxy_headers).items())
        rules = request_rules(
            ProxyRules() if rules is None else rules,
            proxy=args.proxy,
            proxies=args.proxies,
            auth=args.proxy_auth,
            fields=fields,
            ssl=None if args.proxy_ssl is None else check_ssl_argument(args.proxy_ssl),
        )
    if rules is None or connector.speaks_to_proxies:
        return rules
    if rules.explicit:
        raise ValueError(f"{type(connector).__name__} does not dial proxies: use a TCPConnector, or name no proxy")
    return None


async def in_total_time(
    work: Coroutine[Any, Any, ClientResponse], timeout: ClientTimeout, defaults: Defaults, *, since: float | None
) -> ClientResponse:
    """The response that `work` gives, under the total timeout of a request that began at `since` (default: now)."""
    deadline = defaults.deadlines.start(timeout, since=since)
    if deadline is None:
        return await work
    try:
        with deadline:
            response = await work
    except BaseException:
        work.close()  # where it had no time to begin
        deadline.cancel()
        raise
    response.watch(deadline)
    return response


async def _traced(journey: Journey, body: object, trace: Trace) -> ClientResponse:
    """Run the journey, and tell the traces."""
    method, url, headers = journey.method, journey.url, journey.headers
    try:
        await trace.begin(TraceRequestStartParams(method, url, headers))
        response = await journey.run(body)
    except BaseException as exc:
        await trace.send(TraceRequestExceptionParams(method, url, headers, exc))
        raise
    try:
        await trace.send(TraceRequestEndParams(method, url, headers, response))
    except BaseException:
        response.close()
        raise
    return response


def resolve_url(url: StrOrURL, *, base: URL | None, params: Query) -> URL:
    """`url` as a URL, joined to `base` when it is relative, with `params` added to its query. InvalidUrlClientError
    for no URL at all."""
    try:
        target = url if isinstance(url, URL) else URL(url)
    except ValueError as exc:
        raise InvalidUrlClientError(url, str(exc)) from exc
    if base is not None and not target.scheme:
        target = base.join(target)
    return target.extend_query(params) if params else target


def _body(data: Any, json: Any, defaults: Defaults) -> Any:  # Any: whatever a payload can be made of
    if json is None:
        return data
    if data is not None:
        raise ValueError("data= and json= exclude each other: give one of them")
    return json_payload(json, defaults)


def json_payload(value: Any, defaults: Defaults) -> JsonPayload | JsonBytesPayload:  # Any: whatever it serializes
    """`value` as the session's serializer makes it."""
    if defaults.json_serialize_bytes is not None:
        return JsonBytesPayload(value, dumps=defaults.json_serialize_bytes)
    return JsonPayload(value, dumps=defaults.json_serialize)


def handler_for(
    options: SendOptions, args: Arguments, defaults: Defaults, *, timeout: ClientTimeout
) -> ClientHandlerType:
    """What sends a request: all that a session has between its requests and the wire."""

    async def last(request: ClientRequest) -> ClientResponse:
        return await send(request, options)

    handler = resilient(last, defaults.resilience, retry=args.retry, timeout=timeout, trace=options.trace)
    if defaults.cache is not None:
        reading = Reading(
            options.auto_decompress,
            options.limits.read_bufsize,
            options.resolve_charset,
            options.max_body_size,
            options.response_class,
        )
        handler = defaults.cache.before(handler, reading)
    middlewares = defaults.middlewares if args.middlewares is None else args.middlewares
    return build_client_middlewares(handler, middlewares) if middlewares else handler
