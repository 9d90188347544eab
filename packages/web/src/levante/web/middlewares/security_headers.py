"""The headers that make a browser careful: Content-Security-Policy with a nonce for each request, nosniff, nobody's
frame, Referrer-Policy, Permissions-Policy, an opener of its own, and HSTS on demand. They are added
when a response is about to be sent, so errors and streams have them as well, and only where the handler has not set
them.
"""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from levante.web.keys import RequestKey
from levante.web.request import BaseRequest, Request

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, StreamResponse

CSP_NONCE = RequestKey("csp_nonce", str)
"""Where the nonce of a request is kept once somebody has asked for it."""

NONCE_BYTES = 16
"""128 bits, what CSP asks for at least (CSP 3, section 2.3.1)."""

CONTENT_SECURITY_POLICY: Mapping[str, str] = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
"""Everything from the own origin, no plugins, in nobody's frame."""

PERMISSIONS_POLICY: Mapping[str, str] = dict.fromkeys(
    ("camera", "display-capture", "geolocation", "microphone", "payment", "serial", "usb"), "()"
)
"""What a page that was attacked could spy on or spend with is off; a page that needs one names it: `"(self)"`."""

NONCED = ("script-src", "style-src")
"""The directives that the nonce is added to."""


class LazyNonce:
    """The nonce of a request as templates use it: `<script nonce="{{ csp_nonce }}">`. It is made when it is first
    shown.
    """

    __slots__ = ("_request",)

    def __init__(self, request: BaseRequest) -> None:
        self._request = request

    def __str__(self) -> str:
        return csp_nonce(self._request)

    def __html__(self) -> str:
        return csp_nonce(self._request)


def csp_nonce(request: BaseRequest) -> str:
    """The nonce of this request, which the policy of its response will allow; made on the first call."""
    nonce = request.get(CSP_NONCE)
    if nonce is None:
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        request[CSP_NONCE] = nonce
    return nonce


def security_headers(
    *,
    csp: Mapping[str, str] | None = CONTENT_SECURITY_POLICY,
    referrer_policy: str | None = "strict-origin-when-cross-origin",
    permissions_policy: Mapping[str, str] | None = PERMISSIONS_POLICY,
    frame_options: str | None = "DENY",
    opener_policy: str | None = "same-origin",
    hsts_max_age: int | None = None,
    hsts_include_subdomains: bool = True,
) -> "Middleware":
    """A middleware that adds the headers; None leaves one out.

    `csp` maps directives to sources; a nonce that was asked for by `csp_nonce` (in templates: `{{ csp_nonce }}`) is
    added to `script-src` and `style-src`. `permissions_policy` maps features to who may use them: `"()"` nobody,
    `"(self)"` our own pages. `frame_options` says to old browsers what `frame-ancestors` says to others. Pages that log
    in through a window of somebody else's need `opener_policy="same-origin-allow-popups"`. `hsts_max_age` in seconds (a
    year is 31,536,000): only for hosts that will be HTTPS for that long.
    """
    subdomains = "; includeSubDomains" if hsts_include_subdomains else ""
    features = (
        None if permissions_policy is None else ", ".join(f"{name}={who}" for name, who in permissions_policy.items())
    )
    wanted = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": frame_options,
        "Referrer-Policy": referrer_policy,
        "Permissions-Policy": features,
        "Cross-Origin-Opener-Policy": opener_policy,
        "Strict-Transport-Security": None if hsts_max_age is None else f"max-age={hsts_max_age}{subdomains}",
    }
    fixed = {name: value for name, value in wanted.items() if value is not None}
    plain_policy = None if csp is None else _policy(csp, None)

    async def secure(request: Request, handler: "Handler") -> "StreamResponse":
        def add(response: "StreamResponse") -> None:
            headers = response.headers
            for name, value in fixed.items():
                headers.setdefault(name, value)
            if csp is not None and plain_policy is not None:
                nonce = request.get(CSP_NONCE)
                headers.setdefault("Content-Security-Policy", plain_policy if nonce is None else _policy(csp, nonce))

        request.add_prepare_hook(add)
        return await handler(request)

    return secure


def _policy(csp: Mapping[str, str], nonce: str | None) -> str:
    directives = []
    for name, sources in csp.items():
        extra = f" 'nonce-{nonce}'" if nonce is not None and name in NONCED else ""
        directives.append(f"{name} {sources}{extra}")
    return "; ".join(directives)
