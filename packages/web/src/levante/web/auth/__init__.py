"""Who is asking, and what they may do: an identity policy finds out the one, an authorization policy answers the
other, and handlers, views and groups say what they need. Where nothing is set up, nobody may do anything.

from levante.web import auth

auth.setup(app, identity_policy, auth.RoleAuthorizationPolicy(roles_of, {"editor": ["items.*"]}))

class Items(web.View):
    permission = "items.edit"

Identity policies: `BasicIdentityPolicy` here, tokens in `levante.web.auth.bearer` (the extra `jwt`), sessions and
signed tokens in `levante.sessions.auth`.
"""

from .basic import BasicIdentityPolicy
from .checks import (
    authorized_userid,
    check_authorized,
    check_permission,
    forget,
    is_anonymous,
    permits,
    remember,
    setup,
)
from .guards import has_permission, login_required, requires_login, requires_permission
from .pages import local_page
from .policies import AbstractAuthorizationPolicy, AbstractIdentityPolicy, Permission
from .roles import RoleAuthorizationPolicy

__all__ = [
    "AbstractAuthorizationPolicy",
    "AbstractIdentityPolicy",
    "BasicIdentityPolicy",
    "Permission",
    "RoleAuthorizationPolicy",
    "authorized_userid",
    "check_authorized",
    "check_permission",
    "forget",
    "has_permission",
    "is_anonymous",
    "local_page",
    "login_required",
    "permits",
    "remember",
    "requires_login",
    "requires_permission",
    "setup",
]
