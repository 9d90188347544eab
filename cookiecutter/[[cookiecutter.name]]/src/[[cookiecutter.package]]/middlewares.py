"""What happens around every request of this service: security headers, error pages for browsers, a limit on time."""

import asyncio
import secrets
from collections.abc import Mapping

from levante import web
from levante.web import templating

from .settings import SETTINGS

NONCE = web.RequestKey("csp_nonce", str)
TIME_LIMIT = web.RequestKey("time_limit", asyncio.Timeout)

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
ONE_YEAR = 365 * 24 * 3600


@web.middleware
async def security_headers(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    """Send with every response what a browser should forbid; a template may allow its own script by `csp_nonce`."""
    request[NONCE] = secrets.token_urlsafe(16)
    try:
        response = await handler(request)
    except web.HTTPException as error:
        _secure(request, error)
        raise
    _secure(request, response)
    return response


def _secure(request: web.Request, response: web.StreamResponse) -> None:
    if response.prepared:
        return
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY.format(nonce=request[NONCE]))
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if request.app[SETTINGS].is_production:
        headers.setdefault("Strict-Transport-Security", f"max-age={ONE_YEAR}")


@web.middleware
async def error_pages(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    """Show a person a page instead of a line of text; whoever does not ask for HTML gets problem+json."""
    try:
        return await handler(request)
    except web.HTTPError as error:
        if not wants_html(request):
            raise
        context = {"status": error.status, "reason": error.reason}
        return templating.render_template("error.html", request, context, status=error.status)


@web.middleware
async def limit_time(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    """End a request that takes longer than the setting allows. Who may stay longer calls
    `request[TIME_LIMIT].reschedule(None)`."""
    seconds = request.app[SETTINGS].request_timeout
    try:
        async with asyncio.timeout(seconds) as limit:
            request[TIME_LIMIT] = limit
            return await handler(request)
    except TimeoutError:
        if not limit.expired():
            raise
        raise web.HTTPServiceUnavailable(text=f"The request took longer than {seconds:g} s.") from None


def wants_html(request: web.Request) -> bool:
    """Whether a browser asks: text/html is accepted by name, and the path is not the API's."""
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/api/")
