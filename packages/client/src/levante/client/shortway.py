"""The coroutine of a request: by its plan where it has one (plans.py), else the long way (requesting.py). By a plan,
one frame does all there is to do: take a connection, send, wait, make the response, and judge it."""

from levante.http.fieldnames import SET_COOKIE

from .connector import BaseConnector, Lease
from .options import Arguments, Defaults, RequestOptions, StrOrURL
from .plans import Plan, Plans
from .redirects import REDIRECT_STATUSES
from .requesting import Begun, judge, perform
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
    plan = plans.find(method, url, options, connector)
    body = b"" if plan is None or not options else plans.body(options)
    if plan is None or (options and not 0 < len(body) <= INLINE_BODY):
        return await perform(plans.defaults, connector, method, url, Arguments(**options))
    timeout, sending = plan.request.timeout, plan.sending
    since, total, fresh = plans.time(), timeout.total, False
    lease = connector.take(plan.key, since)
    while True:
        if lease is None:
            lease, total = await _wait_for_lease(plan, connector, plans.defaults, since=since, fresh=fresh)
        try:
            exchange = lease.connection.ask(plan.head, body, timeout.sock_read, total)
            waiter = exchange.answer()
            if waiter is not None:
                await waiter
            sent = Sent(len(body), unlisted=True) if options else _NOTHING_SENT
            response = make_response(plan.request, exchange, lease, sent, sending)
            break
        except BaseException as exc:
            lease.abort()
            if not _is_repeatable(exc, plan, lease, fresh=fresh):
                raise
            lease, fresh = None, True
    if response.status in REDIRECT_STATUSES:
        arguments = Arguments(data=plan.payload(body)) if options else Arguments()
        begun = Begun(response, since)
        return await perform(plans.defaults, connector, method, url, arguments, begun=begun)
    if exchange.final_head().seen & SET_COOKIE:
        cookies = response.set_cookie_fields()
        plans.defaults.cookie_jar.update_cookies_from_headers(cookies, response.url)
    if plans.defaults.raise_for_status is not False:
        await judge(response, plans.defaults.raise_for_status)
    return response


def _is_repeatable(exc: BaseException, plan: Plan, lease: Lease, *, fresh: bool) -> bool:
    """Whether the request may be sent again after `exc`; raises what the caller is to see where that is another
    error."""
    if not isinstance(exc, Exception):
        return False
    error = head_error(exc, plan.request.request_info)
    if error is exc:
        return False
    error.__cause__ = exc
    if fresh or not may_repeat(plan.request, error, lease, plan.sending):
        raise error
    return True


async def _wait_for_lease(
    plan: Plan, connector: BaseConnector, defaults: Defaults, *, since: float, fresh: bool
) -> tuple[Lease, float | None]:
    """A connection that is dialled or waited for, and the seconds that are left of the total timeout."""
    if connector.closed and not fresh:
        raise _closed_error()
    timeout: ClientTimeout = plan.request.timeout
    deadline = defaults.deadlines.start(timeout, since=since)
    if deadline is None or timeout.total is None:
        return await connector.acquire(plan.key, timeout, fresh=fresh), None
    try:
        with deadline:
            lease = await connector.acquire(plan.key, timeout, fresh=fresh)
    finally:
        deadline.cancel()
    return lease, max(since + timeout.total - connector.loop.time(), _LEAST_TIME)


def _closed_error() -> RuntimeError:
    return RuntimeError("the session is closed")
