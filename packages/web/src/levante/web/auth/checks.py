"""The questions as handlers ask them. Nobody is anybody, and nothing is permitted, until setup() was called: an
application that forgot it is closed, and says so in the log."""

import logging
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

from yarl import URL

from levante.web.exceptions import HTTPForbidden, HTTPSeeOther, HTTPUnauthorized
from levante.web.keys import AppKey

from .policies import AbstractAuthorizationPolicy, AbstractIdentityPolicy, Permission

if TYPE_CHECKING:
    from levante.web.types import Application, Request, StreamResponse

_logger = logging.getLogger("levante.web")

SAFE_METHODS = frozenset({"GET", "HEAD"})
"""A login page can send the browser back to these; what a form posted would be lost."""


@dataclass(frozen=True, slots=True)
class _Auth:
    identity: AbstractIdentityPolicy
    authorization: AbstractAuthorizationPolicy
    login_page: str | None


_AUTH = AppKey("auth", _Auth)


def setup(
    app: "Application",
    identity_policy: AbstractIdentityPolicy,
    authorization_policy: AbstractAuthorizationPolicy,
    *,
    login_page: str | None = None,
) -> None:
    """Say who decides in an application, and in those mounted below it that do not say otherwise.

    `login_page`: a path that browsers who ask for a page are sent to in place of a 401, with `?next=` and the path that
    they asked for. Raises TypeError for what are no policies.
    """
    if not isinstance(identity_policy, AbstractIdentityPolicy):
        raise TypeError(f"expected an AbstractIdentityPolicy, got {identity_policy!r}")
    if not isinstance(authorization_policy, AbstractAuthorizationPolicy):
        raise TypeError(f"expected an AbstractAuthorizationPolicy, got {authorization_policy!r}")
    app[_AUTH] = _Auth(identity_policy, authorization_policy, login_page)


async def remember(request: "Request", response: "StreamResponse", identity: str, **options: Any) -> None:
    """Log in: have the browser present `identity` from now on. Any: the options are the identity policy's. Raises
    ValueError for an empty identity, RuntimeError without setup()."""
    if not identity:
        raise ValueError("an identity is not empty; got an empty str")
    await _set_up(request).identity.remember(request, response, identity, **options)


async def forget(request: "Request", response: "StreamResponse") -> None:
    """Log out. Raises RuntimeError without setup()."""
    await _set_up(request).identity.forget(request, response)


async def authorized_userid(request: "Request") -> str | None:
    """The id of the user whose request this is, None for nobody."""
    auth = _auth(request)
    identity = None if auth is None else await auth.identity.identify(request)
    return None if auth is None or identity is None else await auth.authorization.authorized_userid(identity)


async def is_anonymous(request: "Request") -> bool:
    """Whether nobody has logged in, or somebody who is not known any more."""
    return await authorized_userid(request) is None


async def permits(request: "Request", permission: Permission, context: Any = None) -> bool:
    """Whether who is asking has the permission; False without setup(). Any: `context` goes to the policy. Raises
    ValueError for an empty permission, and TypeError when the policy's answer is no bool: a truthy accident must not
    open a door."""
    if not permission:
        raise ValueError("a permission is not empty; got an empty one")
    auth = _auth(request)
    if auth is None:
        return False
    identity = await auth.identity.identify(request)
    allowed = await auth.authorization.permits(identity, permission, context)
    if not isinstance(allowed, bool):
        raise TypeError(f"{type(auth.authorization).__name__}.permits() gave {allowed!r}; expected True or False")
    return allowed


async def check_authorized(request: "Request") -> str:
    """The id of the user. Raises HTTPUnauthorized for nobody; HTTPSeeOther to the login page, if there is one and a
    browser asks for a page."""
    user = await authorized_userid(request)
    if user is None:
        _refuse_stranger(request)
    return user


async def check_permission(request: "Request", permission: Permission, context: Any = None) -> None:
    """Return if who is asking has the permission. Any: `context` goes to the policy. Raises as check_authorized() for
    nobody, and HTTPForbidden for a user without it."""
    if await permits(request, permission, context):
        return
    if await is_anonymous(request):
        _refuse_stranger(request)
    name = permission.name if isinstance(permission, Enum) else permission
    raise HTTPForbidden(reason="Forbidden", text=f"403: this needs the permission {name!r}")


def _refuse_stranger(request: "Request") -> NoReturn:
    auth = _auth(request)
    if auth is None:
        raise HTTPUnauthorized(headers={"WWW-Authenticate": 'Session realm="login"'})
    if auth.login_page is not None and request.method in SAFE_METHODS and _wants_page(request):
        raise HTTPSeeOther(URL(auth.login_page).update_query(next=request.path_qs))
    raise HTTPUnauthorized(headers={"WWW-Authenticate": auth.identity.challenge(request)})


def _wants_page(request: "Request") -> bool:
    return "text/html" in request.headers.get("Accept", "")


def _auth(request: "Request") -> _Auth | None:
    auth: _Auth | None = request.config_dict.get(_AUTH)
    if auth is None:
        _logger.error("nobody is authorized for %s: levante.web.auth.setup() was not called", request.match_path)
    return auth


def _set_up(request: "Request") -> _Auth:
    auth = _auth(request)
    if auth is None:
        raise RuntimeError("auth is not set up: call levante.web.auth.setup(app, identity_policy, ...) first")
    return auth
