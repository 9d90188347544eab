"""The coroutine of a request: by its plan where it has one (plans.py), else the long way (requesting.py). By a plan,
one frame does all there is to do: take a connection, send, wait, make the response, and judge it."""

from levante.http import ClientExchange, ExchangeTimeout
from levante.http.deadlines import current_deadline, remaining
from levante.http.fieldnames import SET_COOKIE

from .connector import BaseConnector, Lease
from .handledway import by_handlers
from .journey import keep_cookies
from .options import Arguments, RequestOptions, StrOrURL
from .outgoingdeadline import bounded, expired_error
from .plans import Plan, Plans
from .redirects import REDIRECT_STATUSES
from .requesting import follow, judge, perform
from .response import ClientResponse
from .sending import INLINE_BODY, make_response, may_repeat
from .timeouts import ClientTimeout
from .transaction import Sent
from .translation import head_error

_NOTHING_SENT = Sent()
# Seconds that a request has at least for its answer, once it got its connection in time.
_LEAST_TIME = 0.001


async def request(
    plans: Plans, connector: BaseConnector | None, method: str, url: StrOrURL, options: RequestOptions
) -> ClientResponse:
    """Make one request; see ClientSession.request."""
    if connector is None:
        raise _closed_error()
    left = None if plans.handled or current_deadline.get() is None else remaining()
    plan = plans.find(method, url, options, connector, left)
    body = plans.body(options) if plan is not None and plan.basis.carries else b""
    if plan is None or (plan.basis.carries and not 0 < len(body) <= INLINE_BODY):
        return await perform(plans.defaults, connector, method, url, Arguments(**options))
    if plans.handled:
        return await by_handlers(plan, body, plans.defaults, connector, method, url, options)
    timeout = (options.get("timeout") or plan.request.timeout) if options else plan.request.timeout
    since, total, fresh = plans.time(), timeout.total, False
    hurried = left is not None and (total is None or left < total)
    limit = left if hurried else total
    lease = connector.take(plan.basis.key, since)
    while True:
        if lease is None:
            work = _wait_for_lease(plan, plans, connector, timeout, since=since, fresh=fresh)
            lease = await bounded(work, left if left is None else since + left - plans.time())
            limit = limit if limit is None else max(since + limit - plans.time(), _LEAST_TIME)
        try:
            exchange = lease.connection.ask(plan.head, body, timeout.sock_read, limit)
            waiter = exchange.answer()
            if waiter is not None:
                await waiter
            if hurried:
                _grant_total(exchange, None if total is None else since + total - plans.time())
            sent = Sent(len(body), unlisted=True) if plan.basis.carries else _NOTHING_SENT
            response = make_response(plan.request, exchange, lease, sent, plan.basis.sending)
            break
        except BaseException as exc:
            lease.abort()
            if hurried and isinstance(exc, ExchangeTimeout) and exc.phase == "total":
                raise expired_error() from exc
            if not _is_repeatable(exc, plan, lease, fresh=fresh):
                raise
            lease, fresh = None, True
    if response.status in REDIRECT_STATUSES:
        payload = plan.payload(body) if plan.basis.carries else None
        return await follow(response, payload, plans.defaults, connector, method, url, options, since=since)
    if exchange.final_head().seen & SET_COOKIE:
        keep_cookies(plans.defaults.cookie_jar, response)
    verdict = options.get("raise_for_status") if options else None
    if verdict is None:
        verdict = plans.defaults.raise_for_status
    if verdict is not False:
        await judge(response, verdict)
    return response


def _grant_total(exchange: ClientExchange, seconds: float | None) -> None:
    """Let an exchange whose head came in time have the rest of its total timeout for the body. Raises what ended it at
    that very moment."""
    if isinstance(exchange.error, ExchangeTimeout):
        raise exchange.error
    if not exchange.done():
        exchange.expire_in(seconds if seconds is None else max(seconds, _LEAST_TIME))


def _is_repeatable(exc: BaseException, plan: Plan, lease: Lease, *, fresh: bool) -> bool:
    """Whether the request may be sent again after `exc`; raises what the caller is to see where that is another
    error."""
    if not isinstance(exc, Exception):
        return False
    error = head_error(exc, plan.request.request_info)
    if error is exc:
        return False
    error.__cause__ = exc
    if fresh or not may_repeat(plan.request, error, lease, plan.basis.sending):
        raise error
    return True


async def _wait_for_lease(
    plan: Plan, plans: Plans, connector: BaseConnector, timeout: ClientTimeout, *, since: float, fresh: bool
) -> Lease:
    """A connection that is dialled or waited for, within the total timeout."""
    if connector.closed and not fresh:
        raise _closed_error()
    deadline = plans.defaults.deadlines.start(timeout, since=since)
    if deadline is None:
        return await connector.acquire(plan.basis.key, timeout, fresh=fresh)
    try:
        with deadline:
            return await connector.acquire(plan.basis.key, timeout, fresh=fresh)
    finally:
        deadline.cancel()


def _closed_error() -> RuntimeError:
    return RuntimeError("the session is closed")
