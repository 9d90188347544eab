"""The way of a request that has a plan (plans.py) through what its session has between requests and the wire:
middlewares, a cache, retries, a circuit breaker. They get a request of their own to look at and to change, made from
the plan rather than from scratch; what they send goes the usual way (sending.py). Redirects that are followed leave
this way for the long one."""

from typing import Final

from .connector import BaseConnector
from .journey import keep_cookies
from .middlewares import ClientHandlerType
from .options import Arguments, Defaults, RequestOptions, StrOrURL
from .plans import Plan
from .redirects import REDIRECT_STATUSES
from .request import ClientRequest
from .requesting import follow, handler_for, in_total_time, judge
from .response import ClientResponse

_NOTHING_GIVEN: Final = Arguments()


async def by_handlers(
    plan: Plan,
    body: bytes,
    defaults: Defaults,
    connector: BaseConnector,
    method: str,
    url: StrOrURL,
    options: RequestOptions,
) -> ClientResponse:
    """Make the request `plan`, which `method`, `url` and `options` led to, with `body`."""
    timeout = options.get("timeout") or defaults.timeout
    request = plan.request.variant(
        headers=plan.request.headers.copy(), timeout=timeout, body=plan.payload(body) if plan.basis.carries else None
    )
    handler = handler_for(plan.basis.sending, _NOTHING_GIVEN, defaults, timeout=timeout)
    since = defaults.loop.time()
    response = await in_total_time(_handle(request, handler), timeout, defaults, since=since)
    if response.status in REDIRECT_STATUSES:
        return await follow(response, request.body, defaults, connector, method, url, options, since=since)
    keep_cookies(defaults.cookie_jar, response)
    if request.body is not None and not request.body.autoclose:
        await response.close_when_sent(request.body)
    verdict = options.get("raise_for_status")
    await judge(response, defaults.raise_for_status if verdict is None else verdict)
    return response


async def _handle(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    try:
        return await handler(request)
    except BaseException:
        if request.body is not None:
            await request.body.close()
        raise
