"""What can go wrong with a session, split by whose fault it is. The sentences carry names, counts and cures, and never
a key, a cookie or a session's data: what is raised may end in a log.

SessionError
  WeakKey (ValueError)               the operator: a key that an attacker could guess
  SessionTooLarge                    the application: more data than a cookie can hold
  SessionRecordTooLarge              the application: more data than a storage on a server takes
  SessionPayloadError (TypeError)    the application: data that JSON cannot carry unchanged
  SessionNotSetUp (RuntimeError)     the application: no session middleware around this handler
  SessionWriteTooLate (RuntimeError) the application: a change after the response head was made
  SessionConflict                    two requests changed one session at once, or it ended while one was under way
  SessionStoreUnavailable            the operator: the storage on the server did not answer in time
    SessionReadOnly (RuntimeError)   the application: a change while an empty session stands in for one out of reach
  SealRejected                       the peer: a cookie that is not to be trusted; never leaves this package's storages
"""


class SessionError(Exception):
    """Base of every error that this package raises on purpose."""


class WeakKey(SessionError, ValueError):
    """A key is missing or could be guessed. `position` counts from 1 (0: no key at all); the key itself is never
    repeated."""

    def __init__(self, problem: str, *, position: int = 0) -> None:
        self.problem = problem
        self.position = position
        which = f"session key {position}" if position else "session keys"
        super().__init__(
            f"{which}: {problem}; expected 32 or more random bytes as generate_key() makes them. Make one with: "
            "python -c 'from levante.sessions import generate_key; print(generate_key())'"
        )


class SessionTooLarge(SessionError):
    """The cookie would exceed what browsers keep. Nothing was sent: the browser keeps its old cookie. Sizes are in
    bytes."""

    def __init__(self, *, cookie_name: str, size: int, maximum: int) -> None:
        self.cookie_name = cookie_name
        self.size = size
        self.maximum = maximum
        super().__init__(
            f"session cookie {cookie_name!r} would be {size} bytes with its attributes; browsers keep at most "
            f"{maximum}. Store large things in the database and only their ids in the session, or use a storage "
            "that keeps the data on the server"
        )


class SessionRecordTooLarge(SessionError):
    """The session is larger than its storage on a server takes. It stays as it was. Sizes are in bytes."""

    def __init__(self, *, size: int, maximum: int) -> None:
        self.size = size
        self.maximum = maximum
        super().__init__(
            f"the session has {size} bytes; its storage takes at most {maximum}. Store large things in the database "
            "and only their ids in the session"
        )


class SessionPayloadError(SessionError, TypeError):
    """The session holds something that JSON cannot carry unchanged. `where` is the path to it, without any value."""

    def __init__(self, problem: str, *, where: str = "session") -> None:
        self.problem = problem
        self.where = where
        super().__init__(
            f"{where}: {problem}; expected str, int, float, bool, None, list or dict with str keys "
            "(store str(value), or an id)"
        )


class SessionNotSetUp(SessionError, RuntimeError):
    """No session middleware ran for this request."""

    def __init__(self) -> None:
        super().__init__(
            "no session for this request; call levante.sessions.setup(app, storage) before the application starts"
        )


class SessionWriteTooLate(SessionError, RuntimeError):
    """The session was changed after the response head was made, so that the change cannot reach the browser."""

    def __init__(self, what: str, *, cure: str = "change the session before response.prepare() or return") -> None:
        super().__init__(f"{what}, and the response head was already made: the change cannot be saved; {cure}")


class SessionConflict(SessionError):
    """Another request changed the session while this one was under way, and both changes cannot be kept. Nothing of
    this request's was saved. `ended` tells that the session is gone: logged out, renewed or revoked elsewhere. `reason`
    is a short fixed phrase for the log."""

    def __init__(self, *, ended: bool) -> None:
        self.ended = ended
        self.reason = "session ended meanwhile" if ended else "session changed meanwhile"
        what = "ended (logged out, renewed or revoked)" if ended else "was changed"
        super().__init__(
            f"the session {what} by another request while this one was under way: its change was not saved; repeat it"
        )


class SessionStoreUnavailable(SessionError):
    """The storage on the server could not be asked. `cause` is the name of the error that told so; `reason` a short
    fixed phrase for the log."""

    def __init__(self, cause: str, *, message: str = "") -> None:
        self.cause = cause
        self.reason = f"session storage unavailable: {cause}"
        super().__init__(
            message or f"the session storage is not available ({cause}); the session is neither lost nor new"
        )


class SessionReadOnly(SessionStoreUnavailable, RuntimeError):
    """The session was changed while an empty one stands in for it, because its storage is not available."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "outage", message=f"{what}, but the session storage is not available: the change cannot be saved; try again"
        )


class SealRejected(SessionError):
    """A presented cookie was refused. `kind` is a short fixed phrase for the log; it never holds anything the peer
    sent."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)
