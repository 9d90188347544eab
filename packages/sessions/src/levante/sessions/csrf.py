"""Protection against forged requests (CSRF), as a middleware. csrf_rules.RULES decides by what the browser says; where
the browser says nothing, the session's token must come in the form or in a header. Without a session cookie and
without a browser's word that another site is behind it, a request carries nobody's authority and passes: that is curl,
and every service that calls another. Method overrides are never looked at."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

from markupsafe import Markup

from levante.web import HTTPForbidden, Request, StreamResponse, middleware

from .csrf_rules import CsrfRules, Verdict, fetch_site, judge, own_origins
from .csrf_tokens import check_token, make_token
from .errors import SessionReadOnly
from .notices import Notices
from .session import Session
from .visit import get_session, visit_of

FIELD: Final = "csrf_token"
HEADER: Final = "X-CSRF-Token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.1
FORM_TYPES: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})

Handler = Callable[[Request], Awaitable[StreamResponse]]
Middleware = Callable[[Request, Handler], Awaitable[StreamResponse]]
Exempt = TypeVar("Exempt", bound=Callable[..., Any])  # Any: handlers, methods and View classes alike


def csrf_exempt(handler: Exempt) -> Exempt:
    """Take a handler, a View class or one of its methods out of the check: for routes that never act on the session's
    authority, such as an API that demands a bearer token, or a webhook that checks a signature."""
    # An attribute survives subclassing, and decorators that use functools.wraps.
    handler.__levante_csrf_exempt__ = True  # type: ignore[attr-defined]
    return handler


def csrf_middleware(rules: CsrfRules | None = None) -> Middleware:
    """The check as a middleware, inside the session middleware. setup() adds it already."""
    rules = CsrfRules() if rules is None else rules
    notices = Notices()

    @middleware
    async def check_csrf(request: Request, handler: Handler) -> StreamResponse:
        if request.method not in SAFE_METHODS and not is_exempt(request):
            refusal = await _refusal(request, rules)
            if refusal:
                notices.warn(refusal, "request refused by the CSRF check: %s")
                raise HTTPForbidden(
                    text=f"CSRF check failed: {refusal}. Reload the page and try again "
                    f"(a program sends no session cookie, or the token in {HEADER})."
                )
        return await handler(request)

    return check_csrf


def is_exempt(request: Request) -> bool:
    """Whether csrf_exempt marks the matched handler, its View class, or the class's method for this request."""
    handler = request.match_info.handler
    while isinstance(handler, partial):
        handler = handler.func
    method = getattr(handler, request.method.lower(), None) if isinstance(handler, type) else None
    return bool(getattr(handler, "__levante_csrf_exempt__", False) or getattr(method, "__levante_csrf_exempt__", False))


async def csrf_token(request: Request) -> str:
    """The token for this session under a fresh mask: 86 characters of base64url. It makes the session exist. Raises
    SessionNotSetUp."""
    return make_token(await get_session(request))


async def csrf_context(request: Request) -> dict[str, object]:
    """A context processor for templates: `{{ csrf_field() }}` in a form, `{{ csrf_token }}` for a script. Nothing is
    made unless used."""
    session = await get_session(request)
    token = _LazyToken(session)
    return {"csrf_token": token, "csrf_field": token.field}


class _LazyToken:
    """`{{ csrf_token }}` and `{{ csrf_token() }}` alike."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __str__(self) -> str:
        return make_token(self._session)

    __call__ = __str__

    def field(self) -> Markup:
        """A hidden input of a form."""
        return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, str(self))


async def _refusal(request: Request, rules: CsrfRules) -> str:
    """Why the request is refused; empty when it passes."""
    visit = visit_of(request)
    cookie = visit.storage.cookie
    origin = rules.classify(
        request.headers.get("Origin"), own_origins(request.scheme, request.host, secure=cookie.secure)
    )
    rule = judge(fetch_site(request.headers.get("Sec-Fetch-Site")), origin, cookie=bool(cookie.values(request)))
    if rule.verdict is Verdict.PASS:
        return ""
    if rule.verdict is Verdict.REFUSE:
        return rule.reason
    token = await _presented_token(request)
    session = await visit.session()
    if token and session.read_only:  # nobody can tell now whether the token is right
        raise SessionReadOnly("a CSRF token was to be checked")
    if token and check_token(session, token):
        return ""
    return f"{rule.reason}, and the {'token is wrong' if token else 'token is missing'}"


async def _presented_token(request: Request) -> str:
    """The token of the header, else of the form. Reading the form here is no loss for the handler: request.post()
    keeps it."""
    token: object = request.headers.get(HEADER)
    if token is None and request.content_type in FORM_TYPES:
        try:
            token = (await request.post()).get(FIELD)
        except ValueError:  # a malformed form has no token
            return ""
    return token if isinstance(token, str) else ""
