"""What is answered when no handler has: short text, or HTML for a browser. Nothing of the inside is told, except in
debug mode, where the traceback is shown, escaped.
"""

import asyncio
import html
import traceback
from typing import TYPE_CHECKING

from levante.http.mediatypes import best_match
from levante.http.status import reason_phrase

from .response import Response

if TYPE_CHECKING:
    from .types import BaseRequest

TEXT, HTML = "text/plain", "text/html"

_PAGE = "<html><head><title>{title}</title></head><body>\n<h1>{title}</h1>\n{body}\n</body></html>\n"


def plain_error(request: "BaseRequest", status: int, *, detail: str | None = None) -> Response:
    """An answer after which the connection is closed: what the peer sends next may belong to what went wrong."""
    title = f"{status} {reason_phrase(status)}".rstrip()
    return _page(request, status, title, detail or "")


def server_error(request: "BaseRequest", exc: BaseException) -> Response:
    """500. In debug mode of the event loop with the traceback."""
    trace = None
    if asyncio.get_running_loop().get_debug():
        trace = "".join(traceback.format_exception(exc))
    return _page(request, 500, "500 Internal Server Error", "Server got itself in trouble", trace=trace)


def _page(request: "BaseRequest", status: int, title: str, message: str, *, trace: str | None = None) -> Response:
    # Text wins a tie: a client that takes anything is no browser.
    if best_match((TEXT, HTML), request.headers.get("Accept")) == HTML:
        body = html.escape(message)
        if trace is not None:
            body += f"\n<h2>Traceback:</h2>\n<pre>{html.escape(trace)}</pre>"
        response = Response(status=status, text=_PAGE.format(title=title, body=body), content_type=HTML)
    else:
        text = "\n\n".join(part for part in (title, message, trace) if part)
        response = Response(status=status, text=text + "\n", content_type=TEXT)
    response.force_close()
    return response
