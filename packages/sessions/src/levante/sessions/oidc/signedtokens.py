"""What every token has in common that a provider has signed for us: an algorithm that we chose, a signature by a key of
the provider's, who issued it for whom, and its times. Nothing in it is believed before that."""

import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError

from .errors import LoginRefused, LogoutRefused
from .keys import PublicKey

LEEWAY: Final = 60  # seconds by which the provider's clock and ours may differ
MAX_TOKEN: Final = 32 * 1024  # characters: claims of many groups
MAX_SUBJECT: Final = 255  # characters (OpenID Connect Core 1.0, 2)
SAFE_ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
"""Signatures with a public key. With HMAC the provider's public key could be mistaken for a secret."""

NONSENSE: Final = (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What joserfc raises for what is no token."""

FindKey = Callable[[Mapping[str, Any]], Awaitable[PublicKey | None]]


@dataclass(frozen=True, slots=True)
class SignedTokenRules:
    """`issuer` made it for `client_id`, and for nobody else but `trusted_audiences`, with one of `algorithms`. Raises
    ValueError for algorithms without a public key."""

    kind: ClassVar[str]
    refused: ClassVar[type[LoginRefused] | type[LogoutRefused]]

    issuer: str
    client_id: str
    algorithms: Collection[str]
    trusted_audiences: Collection[str] = ()
    leeway: int = LEEWAY

    def __post_init__(self) -> None:
        if not self.algorithms or not SAFE_ALGORITHMS.issuperset(self.algorithms):
            raise ValueError(f"algorithms is {self.algorithms!r}; expected some of {sorted(SAFE_ALGORITHMS)}")

    async def opened(self, token: str, find_key: FindKey) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims (Any: JSON) of a token whose signature holds. Raises `refused`, and what `find_key`
        raises."""
        header = self._header(token)
        key = await find_key(header)
        if key is None:
            raise self.refused(f"the provider's {self.kind} is signed with a key that it does not publish")
        try:
            return header, jwt.decode(token, key, algorithms=[header["alg"]]).claims
        except NONSENSE:
            raise self.refused(f"the signature of the provider's {self.kind} does not hold") from None

    def _header(self, token: str) -> dict[str, Any]:
        try:
            header = jws.extract_compact(token.encode("ascii")).headers() if len(token) <= MAX_TOKEN else {}
        except NONSENSE:
            header = {}
        if header.get("alg") not in self.algorithms:
            raise self.refused(f"the provider's {self.kind} is not signed in a way that is accepted")
        return header

    def address_problem(self, claims: Mapping[str, Any]) -> str:
        """What is wrong with who issued it for whom; empty when nothing is."""
        if claims.get("iss") != self.issuer:
            return "is that of another issuer"
        audiences = audiences_of(claims)
        strangers = [one for one in audiences if one != self.client_id and one not in self.trusted_audiences]
        return "is meant for others" if strangers or self.client_id not in audiences else ""

    def time_problem(self, claims: Mapping[str, Any], *, exp: float = math.nan) -> str:
        """What is wrong with its times; empty when nothing is. `exp` holds for a token that does not say when it
        ends."""
        now = time.time()
        if not now < time_of(claims, "exp", exp) + self.leeway:
            return "has expired"
        issued = max(time_of(claims, "iat"), time_of(claims, "nbf", -math.inf))
        return "" if issued - self.leeway <= now else "is not valid yet"


def audiences_of(claims: Mapping[str, Any]) -> list[Any]:
    """Whom it is meant for; Any: JSON."""
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]


def is_subject(value: object) -> bool:
    """Whether it can name a user."""
    return isinstance(value, str) and 0 < len(value) <= MAX_SUBJECT


def time_of(claims: Mapping[str, Any], name: str, default: float = math.nan) -> float:
    """A NumericDate; NaN, which is neither before nor after any time, for what is none."""
    value = claims.get(name, default)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
