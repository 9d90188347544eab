"""What can go wrong with a session, split by whose fault it is. The sentences carry names, counts and cures, and never
a key, a cookie or a session's data: what is raised may end in a log.

SessionError
  WeakKey (ValueError)               the operator: a key that an attacker could guess
  SessionTooLarge                    the application: more data than a cookie can hold
  SessionPayloadError (TypeError)    the application: data that JSON cannot carry unchanged
  SessionNotSetUp (RuntimeError)     the application: no session middleware around this handler
  SessionWriteTooLate (RuntimeError) the application: a change after the response head was made
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


class SealRejected(SessionError):
    """A presented cookie was refused. `kind` is a short fixed phrase for the log; it never holds anything the peer
    sent."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)
