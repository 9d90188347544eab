"""Identities in JSON Web Tokens (RFC 7519), sent by programs as bearer tokens (RFC 6750). Needs the extra `jwt`
(joserfc). A token is checked whole, by an algorithm that we chose and it does not: signature, end, and who made it for
whom. One that fails is nobody's, whatever is wrong with it."""

import math
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeyFlexible, OctKey
from joserfc.jws import JWSRegistry

from levante.web.keys import RequestKey

from .policies import AbstractIdentityPolicy

if TYPE_CHECKING:
    from levante.web.types import Request

LEEWAY: Final = 60
"""Seconds by which the clocks of who makes tokens and who reads them may differ."""

MAX_TOKEN: Final = 8192
"""Characters of a token that are looked at: no header field is longer."""

MIN_SECRET: Final = 32
"""Bytes of a shared secret: as many as the hash of HS256 has (RFC 7518 section 3.2)."""


class BearerIdentityPolicy(AbstractIdentityPolicy):
    """The identity is the claim `claim` of the bearer token.

    `key`: bytes, a secret that both sides share, at least 32 of them; or a key or KeySet of joserfc. `algorithms`
    are those accepted, "none" never is. A token must have an `exp`; `issuer` and `audience` must be in it, where they
    are given, and a token that is made for an audience is refused where none is given. `leeway` in seconds. ValueError
    for a short secret and for unknown or unsafe algorithms.
    """

    def __init__(
        self,
        key: bytes | KeyFlexible,
        *,
        algorithms: Iterable[str] = ("HS256",),
        issuer: str | None = None,
        audience: str | None = None,
        claim: str = "sub",
        leeway: int = LEEWAY,
        realm: str = "api",
    ) -> None:
        self._algorithms = [algorithms] if isinstance(algorithms, str) else list(algorithms)
        unknown = [name for name in self._algorithms if name == "none" or name not in JWSRegistry.algorithms]
        if unknown or not self._algorithms:
            raise ValueError(
                f"algorithms is {self._algorithms!r}; expected some of RFC 7518 section 3.1, and not 'none'"
            )
        if isinstance(key, bytes):
            if len(key) < MIN_SECRET:
                raise ValueError(f"the secret has {len(key)} bytes; expected {MIN_SECRET} or more random ones")
            key = OctKey.import_key(key)
        self._key = key
        # Of this policy: a token that holds for another key or audience may hold for this one not.
        self._claims: RequestKey[dict[str, Any] | None] = RequestKey("jwt_claims")  # Any: claims are JSON
        self._issuer = issuer
        self._audience = audience
        self._claim = claim
        self._leeway = leeway
        self._realm = realm

    async def identify(self, request: "Request") -> str | None:
        """The claim, if the token holds."""
        claims = await self.claims(request)
        identity = None if claims is None else claims.get(self._claim)
        return identity if isinstance(identity, str) and identity else None

    async def claims(self, request: "Request") -> dict[str, Any] | None:  # Any: claims are JSON
        """All claims of the request's token, None without one that holds. It is checked once a request."""
        if self._claims not in request:
            token = _bearer_token(request.headers.get("Authorization", ""))
            request[self._claims] = None if token is None else self._checked(token)
        return request[self._claims]

    def challenge(self, request: "Request") -> str:
        """Bearer; with `invalid_token` if one was presented (RFC 6750 section 3)."""
        presented = _bearer_token(request.headers.get("Authorization", "")) is not None
        return f'Bearer realm="{self._realm}"' + (', error="invalid_token"' if presented else "")

    def _checked(self, token: str) -> dict[str, Any] | None:
        try:
            claims = jwt.decode(token, self._key, algorithms=self._algorithms).claims
        except (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            # A peer's nonsense: the library has errors of its own for most of it, and Python's for the rest.
            return None
        return claims if self._holds(claims) else None

    def _holds(self, claims: Mapping[str, Any]) -> bool:
        now = time.time()
        if not (_time(claims, "nbf", -math.inf) - self._leeway <= now < _time(claims, "exp", math.nan) + self._leeway):
            return False
        if self._issuer is not None and claims.get("iss") != self._issuer:
            return False
        audience = claims.get("aud", [])
        audiences = [audience] if isinstance(audience, str) else audience
        if not isinstance(audiences, list):
            return False
        return self._audience in audiences if self._audience is not None else not audiences


def _time(claims: Mapping[str, Any], name: str, default: float) -> float:
    """A NumericDate; NaN, which is neither before nor after any time, for what is none."""
    value = claims.get(name, default)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def _bearer_token(header: str) -> str | None:
    scheme, _, token = header.partition(" ")
    token = token.strip(" ")
    return token if scheme.lower() == "bearer" and 0 < len(token) <= MAX_TOKEN else None
