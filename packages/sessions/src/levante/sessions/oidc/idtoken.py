"""The ID token, checked whole (OpenID Connect Core 1.0, 3.1.3.7): what every token of a provider must be, and in answer
to what it was made."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from .errors import LoginRefused
from .signedtokens import FindKey, SignedTokenRules, audiences_of, is_subject

HASHES: Final = {"256": "sha256", "384": "sha384"}
"""What `at_hash` is made with, by the end of the algorithm's name; all others, Ed25519 among them, have SHA-512."""


@dataclass(frozen=True, slots=True)
class IdTokenRules(SignedTokenRules):
    """What an ID token must say."""

    kind: ClassVar[str] = "ID token"
    refused: ClassVar[type[LoginRefused]] = LoginRefused

    async def claims(self, token: str, *, find_key: FindKey, nonce: str, access_token: str) -> dict[str, Any]:
        """The claims of a token that holds (Any: JSON). Raises LoginRefused, and what `find_key` raises."""
        header, claims = await self.opened(token, find_key)
        problem = self._problem(claims, nonce) or _hash_problem(claims, header["alg"], access_token)
        if problem:
            raise LoginRefused(f"the provider's ID token {problem}")
        return claims

    def _problem(self, claims: Mapping[str, Any], nonce: str) -> str:
        """What is wrong; empty when nothing is."""
        audiences = audiences_of(claims)
        if problem := self.address_problem(claims):
            return problem
        if claims.get("azp", None if len(audiences) > 1 else self.client_id) != self.client_id:
            return "was asked for by others"
        if problem := self.time_problem(claims):
            return problem
        given = claims.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            return "belongs to another login"
        return "" if is_subject(claims.get("sub")) else "names nobody"


def _hash_problem(claims: Mapping[str, Any], algorithm: str, access_token: str) -> str:
    """Whether the access token is the one that the ID token came with (3.1.3.6)."""
    if "at_hash" not in claims:
        return ""
    digest = hashlib.new(HASHES.get(algorithm[-3:], "sha512"), access_token.encode()).digest()
    wanted = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    return "" if claims["at_hash"] == wanted else "belongs to another access token"
