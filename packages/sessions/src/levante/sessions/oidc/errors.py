"""What can go wrong with a login at a provider, split by whose fault it is. All are HTTP exceptions, so that the
session is saved and the login that was under way is used up. What they say to the browser is ours: nothing that the
provider or the browser sent stands in it.

LoginRefused (HTTPBadRequest)   the browser's, or the provider said no: the login has to be begun again
LoginEnded (HTTPUnauthorized)   the provider does not stand for the login any more: the user has to log in again
LogoutRefused (HTTPBadRequest)  whoever's who says that somebody has logged out: it is not believed
ProviderFault (HTTPBadGateway)  the provider's: it did not answer, or what it answered makes no sense
"""

import json
from typing import Final

from levante.web import HTTPBadGateway, HTTPBadRequest, HTTPUnauthorized

KNOWN_CODES: Final = frozenset(
    {
        "access_denied",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_request_object",
        "invalid_request_uri",
        "invalid_scope",
        "login_required",
        "registration_not_supported",
        "request_not_supported",
        "request_uri_not_supported",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_response_type",
    }
)
"""RFC 6749, 4.1.2.1 and 5.2; OpenID Connect Core 1.0, 3.1.2.6."""

MAX_DESCRIPTION: Final = 200  # characters of the provider's own words that are kept


class LoginRefused(HTTPBadRequest):
    """The login did not come about. `why` is a fixed phrase of ours; `code` is the provider's error code, if it gave
    one that the standards know, else "unknown"; `description` its own words, printable and cut: they came through the
    browser, so escape them where they are shown."""

    def __init__(self, why: str, *, code: str | None = None, description: str = "") -> None:
        self.why = why
        self.code = code if code is None or code in KNOWN_CODES else "unknown"
        self.description = "".join(filter(str.isprintable, description))[:MAX_DESCRIPTION]
        told = why if self.code is None else f"{why} ({self.code})"
        super().__init__(text=f"400: the login did not come about: {told}")


class LoginEnded(HTTPUnauthorized):
    """There are no tokens of this user that hold, and none to be had. `why` is a fixed phrase of ours."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(headers={"WWW-Authenticate": 'Session realm="login"'}, text=f"401: log in again: {why}")


class LogoutRefused(HTTPBadRequest):
    """Nobody was logged out. `why` is a fixed phrase of ours; the answer is as OpenID Connect Back-Channel Logout 1.0,
    2.8, has it."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(
            text=json.dumps({"error": "invalid_request", "error_description": why}),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )


class ProviderFault(HTTPBadGateway):
    """The provider could not be asked, or its answer cannot be used. `why` is a phrase of ours for the log."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(text="502: the login provider cannot be used at the moment; try again later")

    def __str__(self) -> str:
        return self.why
