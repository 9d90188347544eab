"""HTTPS for everybody. What only asks is sent to the same URL by HTTPS; what brings something has sent it in the clear
already, and is refused, lest nobody notice.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from levante.web.exceptions import HTTPBadRequest, HTTPForbidden, HTTPPermanentRedirect
from levante.web.request import Request

from .exempt import exempt_paths

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, StreamResponse

HTTPS_PORT = 443


def https_redirect(*, host: str | None = None, port: int = HTTPS_PORT, exempt: Iterable[str] = ()) -> "Middleware":
    """A middleware that answers GET and HEAD by HTTP with 308 to HTTPS at `host` (None: the one that was asked for) and
    `port`, other methods with 403; `exempt` are paths that may be had by HTTP.

    It goes by `request.secure`, so behind a proxy that ends TLS the server needs `trusted_proxies`. Tell browsers to
    come by HTTPS at once with `security_headers(hsts_max_age=...)`.
    """
    free = exempt_paths(exempt)

    async def redirect(request: Request, handler: "Handler") -> "StreamResponse":
        if request.pre_handler_error is not None or request.secure or request.match_path in free:
            return await handler(request)
        if request.method not in ("GET", "HEAD"):
            raise HTTPForbidden(text="403: this is for HTTPS only\n")
        name = host or request.url.host
        if not name:
            raise HTTPBadRequest(text="400: the request names no host to redirect to\n")
        target = request.url.with_host(name).with_scheme("https")
        raise HTTPPermanentRedirect(target.with_port(None if port == HTTPS_PORT else port))

    return redirect
