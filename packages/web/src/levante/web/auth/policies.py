"""The two questions that an application answers its own way: whose request this is, and what he may do."""

from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from levante.web.types import Request, StreamResponse

Permission: TypeAlias = str | Enum
"""The name of something that may be allowed, such as "items.edit"."""


class AbstractIdentityPolicy(ABC):
    """Finds the identity of a request, a string that stands for somebody; has it remembered; has it forgotten.

    `identify` is asked more than once in a request; a policy whose answer costs something keeps it with the request.
    What a peer sent is never an error: who presents nonsense is nobody.
    """

    @abstractmethod
    async def identify(self, request: "Request") -> str | None:
        """The identity, None for an anonymous request."""

    async def remember(self, request: "Request", response: "StreamResponse", identity: str, **options: Any) -> None:
        """Have the browser present this identity from now on. Any: a policy has options of its own. RuntimeError where
        identities come with each request anyhow, as they do unless a policy says otherwise."""
        del request, response, identity, options
        raise RuntimeError(f"{type(self).__name__} reads what comes with each request: there is nothing to remember")

    async def forget(self, request: "Request", response: "StreamResponse") -> None:
        """Have the browser present no identity from now on. Nothing is to be done where it was not told to."""
        del request, response

    def challenge(self, request: "Request") -> str:
        """The WWW-Authenticate of a 401, which says how to do better (RFC 9110 section 11.6.1)."""
        del request
        return 'Session realm="login"'


class AbstractAuthorizationPolicy(ABC):
    """Knows users by their identities, and what they may do."""

    @abstractmethod
    async def authorized_userid(self, identity: str) -> str | None:
        """The id of the user, None for one who is unknown or shut out by now."""

    @abstractmethod
    async def permits(self, identity: str | None, permission: Permission, context: Any = None) -> bool:
        """Whether an identity (None: anybody) has a permission. Any: `context` is what the application decides by, the
        object that is to be edited for example."""
