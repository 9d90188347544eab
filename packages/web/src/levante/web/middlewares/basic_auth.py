"""A name and a password in front of an application (RFC 7617): for staging, for an internal page. Both travel with
every request as they are, so it is for HTTPS only; real users have sessions.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from levante.web.auth.basic import Verify, basic_challenge, basic_credentials, is_accepted
from levante.web.exceptions import HTTPUnauthorized
from levante.web.keys import RequestKey
from levante.web.request import Request

from .exempt import exempt_paths

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, StreamResponse

BASIC_USER = RequestKey("basic_user", str)
"""Where a request has the name that was accepted."""


def basic_auth(users: Mapping[str, str] | Verify, *, realm: str = "", exempt: Iterable[str] = ()) -> "Middleware":
    """A middleware that answers 401 to who has no name and password among `users`, a mapping or a function (which may
    be `async def`, and should hash); `realm` says what they are for, `exempt` are paths for everybody. The name is in
    `request[BASIC_USER]`. Passwords are compared in a time that tells nothing. ValueError for a realm with a quote, a
    backslash or a control character.
    """
    verify = _among(users) if isinstance(users, Mapping) else users
    challenge = {"WWW-Authenticate": basic_challenge(realm)}
    free = exempt_paths(exempt)

    async def check(request: Request, handler: "Handler") -> "StreamResponse":
        if request.match_path not in free:
            found = basic_credentials(request.headers.get("Authorization", ""))
            if found is None or not await is_accepted(verify, *found):
                raise HTTPUnauthorized(headers=challenge)
            request[BASIC_USER] = found[0]
        return await handler(request)

    return check


def _among(users: Mapping[str, str]) -> Callable[[str, str], bool]:
    # Hashes are of one length: comparing them does not tell that of a password.
    known = {_hash(name): _hash(password) for name, password in users.items()}
    nobody = _hash("")

    def verify(name: str, password: str) -> bool:
        expected = known.get(_hash(name))
        is_right = hmac.compare_digest(_hash(password), nobody if expected is None else expected)
        return is_right and expected is not None

    return verify


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
