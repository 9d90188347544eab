"""Sessions around a handler: setup() for an application, session_middleware() alone for those who wire by hand. The
session is settled when the handler is done or raised an HTTPException. With setup() it is settled already when a
streaming or WebSocket handler prepares its head, and carried over when an outer middleware answers with another
response. Any other exception saves nothing. A session that cannot be reached or saved now is told to the visitor as a
problem, 503 or 409, and never as a fresh session: that would log him out."""

from typing import Final

from levante.web import Application, HTTPException, Request, StreamResponse, middleware
from levante.web.problems import problem

from .csrf import Handler, Middleware, csrf_middleware
from .csrf_rules import CsrfRules
from .errors import SessionConflict, SessionStoreUnavailable
from .notices import LOG
from .storage import AbstractStorage
from .visit import VISIT, Visit

DEFAULT_CSRF: Final = CsrfRules()
RETRY_AFTER: Final = 1  # seconds: an outage of the storage heals by itself, and asking again costs little


def setup(app: Application, storage: AbstractStorage, *, csrf: CsrfRules | None = DEFAULT_CSRF) -> None:
    """Give the application sessions, and protect requests that change something against forgery. `csrf=None` leaves
    that protection out.

    Call it before the middlewares that use sessions are added. Raises TypeError when `storage` is none.
    """
    app.middlewares.append(session_middleware(storage))
    if csrf is not None:
        app.middlewares.append(csrf_middleware(csrf))

    async def settle_before_head(request: Request, response: StreamResponse) -> None:
        visit = request.get(VISIT)
        if visit is not None and visit.storage is storage:
            await visit.settle(response)

    async def close_storage(_app: Application) -> None:
        await storage.close()

    app.on_response_prepare.append(settle_before_head)
    app.on_cleanup.append(close_storage)


def session_middleware(storage: AbstractStorage) -> Middleware:
    """The middleware that makes get_session() work. Raises TypeError when `storage` is none."""
    if not isinstance(storage, AbstractStorage):
        raise TypeError(f"expected a session storage, got {type(storage).__name__}")
    if not storage.cookie.secure:
        LOG.warning(
            "the session cookie %r is not Secure: for development over plain HTTP on loopback only", storage.cookie_name
        )

    @middleware
    async def keep_session(request: Request, handler: Handler) -> StreamResponse:
        visit = request[VISIT] = Visit(request, storage)
        try:
            return await _visited(visit, request, handler)
        except (SessionStoreUnavailable, SessionConflict) as error:
            visit.discard()
            if visit.answered:  # a head is out: nothing but an aborted response can tell that it went wrong
                raise
            storage.notices.warn(error.reason, "request answered with a problem: %s")
            return _trouble(error)

    return keep_session


async def _visited(visit: Visit, request: Request, handler: Handler) -> StreamResponse:
    try:
        response = await handler(request)
    except HTTPException:
        await visit.settle_exception()
        raise
    except BaseException:
        visit.discard()
        raise
    if isinstance(response, StreamResponse):  # anything else is the server's to complain about
        if response.prepared:
            visit.check_late_change()
        else:
            await visit.settle(response)
    return response


def _trouble(error: SessionStoreUnavailable | SessionConflict) -> StreamResponse:
    if isinstance(error, SessionConflict):
        return problem(409, "Session changed meanwhile", "Another request changed the session; repeat this one.")
    response = problem(503, "Sessions are unavailable", "The session storage does not answer; you are still logged in.")
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response
