"""Names and passwords that come with every request as they are (RFC 7617): for programs and internal pages, and for
HTTPS only."""

import base64
import binascii
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from levante.web.keys import RequestKey

from .policies import AbstractIdentityPolicy

if TYPE_CHECKING:
    from levante.web.types import Request

Verify: TypeAlias = Callable[[str, str], bool | Awaitable[bool]]
"""Whether a name and a password belong together; may be `async def`."""


class BasicIdentityPolicy(AbstractIdentityPolicy):
    """The identity is the name, once `verify` has accepted it with its password. `realm` says what they are for;
    ValueError for one that a header cannot carry."""

    def __init__(self, verify: Verify, *, realm: str = "") -> None:
        self._verify = verify
        # Of this policy: what another one accepts, of the application that this one's is mounted in, is its own.
        self._found: RequestKey[str | None] = RequestKey("basic_identity")
        self._challenge = basic_challenge(realm)

    async def identify(self, request: "Request") -> str | None:
        """The name; `verify` is asked once a request."""
        if self._found not in request:
            found = basic_credentials(request.headers.get("Authorization", ""))
            accepted = found is not None and await is_accepted(self._verify, *found)
            request[self._found] = found[0] if found is not None and accepted else None
        return request[self._found]

    def challenge(self, request: "Request") -> str:
        del request
        return self._challenge


def basic_challenge(realm: str) -> str:
    """The WWW-Authenticate that asks for a name and a password (RFC 7617 section 2). Raises ValueError."""
    if not realm.isprintable() or '"' in realm or "\\" in realm:
        raise ValueError(f"a realm has no quotes, backslashes and control characters; got {realm!r}")
    return f'Basic realm="{realm}", charset="UTF-8"'


def basic_credentials(header: str) -> tuple[str, str] | None:
    """Name and password of an Authorization field; None for anything else."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(" ").encode("ascii"), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeError):
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon else None


async def is_accepted(verify: Verify, name: str, password: str) -> bool:
    """What `verify` says; nothing but True is a yes."""
    verdict = verify(name, password)
    return (await verdict if inspect.isawaitable(verdict) else verdict) is True
