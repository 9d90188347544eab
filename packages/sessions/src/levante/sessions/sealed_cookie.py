"""Sessions that live in the cookie itself, whichever way it is sealed. Inside the seal stand, before the JSON text,
the times and the identity that the server judges the session by:

    created (8 bytes) | last sealed (8) | own max_age or 0 (4) | identity (16)     all big-endian

Two requests that change one session at the same moment each send a whole cookie, and the last one to arrive wins: keep
in the cookie what one page sets, and in a storage on the server what must be counted. Nothing is compressed before
sealing: lengths would tell secrets (CRIME)."""

import struct
from typing import ClassVar, Final, Unpack

from .cookie import MAX_COOKIE, CookieSource, CookieTarget
from .errors import SealRejected
from .session import IDENTITY_BYTES, Session
from .signing import Keys, Sealer
from .storage import AbstractStorage, Action, StorageOptions

_HEAD: Final = struct.Struct(f">QQI{IDENTITY_BYTES}s")


class SealedCookieStorage(AbstractStorage):
    """Base of the signed and the encrypted cookie. `keys` newest first (see signing.parse_keys); `app` keeps two
    applications that share keys and a cookie name apart; the rest is StorageOptions. Raises WeakKey and ValueError."""

    sealer_class: ClassVar[type[Sealer]]

    def __init__(self, keys: Keys, *, app: str = "", **options: Unpack[StorageOptions]) -> None:
        super().__init__(**options)
        self._sealer = self.sealer_class(keys, cookie_name=self.cookie_name, app=app)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.cookie_name!r}, {self._sealer!r}>"

    async def load_session(self, request: CookieSource) -> Session:
        """The first of the presented cookies that opens, else a new session and a line in the log."""
        rejected = ""
        for value in self.cookie.values(request):
            try:
                return self._open(value)
            except SealRejected as error:
                rejected = rejected or error.kind
        if rejected:
            self.note_rejection(rejected)
        return await self.new_session()

    async def save_session(self, request: CookieSource, response: CookieTarget, session: Session) -> None:
        action = self.plan(request, session)
        if action is Action.DELETE:
            self.cookie.delete(response)
        elif action is Action.WRITE:
            self.save_cookie(response, self._seal(session), max_age=self.remaining(session))

    def _open(self, value: str) -> Session:
        if len(value) > MAX_COOKIE:
            raise SealRejected("too long")
        body, newest = self._sealer.open(value)
        try:
            created, seen, max_age, identity = _HEAD.unpack_from(body)
            text = body[_HEAD.size :].decode("utf-8")
        except (struct.error, UnicodeDecodeError):
            raise SealRejected("bad payload") from None
        self.check_times(created=created, seen=seen, max_age=max_age or None)
        session = Session(
            identity.hex(),
            data=self.decode_data(text),
            text=text,
            created=created,
            seen=seen,
            max_age=max_age or None,
            dumps=self._encoder,
            clock=self.clock,
        )
        if not newest:
            session.changed()  # sealed anew with the newest key on this response
        return session

    def _seal(self, session: Session) -> str:
        head = _HEAD.pack(session.created, int(self.clock()), session.max_age or 0, bytes.fromhex(session.identity))
        return self._sealer.seal(head + session.text.encode("utf-8"))
