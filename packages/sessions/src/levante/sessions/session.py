"""The session that a handler sees: a mapping of plain JSON data. It remembers its text as it was loaded and compares
at the end, so a change deep inside a nested list is noticed without being announced, and an unchanged session writes
nothing. Once the response head is made it is frozen: a later change raises where it is made, instead of being lost."""

import re
import secrets
import time
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Final

from . import payload
from .errors import SessionReadOnly, SessionWriteTooLate
from .merging import Changes
from .records import Record

IDENTITY_BYTES: Final = 16  # 128 bits: nobody guesses one (OWASP ASVS 7.2.3)

MAX_USER: Final = 255  # bytes of a user's id: its length is one byte of a sealed cookie

MAX_LIFETIME: Final = 400 * 24 * 3600  # seconds: browsers keep no cookie longer (RFC 6265bis, 5.5)

_IDENTITY = re.compile(r"[0-9a-f]{32}", re.ASCII)


def check_lifetime(name: str, seconds: int | None) -> None:
    """Raise ValueError unless it is None (no limit) or a number of seconds that browsers honour."""
    if seconds is not None and not 0 < seconds <= MAX_LIFETIME:
        raise ValueError(f"{name} is {seconds}; expected 1 to {MAX_LIFETIME} seconds (400 days), or None")


def new_identity() -> str:
    """A fresh session id: 128 random bits as 32 hexadecimal digits."""
    return secrets.token_hex(IDENTITY_BYTES)


