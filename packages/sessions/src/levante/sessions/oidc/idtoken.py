"""The ID token, checked whole (OpenID Connect Core 1.0, 3.1.3.7): an algorithm that we chose, a signature by a key of
the provider's, who issued it for whom and in answer to what, and its times. Nothing in it is believed before that."""

import base64
import hashlib
import hmac
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError

from .errors import LoginRefused
from .keys import PublicKey

LEEWAY: Final = 60  # seconds by which the provider's clock and ours may differ
MAX_TOKEN: Final = 32 * 1024  # characters: claims of many groups
MAX_SUBJECT: Final = 255  # characters (OpenID Connect Core 1.0, 2)
SAFE_ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
"""Signatures with a public key. With HMAC the provider's public key could be mistaken for a secret."""

HASHES: Final = {"256": "sha256", "384": "sha384"}
"""What `at_hash` is made with, by the end of the algorithm's name; all others, Ed25519 among them, have SHA-512."""

NONSENSE: Final = (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What joserfc raises for what is no token."""

FindKey = Callable[[Mapping[str, Any]], Awaitable[PublicKey]]


@dataclass(frozen=True, slots=True)
class IdTokenRules:
    """What an ID token must say: `issuer` made it for `client_id`, and for nobody else but `trusted_audiences`, with
    one of `algorithms`. Raises ValueError for algorithms without a public key."""

    issuer: str
    client_id: str
    algorithms: Collection[str]
    trusted_audiences: Collection[str] = ()
    leeway: int = LEEWAY

    def __post_init__(self) -> None:
        if not self.algorithms or not SAFE_ALGORITHMS.issuperset(self.algorithms):
            raise ValueError(f"algorithms is {self.algorithms!r}; expected some of {sorted(SAFE_ALGORITHMS)}")

    async def claims(self, token: str, *, find_key: FindKey, nonce: str, access_token: str) -> dict[str, Any]:
        """The claims of a token that holds (Any: JSON). Raises LoginRefused, and what `find_key` raises."""
        header = self._header(token)
        key = await find_key(header)
        try:
            claims = jwt.decode(token, key, algorithms=[header["alg"]]).claims
        except NONSENSE:
            raise LoginRefused("the signature of the provider's ID token does not hold") from None
        problem = self._problem(claims, nonce) or _hash_problem(claims, header["alg"], access_token)
        if problem:
            raise LoginRefused(f"the provider's ID token {problem}")
        return claims

    def _header(self, token: str) -> dict[str, Any]:
        try:
            header = jws.extract_compact(token.encode("ascii")).headers() if len(token) <= MAX_TOKEN else {}
        except NONSENSE:
            header = {}
        if header.get("alg") not in self.algorithms:
            raise LoginRefused("the provider's ID token is not signed in a way that is accepted")
        return header

    def _problem(self, claims: Mapping[str, Any], nonce: str) -> str:
        """What is wrong; empty when nothing is."""
        if claims.get("iss") != self.issuer:
            return "is that of another issuer"
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if self.client_id not in audiences or any(
            other != self.client_id and other not in self.trusted_audiences for other in audiences
        ):
            return "is meant for others"
        if claims.get("azp", None if len(audiences) > 1 else self.client_id) != self.client_id:
            return "was asked for by others"
        now = time.time()
        if not now < _time(claims, "exp") + self.leeway:
            return "has expired"
        if not max(_time(claims, "iat"), _time(claims, "nbf", -math.inf)) - self.leeway <= now:
            return "is not valid yet"
        given = claims.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            return "belongs to another login"
        subject = claims.get("sub")
        return "" if isinstance(subject, str) and 0 < len(subject) <= MAX_SUBJECT else "names nobody"


def _time(claims: Mapping[str, Any], name: str, default: float = math.nan) -> float:
    """A NumericDate; NaN, which is neither before nor after any time, for what is none."""
    value = claims.get(name, default)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _hash_problem(claims: Mapping[str, Any], algorithm: str, access_token: str) -> str:
    """Whether the access token is the one that the ID token came with (3.1.3.6)."""
    if "at_hash" not in claims:
        return ""
    digest = hashlib.new(HASHES.get(algorithm[-3:], "sha512"), access_token.encode()).digest()
    wanted = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    return "" if claims["at_hash"] == wanted else "belongs to another access token"
