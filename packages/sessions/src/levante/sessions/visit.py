"""One request and its session. A visit loads the session when someone first asks for it and settles it once: what
changed is put on the response, and the session is frozen. An untouched session is never loaded and costs nothing."""

from typing import Final

from levante.web import Request, RequestKey, Response, StreamResponse

from .cookie import CookieTarget, forbid_storing, vary_by_cookie
from .errors import SessionNotSetUp, SessionWriteTooLate
from .session import Session
from .storage import AbstractStorage


class Visit:
    """The session of one request, its storage, and how far it has come."""

    __slots__ = ("_answered", "_closed", "_owed", "_request", "_session", "_settled_on", "storage")

    def __init__(self, request: Request, storage: AbstractStorage) -> None:
        self.storage = storage
        self._request = request
        self._session: Session | None = None
        self._settled_on: CookieTarget | None = None
        self._owed: Response | None = None
        self._closed = False
        self._answered = False

    async def session(self) -> Session:
        """The session, loaded at the first call; frozen when the response head is already made."""
        if self._session is None:
            loaded = await self.storage.load_session(self._request)
            if self._session is None:  # nobody else loaded it while this call waited
                self._session = loaded
                if self._closed:
                    loaded.freeze()
        return self._session

    async def replace(self) -> Session:
        """A fresh session in place of the presented one. Raises SessionWriteTooLate after the response head was
        made."""
        if self._closed:
            raise SessionWriteTooLate("new_session() was called")
        self._session = await self.storage.new_session()
        return self._session

    async def settle(self, response: CookieTarget) -> None:
        """Put on the response what it owes the browser. An outer middleware's other response for the same request gets
        the same. When save_session raises, nothing is saved for this request any more."""
        if self._closed and (self._settled_on is None or self._settled_on is response):
            return
        if self._owed is not None and isinstance(response, StreamResponse):
            self._hand_over(response)
            return
        self._closed = True
        if self._session is None:
            self._answered = True
            return
        self._settled_on = None
        await self.storage.save_session(self._request, response, self._session)
        vary_by_cookie(response)
        self._session.freeze()
        self._settled_on = response
        self._answered = True

    async def settle_exception(self) -> None:
        """As settle(), for the response that is going to be made of an exception. The exception itself gets nothing: it
        may be one that the application raises again and again, for other visitors."""
        owed = Response()
        await self.settle(owed)
        if self._settled_on is owed and self._session is not None:
            self._owed = owed
            self._request.add_prepare_hook(self._hand_over)

    def _hand_over(self, response: StreamResponse) -> None:
        owed = self._owed
        if owed is None:
            return
        self._owed = None  # the signal of setup() comes before the hook
        if owed.cookies:
            response.cookies.update(owed.cookies)
            forbid_storing(response)
        vary_by_cookie(response)
        self._settled_on = response

    @property
    def answered(self) -> bool:
        """Whether a response head was made, with what the session owed it."""
        return self._answered

    def discard(self) -> None:
        """The handler failed: save nothing, whatever response comes of it."""
        self._closed = True
        self._settled_on = self._owed = None

    def check_late_change(self) -> None:
        """Raise SessionWriteTooLate if the session was changed where no head can carry it any more."""
        session = self._session
        if session is None:
            return
        if session.frozen:
            session.check_frozen()
        elif session.is_changed():
            raise SessionWriteTooLate(
                "the session was changed by a handler that prepared its response itself",
                cure="use setup(app, storage), which saves it in prepare()",
            )


VISIT: Final = RequestKey("visit", Visit)


def visit_of(request: Request) -> Visit:
    """The visit of a request. Raises SessionNotSetUp."""
    visit = request.get(VISIT)
    if visit is None:
        raise SessionNotSetUp
    return visit


async def get_session(request: Request) -> Session:
    """The request's session, loaded at the first call. Raises SessionNotSetUp."""
    return await visit_of(request).session()


async def new_session(request: Request) -> Session:
    """A fresh, empty session that replaces the request's own. Call it (or Session.renew(), which keeps the data) at
    login: an identity from before must be worth nothing afterwards. Raises SessionNotSetUp and SessionWriteTooLate."""
    return await visit_of(request).replace()
