"""Logins under way, in the session of the browser that began them: a code that comes back without one was not asked for
here (login CSRF). Each has an entry of its own, so that logins begun in two tabs at once do not lose each other, and is
taken out when it is used."""

import secrets
from typing import Any, Final, NamedTuple

from levante.sessions.session import Session

PREFIX: Final = "login:"  # of the keys in the session
SECONDS: Final = 600  # a login with a second factor takes a minute; a forgotten one ends
MAX_PENDING: Final = 4  # tabs; each takes some 200 bytes of a cookie that holds 4,096
SECRET_BYTES: Final = 32  # 43 characters: what RFC 7636, 4.1, asks of a verifier
MAX_NEXT: Final = 512  # characters of the page to go to afterwards


class PendingLogin(NamedTuple):
    """One login under way. `provider` is its issuer; `until` in seconds since the epoch."""

    provider: str
    nonce: str
    verifier: str
    next_page: str
    until: int


def begin(session: Session, *, provider: str, next_page: str, now: float) -> tuple[str, PendingLogin]:
    """Put a new login into the session; gives its `state`. Those that have ended go, and the oldest if there are too
    many."""
    found = {key: pending for key in session if (pending := _entry(session, key)) is not None}
    living = [key for key, pending in found.items() if pending.until > now]
    living.sort(key=lambda key: found[key].until)
    kept = set(living[-(MAX_PENDING - 1) :])
    for key in [key for key in session if key.startswith(PREFIX) and key not in kept]:
        del session[key]
    state, nonce, verifier = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(3))
    pending = PendingLogin(provider, nonce, verifier, next_page, int(now) + SECONDS)
    session[PREFIX + state] = list(pending)
    return state, pending


def take(session: Session, state: str, *, now: float) -> PendingLogin | None:
    """The login of a `state`, which is used up; None for one that was not begun here, was used, or has ended."""
    key = PREFIX + state
    pending = _entry(session, key)
    session.pop(key, None)
    return pending if pending is not None and pending.until > now else None


def _entry(session: Session, key: str) -> PendingLogin | None:
    value: Any = session.get(key) if key.startswith(PREFIX) else None
    return PendingLogin(*value) if isinstance(value, list) and len(value) == len(PendingLogin._fields) else None
