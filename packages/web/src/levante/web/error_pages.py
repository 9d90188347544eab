"""What is answered when no handler has: short text, or HTML for a browser. Nothing of the inside is told but the id of
the request, by which the traceback is found in the log. In debug mode whoever sits at this machine sees the traceback,
escaped.
"""

import asyncio
import errno
import html
import ipaddress
import logging
import traceback
from typing import TYPE_CHECKING

from levante.http.exchange import Exchange
from levante.http.mediatypes import best_match
from levante.http.requestids import current_request_id
from levante.http.status import reason_phrase

from .response import Response

if TYPE_CHECKING:
    from .http_exception import HTTPException
    from .types import BaseRequest

TEXT, HTML = "text/plain", "text/html"

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The errors of a disk, or of somebody's share of it, that is full."""

_PAGE = "<html><head><title>{title}</title></head><body>\n<h1>{title}</h1>\n{body}\n</body></html>\n"


def plain_error(request: "BaseRequest", status: int, *, detail: str | None = None) -> Response:
    """An answer after which the connection is closed: what the peer sends next may belong to what went wrong."""
    title = f"{status} {reason_phrase(status)}".rstrip()
    return _page(request, status, title, detail or "")


def log_failure(logger: logging.Logger, request: "BaseRequest", exc: BaseException) -> None:
    """Tell the log of an error that nobody expected, under the id of the request, which holds from now on."""
    current_request_id.set(request.id)
    logger.error("error handling %r (request id %s)", request, request.id, exc_info=exc)


def log_timeout(request: "BaseRequest", exc: BaseException) -> None:
    """Tell the log where a handler ran out of time, once a second: what is slow is so for many."""
    if request.server is not None:
        message = "timeout in the handler of %r (request id %s)"
        request.server.sampled.tell("timeout", message, request, request.id, exc_info=exc)


def log_cause(request: "BaseRequest", exc: "HTTPException") -> None:
    """Tell the log, once a second, what made a handler raise an HTTP exception of 5xx, if it says so (`from`): the
    client is not told, and nobody else would be.
    """
    cause = exc.__cause__
    if request.server is not None and exc.status >= 500 and isinstance(cause, Exception):
        message = "answering %r with %d (request id %s)"
        request.server.sampled.tell(f"cause of {exc.status}", message, request, exc.status, request.id, exc_info=cause)


def failure_status(exc: BaseException) -> int:
    """What an error that nobody expected is answered with: 507 when there is no room on the disk, else 500."""
    return 507 if isinstance(exc, OSError) and exc.errno in NO_ROOM else 500


def server_error(request: "BaseRequest", exc: BaseException) -> Response:
    """500 (or 507) and the id of the request. In debug mode of the event loop with the traceback, for clients on this
    machine: others may be anybody.
    """
    trace = None
    if asyncio.get_running_loop().get_debug() and _is_near(request):
        trace = "".join(traceback.format_exception(exc))
    status = failure_status(exc)
    title = f"{status} {reason_phrase(status)}"
    return _page(request, status, title, "Server got itself in trouble", request_id=request.id, trace=trace)


def send_last_resort(exchange: Exchange, request_id: str) -> None:
    """An error page of which nobody is told: the hooks and signals that failed for the first one would fail again."""
    if exchange.head_sent:
        exchange.reset()
        return
    exchange.keep_alive = False
    text = f"500 Internal Server Error\n\nRequest id: {request_id}\n"
    exchange.respond(500, None, (("Content-Type", "text/plain; charset=utf-8"),), text.encode())


def _is_near(request: "BaseRequest") -> bool:
    """Whether the client, which trusted proxies may have named, has an address of this very machine."""
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


def _page(
    request: "BaseRequest",
    status: int,
    title: str,
    message: str,
    *,
    request_id: str | None = None,
    trace: str | None = None,
) -> Response:
    # Text wins a tie: a client that takes anything is no browser.
    if best_match((TEXT, HTML), request.headers.get("Accept")) == HTML:
        body = html.escape(message)
        if request_id is not None:
            body += f"\n<p>Request id: <code>{html.escape(request_id)}</code></p>"
        if trace is not None:
            body += f"\n<h2>Traceback:</h2>\n<pre>{html.escape(trace)}</pre>"
        response = Response(status=status, text=_PAGE.format(title=title, body=body), content_type=HTML)
    else:
        quoted = None if request_id is None else f"Request id: {request_id}"
        text = "\n\n".join(part for part in (title, message, quoted, trace) if part)
        response = Response(status=status, text=text + "\n", content_type=TEXT)
    response.force_close()
    return response
