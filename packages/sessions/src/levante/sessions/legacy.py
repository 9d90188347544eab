"""The cookies of aiohttp-session, read so that nobody is logged out by the move to this package: what they hold becomes
a session of ours, written in our own cookie, and the old cookie is deleted. Nothing is ever written in their form."""

import base64
import binascii
import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken

from .cookie import MAX_COOKIE, CookieSource, CookieTarget, SessionCookie
from .errors import SealRejected, WeakKey
from .session import IDENTITY_BYTES, MAX_USER

COOKIE_NAME: Final = "AIOHTTP_SESSION"
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Found:
    """What an old cookie held: its data, the JSON text they were in, the time of its making in seconds, and the
    identity that its session gets: always the same, so that all copies of the cookie end together; and the user who
    had logged in."""

    data: dict[str, Any]  # Any: plain JSON
    text: str
    created: int
    identity: str
    user: str | None


class LegacyCookies(ABC):
    """Old cookies of one name and form. `domain` and `path` are those that aiohttp-session set them with. `user_key`
    names the key of the data under which the id of who has logged in stands: it becomes `Session.user`. That of
    aiohttp-security is `AIOHTTP_SECURITY`."""

    def __init__(
        self,
        *,
        cookie_name: str = COOKIE_NAME,
        domain: str | None = None,
        path: str = "/",
        user_key: str | None = None,
    ) -> None:
        self._user_key = user_key
        self._cookie = SessionCookie(name=cookie_name, domain=domain, path=path, secure=False)

    def presented(self, request: CookieSource) -> bool:
        """Whether the request carries such a cookie."""
        return bool(self._cookie.values(request))

    def read(self, request: CookieSource) -> Found | None:
        """The content of the first such cookie, None without one or with an empty one. Raises SealRejected."""
        for value in self._cookie.values(request):
            if len(value) > MAX_COOKIE:
                raise SealRejected("too long")
            quoted = len(value) > 1 and value[0] == value[-1] == '"'  # http.cookies quotes what has a "/" in it
            token, text = self._open(value[1:-1] if quoted else value)
            return self._parse(text, identity=hashlib.sha256(token).hexdigest()[: 2 * IDENTITY_BYTES])
        return None

    def delete(self, request: CookieSource, response: CookieTarget) -> None:
        """Delete it, if the request carries one."""
        if self.presented(request):
            self._cookie.delete(response)

    def _parse(self, text: bytes, *, identity: str) -> Found | None:
        try:
            content = json.loads(text)
            if content == {}:
                return None
            data, created = content["session"], content["created"]
        except (ValueError, RecursionError, TypeError, KeyError):
            raise SealRejected("bad payload") from None
        if not isinstance(data, dict) or type(created) is not int or created < 0:
            raise SealRejected("bad payload")
        user = None if self._user_key is None else data.pop(self._user_key, None)
        if user is not None and not _is_user(user):
            raise SealRejected("bad user")
        return Found(data, text.decode("utf-8", "replace"), created, identity, user)

    @abstractmethod
    def _open(self, value: str) -> tuple[bytes, bytes]:
        """The token, which may be spelled in several ways, as what all of them stand for; and the JSON text in it.
        Raises SealRejected."""


class FernetCookies(LegacyCookies):
    """Those of aiohttp-session's EncryptedCookieStorage. `secret_key` as there: 32 bytes, their base64 text, or a
    Fernet. Raises WeakKey."""

    def __init__(self, secret_key: bytes | str | Fernet, **cookie: Any) -> None:  # Any: as LegacyCookies types them
        super().__init__(**cookie)
        if isinstance(secret_key, bytes):
            secret_key = base64.urlsafe_b64encode(secret_key).decode()
        try:
            self._fernet = secret_key if isinstance(secret_key, Fernet) else Fernet(secret_key)
        except ValueError:
            raise WeakKey("it is no key of aiohttp-session's EncryptedCookieStorage: those have 32 bytes") from None

    def _open(self, value: str) -> tuple[bytes, bytes]:
        token = value.encode("utf-8", "surrogateescape")
        try:
            return base64.urlsafe_b64decode(token), self._fernet.decrypt(token)
        except (InvalidToken, binascii.Error):
            raise SealRejected("bad seal") from None


class NaClCookies(LegacyCookies):
    """Those of aiohttp-session's NaClCookieStorage; needs the extra `nacl` (PyNaCl). `secret_key` has 32 bytes. Raises
    WeakKey."""

    def __init__(self, secret_key: bytes, **cookie: Any) -> None:  # Any: as LegacyCookies types them
        from nacl.exceptions import CryptoError
        from nacl.secret import SecretBox

        super().__init__(**cookie)
        if len(secret_key) != KEY_BYTES:
            raise WeakKey("it is no key of aiohttp-session's NaClCookieStorage: those have 32 bytes")
        self._box = SecretBox(secret_key)
        self._error = CryptoError

    def _open(self, value: str) -> tuple[bytes, bytes]:
        try:
            token = base64.b64decode(value.encode("utf-8", "surrogateescape"), validate=True)
            return token, self._box.decrypt(token)
        except (self._error, binascii.Error, ValueError):
            raise SealRejected("bad seal") from None


def _is_user(user: object) -> bool:
    try:
        return isinstance(user, str) and 0 < len(user.encode()) <= MAX_USER
    except UnicodeEncodeError:  # a lone surrogate
        return False
