"""The token of a session that only its own pages know. The session holds a random secret; the token is HMAC-SHA256 of
the session's identity under it, so it dies with renew(), with logout and in any other session. Each page gets it under
a fresh random mask, so that the length of a compressed page tells nothing about it (BREACH)."""

import hmac
import secrets
from typing import Final

from .session import Session
from .signing import decode, encode

CSRF_KEY: Final = "_csrf"  # of the session
SECRET_BYTES: Final = 16  # 128 bits
MAC_BYTES: Final = 32
MAX_TOKEN: Final = 100  # characters of a presented token that are looked at; ours have 86


def make_token(session: Session) -> str:
    """A masked token of the session, which gets its secret if it has none."""
    if not isinstance(session.get(CSRF_KEY), str):
        session[CSRF_KEY] = secrets.token_hex(SECRET_BYTES)
    mask = secrets.token_bytes(MAC_BYTES)
    return encode(mask + _xor(mask, _mac(session)))


def check_token(session: Session, token: str) -> bool:
    """Whether a token belongs to the session. The comparison takes constant time."""
    if len(token) > MAX_TOKEN or not isinstance(session.get(CSRF_KEY), str):
        return False
    try:
        data = decode(token)
    except ValueError:
        return False
    return len(data) == 2 * MAC_BYTES and hmac.compare_digest(_xor(data[:MAC_BYTES], data[MAC_BYTES:]), _mac(session))


def _mac(session: Session) -> bytes:
    return hmac.digest(session[CSRF_KEY].encode(), b"csrf token of " + session.identity.encode(), "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")
