"""The logout token (OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6): by it a provider tells, from server to
server, that somebody has logged out there. It looks like an ID token, so it is told from one by what it must have and
must not have."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from .errors import LogoutRefused
from .signedtokens import FindKey, SignedTokenRules, is_subject, time_of

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
TYPES: Final = frozenset({"logout+jwt", "application/logout+jwt", "jwt"})  # `typ`, which may be missing
MAX_AGE: Final = 300  # seconds since it was made: providers send it at once, and repeat it soon if at all
MAX_ID: Final = 255  # characters of `jti` and `sid`


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """Somebody has logged out at the provider: everywhere, if there is a `subject` alone; `sid` names one login, as the
    ID token of it does. One of them is there. `token_id` is the notice's own; `until`, in seconds since the epoch, when
    it is worth nothing any more."""

    issuer: str
    subject: str | None
    sid: str | None
    token_id: str
    until: int


@dataclass(frozen=True, slots=True)
class LogoutTokenRules(SignedTokenRules):
    """What a logout token must say."""

    kind: ClassVar[str] = "logout token"
    refused: ClassVar[type[LogoutRefused]] = LogoutRefused

    async def notice(self, token: str, *, find_key: FindKey) -> LogoutNotice:
        """What a token that holds tells. Raises LogoutRefused, and what `find_key` raises."""
        header, claims = await self.opened(token, find_key)
        problem = self._problem(header, claims)
        if problem:
            raise LogoutRefused(f"the provider's logout token {problem}")
        until = int(time_of(claims, "iat")) + MAX_AGE + self.leeway
        return LogoutNotice(self.issuer, claims.get("sub"), claims.get("sid"), claims["jti"], until)

    def _problem(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """What is wrong; empty when nothing is."""
        if str(header.get("typ", "JWT")).lower() not in TYPES:
            return "is a token of another kind"
        if problem := self.address_problem(claims) or self.time_problem(claims, exp=time_of(claims, "iat") + MAX_AGE):
            return problem
        if not time.time() - time_of(claims, "iat") <= MAX_AGE + self.leeway:
            return "is too old"
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
            return "is none: it tells of no logout"
        if "nonce" in claims:
            return "is none: it has a nonce, as ID tokens have"
        if not _is_id(claims.get("jti")):
            return "has no id"
        return self._subject_problem(claims)

    def _subject_problem(self, claims: Mapping[str, Any]) -> str:
        whom = [claims[name] for name in ("sub", "sid") if name in claims]
        valid = is_subject(claims.get("sub", "-")) and _is_id(claims.get("sid", "-"))
        return "" if whom and valid else "names nobody"


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID
