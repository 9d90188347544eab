"""Identity policies for `levante.web.auth` that remember: in the session, or in a signed token of its own. A login
gives the session a new identity, a logout ends it; what was kept from before is worth nothing."""

import struct
import time
from typing import Any, Final

from levante.web import Request, StreamResponse
from levante.web.auth import AbstractIdentityPolicy

from .cookie import MAX_COOKIE, SessionCookie, vary_by_cookie
from .errors import SealRejected
from .notices import Notices
from .session import check_lifetime
from .signing import Keys, SigningSealer
from .storage import FUTURE_TOLERANCE
from .visit import get_session

COOKIE_NAME: Final = "login"
TOKEN_AGE: Final = 30 * 24 * 3600  # seconds, a month: what users of "remember me" expect, and a stolen one dies
BEARER: Final = "bearer "

_TIMES: Final = struct.Struct(">QI")  # made at, lives for; both in seconds


class SessionIdentityPolicy(AbstractIdentityPolicy):
    """The identity is `Session.user`. Needs the session middleware (SessionNotSetUp)."""

    async def identify(self, request: Request) -> str | None:
        """The session's user."""
        return (await get_session(request)).user

    async def remember(self, request: Request, response: StreamResponse, identity: str, **options: Any) -> None:
        """Set the session's user, which renews it; its data stays. Any: only `max_age` is known, in seconds, and
        everything else is a TypeError."""
        del response  # the session middleware writes to it
        session = await get_session(request)
        session.user = identity
        if options:
            session.max_age = _only_max_age(options)

    async def forget(self, request: Request, response: StreamResponse) -> None:
        """Drop the session with all its data."""
        del response
        (await get_session(request)).invalidate()


class SignedTokenIdentityPolicy(AbstractIdentityPolicy):
    """The identity is in a token that is signed with HMAC-SHA256 and has an end, sent in a cookie of its own or as a
    bearer token: where there are no sessions. It can be read by who has it, and ends at its time only.

    `keys` as for the session storages, newest first; `max_age` in seconds; `app` keeps applications that share keys
    apart. `token()` makes one for a program. Raises WeakKey and ValueError.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        max_age: int = TOKEN_AGE,
        cookie_name: str = COOKIE_NAME,
        app: str = "",
        secure: bool = True,
    ) -> None:
        check_lifetime("max_age", max_age)
        self._cookie = SessionCookie(name=cookie_name, secure=secure)
        self._sealer = _TokenSealer(keys, cookie_name="", app=app)
        self._max_age = max_age
        self._notices = Notices()

    async def identify(self, request: Request) -> str | None:
        """The identity of the first token that holds."""
        rejected = ""
        for token in self._presented(request):
            try:
                return self._open(token)
            except SealRejected as error:
                rejected = rejected or error.kind
        if rejected:
            self._notices.warn(rejected, "login token rejected (%s)")
        return None

    async def remember(self, request: Request, response: StreamResponse, identity: str, **options: Any) -> None:
        """Set the cookie. Any: only `max_age` is known, in seconds. Raises SessionTooLarge for an endless identity."""
        del request
        max_age = _only_max_age(options) if options else self._max_age
        value = self.token(identity, max_age=max_age)
        self._cookie.set(response, value, max_age=max_age, now=time.time())
        vary_by_cookie(response)

    async def forget(self, request: Request, response: StreamResponse) -> None:
        """Delete the cookie."""
        del request
        self._cookie.delete(response)

    def token(self, identity: str, *, max_age: int | None = None) -> str:
        """A token for `max_age` seconds (the policy's own by default), in base64url."""
        lifetime = self._max_age if max_age is None else max_age
        check_lifetime("max_age", lifetime)
        return self._sealer.seal(_TIMES.pack(int(time.time()), lifetime) + identity.encode("utf-8"))

    def _presented(self, request: Request) -> list[str]:
        header = request.headers.get("Authorization", "")
        bearer = [header[len(BEARER) :].strip(" ")] if header[: len(BEARER)].lower() == BEARER else []
        return bearer + self._cookie.values(request)

    def _open(self, token: str) -> str:
        if len(token) > MAX_COOKIE:
            raise SealRejected("too long")
        body, _ = self._sealer.open(token)
        try:
            made, lifetime = _TIMES.unpack_from(body)
            identity = body[_TIMES.size :].decode("utf-8")
        except (struct.error, UnicodeDecodeError):
            raise SealRejected("bad payload") from None
        if not made - FUTURE_TOLERANCE <= time.time() < made + lifetime or not identity:
            raise SealRejected("expired")
        return identity


class _TokenSealer(SigningSealer):
    purpose = "login token, signed"


def _only_max_age(options: dict[str, Any]) -> int:
    unknown = options.keys() - {"max_age"}
    if unknown:
        raise TypeError(f"got {', '.join(sorted(unknown))}; expected max_age, in seconds, and nothing else")
    max_age: int = options["max_age"]
    check_lifetime("max_age", max_age)
    return max_age
