"""Errors as `application/problem+json` (RFC 9457), for APIs: HTTP exceptions of 4xx and 5xx, malformed requests,
timeouts, and whatever else a handler raises, of which only the id of the request is told. A client that prefers HTML
gets the ordinary error page.
"""

from typing import TYPE_CHECKING

from levante.http.errors import ExchangeTimeout, RemoteProtocolError
from levante.http.mediatypes import best_match
from levante.web.error_pages import failure_status, log_cause, log_failure, log_timeout
from levante.web.http_exception import HTTPException
from levante.web.problems import PROBLEM_JSON, problem
from levante.web.request import Request
from levante.web.response import Response

if TYPE_CHECKING:
    from levante.web.types import Handler, StreamResponse

HTML = "text/html"


async def problem_details(request: Request, handler: "Handler") -> "StreamResponse":
    """The middleware; what an exception says in its text becomes the member `detail`, its headers and cookies stay."""
    try:
        return await handler(request)
    except HTTPException as exc:
        is_plain = exc.status >= 400 and exc.headers.get("Content-Type") != PROBLEM_JSON
        if not is_plain or request.exchange.head_sent or _prefers_html(request):
            raise
        log_cause(request, exc)
        exc.with_traceback(None)  # of one that is raised again and again it would keep every request
        return _from_exception(exc)
    except Exception as exc:  # everything else a handler raises becomes a problem, too
        if request.exchange.head_sent or request.transport is None or _prefers_html(request):
            raise
        return _from_error(request, exc)


def _from_error(request: Request, exc: Exception) -> "StreamResponse":
    if isinstance(exc, ExchangeTimeout):
        response = problem(408, detail="the body of the request did not come in time")
    elif isinstance(exc, TimeoutError):
        log_timeout(request, exc)
        return _varying(problem(504))
    elif isinstance(exc, RemoteProtocolError):
        response = problem(exc.status, detail=exc.message)
    else:
        log_failure(request.app.logger, request, exc)
        response = problem(failure_status(exc), request_id=request.id)
    response.force_close()
    return _varying(response)


def _from_exception(exc: HTTPException) -> "StreamResponse":
    said = (exc.text or "").removeprefix(f"{exc.status}: ")  # the status has a member of its own
    response = problem(exc.status, title=exc.reason, detail=said if said not in ("", exc.reason) else None)
    for name, value in exc.headers.items():
        if name.lower() != "content-type":
            response.headers.add(name, value)
    response.cookies.update(exc.cookies)
    return _varying(response)


def _varying(response: Response) -> Response:
    """Caches keep some errors, and must not show a browser's page to a program."""
    response.headers.add("Vary", "Accept")
    return response


def _prefers_html(request: Request) -> bool:
    return best_match((PROBLEM_JSON, HTML), request.headers.get("Accept")) == HTML
