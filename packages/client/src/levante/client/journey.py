"""A request with its redirects: hop after hop until an answer that is final. Each hop gets its own head (cookies of
the jar, credentials, automatic fields) and goes through the middlewares; what must not leave the first origin stays
behind (redirects.py decides what)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from multidict import CIMultiDict, istr
from yarl import URL

from levante.http import Payload, hdrs

from .auth import strip_auth_from_url
from .cookiejar import AbstractCookieJar, CookieJar
from .errors import ClientPayloadError, TooManyRedirects
from .hsts import HSTSStore
from .middlewares import ClientHandlerType
from .redirects import REDIRECT_STATUSES, Hop, headers_after, next_hop
from .request import ClientRequest, automatic_headers, cookie_field
from .response import ClientResponse
from .tls import is_verified
from .tracing import Trace, TraceRequestRedirectParams

# The Authorization value that a trusted environment has for a host; the flag says that a redirect led there.
FindAuth = Callable[[str, bool], str | None]
MakeRequest = Callable[[str, URL, CIMultiDict[str], object], ClientRequest]


@dataclass(slots=True)
class Route:
    """What stays the same on every hop."""

    make_request: MakeRequest
    handler: ClientHandlerType
    jar: AbstractCookieJar
    automatic: Mapping[str, str]
    skip_auto_headers: frozenset[istr]
    schemes: frozenset[str]
    allow_redirects: bool
    max_redirects: int
    requote: bool
    allow_downgrade: bool
    trace: Trace | None
    hsts: HSTSStore | None = None
    find_auth: FindAuth | None = None


class Journey:
    """One request on its way. `headers` are the session's and the caller's; `cookies` the caller's own, coded;
    `auth` an Authorization value. What a redirect to another origin must not see is taken out of these three."""

    def __init__(
        self,
        route: Route,
        *,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        cookies: Mapping[str, str],
        auth: str | None,
    ) -> None:
        self._route = route
        self.method = method
        self.url = url
        self.headers = headers
        self._cookies = cookies
        self._auth = auth
        self._history: list[ClientResponse] = []
        self._strayed = False

    def first_request(self, body: object, *, jar: AbstractCookieJar) -> ClientRequest:
        """The request of the first hop, with the cookies of `jar`."""
        head = self._head(jar)
        return self._route.make_request(self.method, self.url, head, body)

    async def run(self, body: object, *, first: ClientResponse | None = None) -> ClientResponse:
        """The final response, its history set. TooManyRedirects, the redirect errors, and whatever sending raises.
        `first` is the answer to the first hop where that has come."""
        request = None
        try:
            while True:
                head = self._head(self._route.jar)
                request = self._route.make_request(self.method, self.url, head, body)
                response = await self._route.handler(request) if first is None else first
                first = None
                keep_cookies(self._route.jar, response)
                if self._route.hsts is not None and is_verified(request.ssl):
                    self._route.hsts.learn(response.url, response.headers.get(hdrs.STRICT_TRANSPORT_SECURITY))
                hop = self._next(response)
                if hop is None:
                    break
                await self._leave(response, hop)
                body = await self._carry(request.body, hop)
        except BaseException:
            if request is not None and request.body is not None:
                await request.body.close()
            raise
        if self._history:
            response.set_history(tuple(self._history))
        if request.body is not None and not request.body.autoclose:
            await response.close_when_sent(request.body)
        return response

    def _head(self, jar: AbstractCookieJar) -> CIMultiDict[str]:
        route = self._route
        url, from_url = strip_auth_from_url(self.url if route.hsts is None else route.hsts.upgrade(self.url))
        headers = automatic_headers(self.headers, url, automatic=route.automatic, skip=route.skip_auto_headers)
        if from_url is not None and hdrs.AUTHORIZATION in headers:
            if not self._history:
                raise ValueError(
                    "credentials in the URL and an Authorization header exclude each other: give one of them"
                )
            from_url = None  # those of a redirect do not replace the caller's own
        auth = from_url or self._auth
        self.url = url
        if auth is not None:
            self._auth = auth
            headers[hdrs.AUTHORIZATION] = auth
        elif route.find_auth is not None and hdrs.AUTHORIZATION not in headers:
            found = route.find_auth(url.raw_host or "", self._strayed)
            if found is not None:
                headers[hdrs.AUTHORIZATION] = found
        cookies = cookie_field(headers.get(hdrs.COOKIE), jar_field(jar, url), self._cookies)
        if cookies:
            headers[hdrs.COOKIE] = cookies
        return headers

    def _next(self, response: ClientResponse) -> Hop | None:
        route = self._route
        if response.status not in REDIRECT_STATUSES or not route.allow_redirects:
            return None
        location = response.headers.get(hdrs.LOCATION) or response.headers.get(hdrs.URI)
        if location is None:
            return None
        self._history.append(response)
        try:
            if len(self._history) >= route.max_redirects:
                first = self._history[0].request_info
                raise TooManyRedirects(
                    first,
                    tuple(self._history),
                    status=response.status,
                    message=f"more than {route.max_redirects - 1} redirects",
                )
            return next_hop(
                response.method,
                response.real_url,
                status=response.status,
                location=location,
                schemes=route.schemes,
                requote=route.requote,
                allow_downgrade=route.allow_downgrade,
                upgrade=None if route.hsts is None else route.hsts.upgrade,
            )
        except BaseException:
            response.close()
            raise

    async def _leave(self, response: ClientResponse, hop: Hop) -> None:
        trace = self._route.trace
        try:
            if trace is not None:
                await trace.send(TraceRequestRedirectParams(response.method, response.url, self.headers, response))
        finally:
            response.release()
        headers_after(self.headers, hop)
        if hop.cross_origin:
            self._cookies = {}
            self._auth = None
            self._strayed = True
        self.method = hop.method
        self.url = hop.url

    async def _carry(self, body: Payload | None, hop: Hop) -> Payload | None:
        if body is None:
            return None
        if hop.drop_body:
            await body.close()
            return None
        if body.consumed:
            raise ClientPayloadError(
                f"the redirect to {hop.url} asks for the body again, and it was a stream that is used up: "
                "give bytes or a seekable file"
            )
        return body


def keep_cookies(jar: AbstractCookieJar, response: ClientResponse) -> None:
    """Give `jar` what `response` sets. The response is closed when a jar of somebody's own raises: nobody gets it."""
    fields = response.set_cookie_fields()
    if fields:
        try:
            jar.update_cookies_from_headers(fields, response.url)
        except BaseException:
            response.close()
            raise


def jar_field(jar: AbstractCookieJar, url: URL) -> str:
    """The Cookie field that `jar` gives a request to `url`, "" for none."""
    if isinstance(jar, CookieJar) and type(jar).filter_cookies is CookieJar.filter_cookies:
        return jar.cookie_header(url)
    return "; ".join(f"{name}={morsel.coded_value}" for name, morsel in jar.filter_cookies(url).items())
