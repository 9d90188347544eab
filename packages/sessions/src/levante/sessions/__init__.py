"""Sessions for levante.web: signed and encrypted cookies with rotating keys, flash messages, protection against forged
requests. `levante.sessions.redis` (the extra `redis`) keeps sessions, and what was revoked, in Redis;
`levante.sessions.memcached` (the extra `memcached`) keeps sessions in memcached.

from levante.sessions import EncryptedCookieStorage, get_session, parse_keys, setup

setup(app, EncryptedCookieStorage(parse_keys(os.environ["SECRET_KEYS"])))

async def handler(request):
    session = await get_session(request)
    session["visits"] = session.get("visits", 0) + 1
"""

from .cookie import SessionCookie
from .csrf import csrf_context, csrf_exempt, csrf_middleware, csrf_token
from .csrf_rules import CsrfRules
from .encrypted_cookie import EncryptedCookieStorage
from .errors import (
    SessionConflict,
    SessionError,
    SessionNotSetUp,
    SessionPayloadError,
    SessionReadOnly,
    SessionRecordTooLarge,
    SessionStoreUnavailable,
    SessionTooLarge,
    SessionWriteTooLate,
    WeakKey,
)
from .flash import Flash, flash, flash_context, get_flashes
from .keyring import keys_from_environment
from .legacy import FernetCookies, NaClCookies
from .memory import MemoryStorage
from .middleware import session_middleware, setup
from .records import SessionInfo
from .revocations import MemoryRevocations, Revocations
from .serverside import ServerSideStorage
from .session import Session
from .signed_cookie import SignedCookieStorage
from .signing import generate_key, parse_keys
from .storage import AbstractStorage, StorageOptions
from .store import SessionStore
from .visit import get_session, new_session
from .websockets import guard_websocket

__version__ = "0.1.0"

__all__ = [
    "AbstractStorage",
    "CsrfRules",
    "EncryptedCookieStorage",
    "FernetCookies",
    "Flash",
    "MemoryRevocations",
    "MemoryStorage",
    "NaClCookies",
    "Revocations",
    "ServerSideStorage",
    "Session",
    "SessionConflict",
    "SessionCookie",
    "SessionError",
    "SessionInfo",
    "SessionNotSetUp",
    "SessionPayloadError",
    "SessionReadOnly",
    "SessionRecordTooLarge",
    "SessionStore",
    "SessionStoreUnavailable",
    "SessionTooLarge",
    "SessionWriteTooLate",
    "SignedCookieStorage",
    "StorageOptions",
    "WeakKey",
    "csrf_context",
    "csrf_exempt",
    "csrf_middleware",
    "csrf_token",
    "flash",
    "flash_context",
    "generate_key",
    "get_flashes",
    "get_session",
    "guard_websocket",
    "keys_from_environment",
    "new_session",
    "parse_keys",
    "session_middleware",
    "setup",
]