class Session(MutableMapping[str, Any]):  # Any: a session holds whatever JSON holds
    """Data of one visitor, kept from request to request. Keys are str; values are plain JSON (tuples come back as
    lists).

    Reads never fail late; a change after the response head was made raises SessionWriteTooLate.
    """

    __slots__ = (
        "_baseline",
        "_bound",
        "_clock",
        "_created",
        "_data",
        "_dirty",
        "_dumps",
        "_frozen",
        "_identity",
        "_loaded",
        "_loaded_as",
        "_max_age",
        "_read_only",
        "_seen",
        "_stored",
        "_text",
        "_user",
        "_wiped",
    )

    def __init__(
        self,
        identity: str | None = None,
        *,
        data: dict[str, Any] | None = None,
        record: Record | None = None,
        created: int | None = None,
        user: str | None = None,
        dumps: Callable[[Any], str] = payload.dumps,
        clock: Callable[[], float] = time.time,
        read_only: bool = False,
    ) -> None:
        """`record` is what the session was loaded from, and `data` its decoded text; None means a new session,
        begun at `created`, in seconds since the epoch, or now, and of `user`, who had logged in before."""
        self._clock = clock
        self._dumps = dumps
        self._identity = new_identity() if identity is None else identity
        self._data: dict[str, Any] = {} if data is None else data
        self._loaded = record
        self._dirty = self._frozen = self._wiped = self._bound = self._stored = False
        self._read_only = read_only
        if record is None:
            self._loaded_as: str | None = None
            self._baseline: str | None = None
            self._created = self._seen = int(clock()) if created is None else created
            self._max_age: int | None = None
            self._user = user
            self._text = "{}"
        else:
            self._loaded_as = self._identity
            self._text, self._created, self._seen, self._max_age, self._user = record[:5]
            self._baseline = self._text

    def __repr__(self) -> str:
        state = "new" if self.new else "loaded"
        frozen = ", frozen" if self._frozen else ""
        return f"<Session {state}, {len(self._data)} keys{frozen}>"  # never a value (ASVS 16.2.5)

    @property
    def new(self) -> bool:
        """Whether no valid session came with the request."""
        return self._loaded is None

    @property
    def identity(self) -> str:
        """The session's id. It changes with renew(), and never reaches the browser in a readable form except in signed
        cookies."""
        return self._identity

    @property
    def created(self) -> int:
        """When the session began (or was last renewed), in seconds since the epoch. The absolute lifetime counts from
        here."""
        return self._created

    @property
    def seen(self) -> int:
        """When the session was last sealed, in seconds since the epoch. The idle lifetime counts from here."""
        return self._seen

    @property
    def empty(self) -> bool:
        """Whether it holds nothing, not even a user. An empty session is not kept: its cookie is deleted."""
        return not self._data and self._user is None

    @property
    def max_age(self) -> int | None:
        """This session's own absolute lifetime in seconds; None for the storage's. Sealed with the data and checked by
        the server."""
        return self._max_age

    @max_age.setter
    def max_age(self, seconds: int | None) -> None:
        check_lifetime("max_age", seconds)
        self._touch("max_age was set")
        self._max_age = seconds

    @property
    def user(self) -> str | None:
        """Whose session it is, by the id that the application knows the user by; None while nobody has logged in.
        Set it where somebody has proved who he is, and nowhere else: it is a login, holds whatever became of the
        session meanwhile, and renews it (fixation). What the session of another user held is dropped, so that nobody
        finds it; None keeps the data, a logout is invalidate(). Storages that can list and end a user's sessions go
        by it. At most 255 bytes of UTF-8 (ValueError)."""
        return self._user

    @user.setter
    def user(self, user: str | None) -> None:
        if user is not None and not 0 < len(user.encode()) <= MAX_USER:
            raise ValueError(f"a user's id has 1 to {MAX_USER} bytes of UTF-8, got {len(user.encode())}")
        self._touch("the user was set")
        if user is not None and self._user not in (None, user):
            self._drop()
        if user is not None or self._user is not None:
            self._restart()
        self._bound = user is not None
        self._user = user

    def changed(self) -> None:
        """Have the session saved even if its data stays the same: its idle lifetime starts anew."""
        self._touch("changed() was called")

    def invalidate(self) -> None:
        """Drop all data: the cookie is deleted with this response. What is set afterwards begins a session with a new
        identity."""
        self._touch("the session was invalidated")
        self._drop()
        self._user, self._bound = None, False
        self._restart()

    def renew(self) -> None:
        """Keep the data under a new identity and a new beginning: at login and at each change of privilege (session
        fixation)."""
        self._touch("the session was renewed")
        self._restart()

    def rebind(self) -> None:
        """Renew it as the one session that outlives the end of all its user's: it counts as a login."""
        self.renew()
        self._bound = self._user is not None

    def set_new_identity(self, identity: str) -> None:
        """Choose the identity of a new session, 32 lower-case hexadecimal digits (ValueError). RuntimeError for a
        loaded one (see renew())."""
        if not self.new:
            raise RuntimeError("the identity of a loaded session cannot be chosen; renew() gives it a new one")
        if not _IDENTITY.fullmatch(identity):
            raise ValueError(
                f"a session identity is 32 lower-case hexadecimal digits, got {len(identity)} characters; "
                "new_identity() makes one"
            )
        self._touch("an identity was set")
        self._identity = identity

    def is_changed(self) -> bool:
        """Whether it differs from what was loaded, nested data included. Raises SessionPayloadError for what JSON
        cannot carry unchanged."""
        self._text = self._dumps(self._data)
        if self._text == self._baseline:
            return self._dirty
        payload.check_text(self._data, self._text)
        return self._dirty or not (self.new and self.empty)

    @property
    def loaded(self) -> Record | None:
        """What it was loaded from; None for a new session."""
        return self._loaded

    @property
    def loaded_as(self) -> str | None:
        """The identity that the request presented; None for a new session. Another one now is a renewed session."""
        return self._loaded_as

    @property
    def bound(self) -> bool:
        """Whether a user was set during this request: a login."""
        return self._bound

    @property
    def fresh(self) -> bool:
        """Whether it depends on nothing from before: a user has logged in, or all was dropped. It holds whatever became
        of the session that the request presented."""
        return self._bound or self._wiped

    @property
    def stored(self) -> bool:
        """Whether a table on a server has it already, as it is: what remains is the cookie, on whichever response."""
        return self._stored

    def mark_stored(self) -> None:
        """A table on a server has it now."""
        self._stored = True

    @property
    def read_only(self) -> bool:
        """Whether it stands in for a session that cannot be reached now: empty, and every change raises."""
        return self._read_only

    def rebase(self, record: Record, decode: Callable[[str], dict[str, Any]]) -> None:
        """Put this request's changes on top of `record`, which another request saved meanwhile: of a key that both
        changed, this request's value holds."""
        before = decode(self._baseline) if self._baseline is not None else {}
        changes = Changes.between(before, decode(self._text))
        self._data.clear()
        self._data.update(changes.applied_to(decode(record.text)))
        if self._identity == self._loaded_as:
            self._created, self._user = record.created, record.user
        if self._loaded is not None and self._max_age == self._loaded.max_age:
            self._max_age = record.max_age
        self._loaded, self._baseline = record, record.text
        self._text = self._dumps(self._data)

    @property
    def text(self) -> str:
        """The serialised data, as it was when is_changed() last looked (or as it was loaded)."""
        return self._text

    @property
    def frozen(self) -> bool:
        """Whether the response head is made, so that changes raise."""
        return self._frozen

    def freeze(self) -> None:
        """The response head is made: from now on changes raise SessionWriteTooLate."""
        self._frozen = True

    def check_frozen(self) -> None:
        """Raise SessionWriteTooLate if nested data changed since is_changed() last looked."""
        if self._dumps(self._data) != self._text:
            raise SessionWriteTooLate("nested session data was changed")

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"session keys are str, got {type(key).__name__}")
        if self._frozen or self._read_only:
            self._touch(f"session key {key!r} was set")
        self._data[key] = value

    def __delitem__(self, key: str) -> None:
        if self._frozen or self._read_only:
            self._touch(f"session key {key!r} was deleted")
        del self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def _touch(self, what: str) -> None:
        if self._read_only:
            raise SessionReadOnly(what)
        if self._frozen:
            raise SessionWriteTooLate(what)
        self._dirty = True

    def _drop(self) -> None:
        self._data.clear()
        self._max_age = None
        self._wiped = True

    def _restart(self) -> None:
        self._identity = new_identity()
        self._created = self._seen = int(self._clock())
