"""Sessions around a handler: setup() for an application, session_middleware() alone for those who wire by hand. The
session is settled when the handler is done or raised an HTTPException. With setup() it is settled already when a
streaming or WebSocket handler prepares its head, and carried over when an outer middleware answers with another
response. Any other exception saves nothing."""

from typing import Final

from levante.web import Application, HTTPException, Request, StreamResponse, middleware

from .csrf import Handler, Middleware, csrf_middleware
from .csrf_rules import CsrfRules
from .notices import LOG
from .storage import AbstractStorage
from .visit import VISIT, Visit

DEFAULT_CSRF: Final = CsrfRules()


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

    app.on_response_prepare.append(settle_before_head)


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
            response = await handler(request)
        except HTTPException as answer:
            await visit.settle(answer)
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

    return keep_session
