"""The seam between sessions and where they are kept. A storage loads the session that a request presents, decides with
plan() what the response owes the browser, and carries it out. Lifetimes are judged here, on the server, from times
that the visitor cannot change; what the browser makes of Max-Age is only housekeeping."""

import enum
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, TypedDict, Unpack

from . import payload
from .cookie import CookieSource, CookieTarget, SameSite, SessionCookie
from .errors import SealRejected
from .notices import Notices
from .session import Session, check_lifetime

COOKIE_NAME: Final = "session"
MAX_AGE: Final = 7 * 24 * 3600  # absolute lifetime in seconds: a stolen cookie dies within a week (ASVS 7.3.2)
IDLE_TIMEOUT: Final = 2 * 3600  # a forgotten browser is closed after two hours (ASVS 7.3.1)
FUTURE_TOLERANCE: Final = 60  # seconds by which clocks of sister machines may differ
REFRESH_PART: Final = (
    12  # an unchanged session is sealed anew when a twelfth of its idle lifetime is gone (10 minutes of two hours)
)


class Action(enum.Enum):
    """What a response owes the browser."""

    KEEP = "keep"
    WRITE = "write"
    REFRESH = "refresh"  # write, though nothing changed: the idle lifetime starts anew
    DELETE = "delete"


class StorageOptions(TypedDict, total=False):
    """What every storage takes by keyword. `cookie_name` is without prefix; lifetimes are seconds, None for no
    limit."""

    cookie_name: str  # "session"
    domain: str | None  # None: this host only
    max_age: int | None  # absolute lifetime: seven days
    idle_timeout: int | None  # two hours
    path: str  # "/"
    secure: bool  # True; False only for development over plain HTTP on loopback
    httponly: bool  # True
    samesite: SameSite  # "Lax"
    encoder: Callable[[Any], str]  # Any: as json.dumps
    decoder: Callable[[str], Any]  # Any: as json.loads
    clock: Callable[[], float]  # seconds since the epoch


class AbstractStorage(ABC):
    """Where sessions live. Subclasses implement load_session and save_session; both may wait.

    Raises ValueError for lifetimes and cookie attributes that browsers refuse.
    """

    def __init__(self, **options: Unpack[StorageOptions]) -> None:
        self.max_age = options.get("max_age", MAX_AGE)
        self.idle_timeout = options.get("idle_timeout", IDLE_TIMEOUT)
        check_lifetime("max_age", self.max_age)
        check_lifetime("idle_timeout", self.idle_timeout)
        self.cookie = SessionCookie(
            name=options.get("cookie_name", COOKIE_NAME),
            domain=options.get("domain"),
            path=options.get("path", "/"),
            secure=options.get("secure", True),
            httponly=options.get("httponly", True),
            samesite=options.get("samesite", "Lax"),
        )
        self.clock = options.get("clock", time.time)
        self.notices = Notices()
        self._encoder = options.get("encoder", payload.dumps)
        self._decoder = options.get("decoder", payload.loads)

    @property
    def cookie_name(self) -> str:
        """The name on the wire, prefix included."""
        return self.cookie.name

    @property
    def cookie_params(self) -> dict[str, Any]:
        """The cookie's attributes as set_cookie() takes them."""
        cookie = self.cookie
        return {
            "domain": cookie.domain,
            "max_age": self.max_age,
            "path": cookie.path,
            "secure": cookie.secure,
            "httponly": cookie.httponly,
            "samesite": cookie.samesite,
        }

    @abstractmethod
    async def load_session(self, request: CookieSource) -> Session:
        """The session that the request presents, or a new one; never an error for what a visitor sent."""

    @abstractmethod
    async def save_session(self, request: CookieSource, response: CookieTarget, session: Session) -> None:
        """Write, keep or delete, as plan() says. Raises SessionPayloadError and SessionTooLarge, with the response
        untouched."""

    async def close(self) -> None:  # noqa: B027 - most storages hold nothing
        """Give up what the storage holds open; called when the application stops. This one holds nothing."""

    async def new_session(self) -> Session:
        """An empty session with a fresh identity."""
        return Session(dumps=self._encoder, clock=self.clock)

    def load_cookie(self, request: CookieSource) -> str | None:
        """The first cookie of this storage's name, as sent."""
        values = self.cookie.values(request)
        return values[0] if values else None

    def save_cookie(self, response: CookieTarget, cookie_data: str, *, max_age: int | None = None) -> None:
        """Set the cookie, or delete it when there is nothing to say. Raises SessionTooLarge."""
        if cookie_data:
            self.cookie.set(response, cookie_data, max_age=max_age, now=self.clock())
        else:
            self.cookie.delete(response)

    def plan(self, request: CookieSource, session: Session) -> Action:
        """What the response owes: nothing for an unchanged session, unless its idle lifetime or its key wants a new
        seal."""
        if session.read_only:  # its cookie is as good as before
            return Action.KEEP
        changed = session.is_changed()
        if session.empty:
            return Action.DELETE if self.cookie.values(request) else Action.KEEP
        if changed:
            return Action.WRITE
        return Action.REFRESH if self._is_due(session) else Action.KEEP

    def _is_due(self, session: Session) -> bool:
        return self.idle_timeout is not None and self.clock() - session.seen >= self.idle_timeout / REFRESH_PART

    def remaining(self, session: Session) -> int | None:
        """Seconds of absolute lifetime left, for Max-Age; None without a limit."""
        lifetime = session.max_age if session.max_age is not None else self.max_age
        return None if lifetime is None else max(1, session.created + lifetime - int(self.clock()))

    def lifetime(self, session: Session) -> int | None:
        """Seconds until the session ends if nobody comes any more; None without a limit."""
        limits = [limit for limit in (self.remaining(session), self.idle_timeout) if limit is not None]
        return min(limits, default=None)

    def check_times(self, *, created: int, seen: int, max_age: int | None) -> None:
        """Raise SealRejected for a session that has expired, idled too long, or comes from the future."""
        now = self.clock()
        lifetime = max_age if max_age is not None else self.max_age
        if max(created, seen) > now + FUTURE_TOLERANCE:
            raise SealRejected("from the future")
        if lifetime is not None and now >= created + lifetime:
            raise SealRejected("expired")
        if self.idle_timeout is not None and now >= seen + self.idle_timeout:
            raise SealRejected("idle too long")

    def decode_data(self, text: str) -> dict[str, Any]:
        """The data of a serialised session. Raises SealRejected."""
        try:
            data = self._decoder(text)
        except (ValueError, RecursionError):
            raise SealRejected("bad payload") from None
        return payload.check_loaded(data, text)

    def note_rejection(self, kind: str) -> None:
        """Say in the log, once a minute for each kind, that a cookie was refused."""
        self.notices.warn(kind, "session cookie rejected (%s); a fresh session was started")
