"""What stands in front of handlers: decorators for single ones, middlewares for groups and routes, and what the
attribute `permission` of a view becomes."""

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from levante.web.abc import AbstractView
from levante.web.exceptions import HTTPForbidden

from .checks import check_authorized, check_permission
from .policies import Permission

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, Request, StreamResponse

ViewPermission: TypeAlias = Permission | Mapping[str, Permission] | None
"""One for all methods of a view, or one for each by name; "*" stands for those that are not named."""

# A handler of a request, or a method of a view; Any: what they return is theirs.
_Guarded = TypeVar("_Guarded", bound=Callable[..., Awaitable[Any]])

_Check: TypeAlias = "Callable[[Request], Awaitable[object]]"


def login_required(handler: _Guarded) -> _Guarded:
    """A decorator for a handler or a method of a view: users only. Others get what check_authorized() raises."""
    return _guarded(handler, check_authorized)


def has_permission(permission: Permission) -> Callable[[_Guarded], _Guarded]:
    """A decorator for a handler or a method of a view: who has the permission. Others get what check_permission()
    raises."""

    async def check(request: "Request") -> None:
        await check_permission(request, permission)

    return lambda handler: _guarded(handler, check)


def requires_login() -> "Middleware":
    """A middleware for applications, groups and routes: users only."""
    return _behind(check_authorized)


def requires_permission(permission: Permission) -> "Middleware":
    """A middleware for applications, groups and routes: who has the permission."""

    async def check(request: "Request") -> None:
        await check_permission(request, permission)

    return _behind(check)


def view_guards(view: type[AbstractView]) -> "tuple[Middleware, ...]":
    """The middleware that the attribute `permission` of a view asks for; none without one. ValueError for an empty one,
    which would look like a guard."""
    permission: ViewPermission = getattr(view, "permission", None)
    if permission is None:
        return ()
    if not permission:
        raise ValueError(f"{view.__name__}.permission is {permission!r}; expected a permission, or None for everybody")
    if not isinstance(permission, Mapping):
        return (requires_permission(permission),)
    by_method = {method.upper(): each for method, each in permission.items()}

    async def check(request: "Request") -> None:
        method = "GET" if request.method == "HEAD" and "HEAD" not in by_method else request.method
        needed = by_method.get(method, by_method.get("*"))
        if needed is None:
            raise HTTPForbidden(text=f"403: no permission is named for {request.method}")
        await check_permission(request, needed)

    return (_behind(check),)


def _behind(check: _Check) -> "Middleware":
    async def guard(request: "Request", handler: "Handler") -> "StreamResponse":
        await check(request)
        return await handler(request)

    return guard


def _guarded(handler: _Guarded, check: _Check) -> _Guarded:
    if isinstance(handler, type):
        raise TypeError(
            f"{handler.__name__} is a class, whose `permission` and `middlewares` a decorator would hide; "
            "give it `permission`, or `middlewares` with requires_login()"
        )

    @wraps(handler)
    async def guarded(*args: Any, **kwargs: Any) -> Any:  # Any: as the handler has them
        await check(_request_of(args))
        return await handler(*args, **kwargs)

    guarded_handler: Any = guarded  # Any: a decorator gives back the type that it got
    result: _Guarded = guarded_handler
    return result


def _request_of(args: "tuple[Any, ...]") -> "Request":  # Any: as the handler has them
    """Of a handler, of a method of a view, and of a method of any other object."""
    for subject in args[:2]:
        if isinstance(subject, AbstractView):
            return subject.request
        if hasattr(subject, "match_info"):  # the class itself cannot be imported here: routing needs the guards
            request: Request = subject
            return request
    raise TypeError("a guarded handler is called with a request, or is a method of a view; got neither")
