"""The authorization policy that most applications need: users have roles, and roles have permissions."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import Enum
from typing import Any, TypeAlias

from .policies import AbstractAuthorizationPolicy, Permission

RolesOf: TypeAlias = Callable[[str], Iterable[str] | Awaitable[Iterable[str] | None] | None]
"""The roles of an identity, None for one that is unknown; may be `async def`."""


class RoleAuthorizationPolicy(AbstractAuthorizationPolicy):
    """`grants` names the permissions of each role: whole names, `"items.*"` for all that begin with `items.`, `"*"` for
    all; the values of an Enum count as names. `anonymous` is a role that everybody has, logged in or not. Raises
    TypeError for a str in the place of a list, which would be read by letter."""

    def __init__(
        self, roles_of: RolesOf, grants: Mapping[str, Iterable[Permission]], *, anonymous: str | None = None
    ) -> None:
        for role, permissions in grants.items():
            if isinstance(permissions, str):
                raise TypeError(f"the grants of {role!r} are a list, such as [{permissions!r}]; got {permissions!r}")
        self._roles_of = roles_of
        self._grants = {role: frozenset(map(_name, permissions)) for role, permissions in grants.items()}
        self._anonymous = anonymous

    async def authorized_userid(self, identity: str) -> str | None:
        """The identity itself, if its roles are known."""
        return None if await self._roles(identity) is None else identity

    async def permits(self, identity: str | None, permission: Permission, context: Any = None) -> bool:
        """Whether one of the roles has the permission. Any: the context counts for nothing here."""
        del context
        roles = set() if identity is None else set(await self._roles(identity) or ())
        if self._anonymous is not None:
            roles.add(self._anonymous)
        names = _and_wider(_name(permission))
        return any(not names.isdisjoint(self._grants.get(role, ())) for role in roles)

    async def _roles(self, identity: str) -> Iterable[str] | None:
        answer = self._roles_of(identity)
        roles = await answer if inspect.isawaitable(answer) else answer
        if isinstance(roles, str):
            raise TypeError(f"the roles of an identity are a list, such as [{roles!r}]; got {roles!r}")
        return roles


def _name(permission: Permission) -> str:
    return str(permission.value) if isinstance(permission, Enum) else permission


def _and_wider(name: str) -> set[str]:
    """The name, and the patterns that cover it."""
    parts = name.split(".")
    return {name, "*"} | {".".join([*parts[:count], "*"]) for count in range(1, len(parts))}
