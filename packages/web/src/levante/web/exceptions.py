"""The HTTP exceptions: raised by handlers and middlewares, turned into responses by the server (RFC 9110 section 15).
They are plain exceptions that carry a status, a reason, a text, headers and cookies; they are not responses, so
returning one is an error that says so. The tree:

HTTPException
  HTTPSuccessful     2xx
  HTTPRedirection    3xx; HTTPMove has a `location`
  HTTPError
    HTTPClientError  4xx
    HTTPServerError  5xx
"""

from collections.abc import Iterable
from typing import Unpack

from yarl import URL

from levante.http.target import local_path

from .http_exception import ExceptionFields, HTTPException, refuse_line_breaks


class HTTPError(HTTPException):
    """Base of the client's and the server's errors."""


class HTTPRedirection(HTTPException):
    """Base of 3xx."""


class HTTPSuccessful(HTTPException):
    """Base of 2xx; raised to leave early with a good answer."""


class HTTPOk(HTTPSuccessful):
    status_code = 200


class HTTPCreated(HTTPSuccessful):
    status_code = 201


class HTTPAccepted(HTTPSuccessful):
    status_code = 202


class HTTPNonAuthoritativeInformation(HTTPSuccessful):
    status_code = 203


class HTTPNoContent(HTTPSuccessful):
    status_code = 204
    empty_body = True


class HTTPResetContent(HTTPSuccessful):
    status_code = 205
    empty_body = True


class HTTPPartialContent(HTTPSuccessful):
    status_code = 206


class HTTPMove(HTTPRedirection):
    """Base of the redirects: `location` is a str or a `yarl.URL`, sent as the Location header. ValueError when it is
    empty. A path that begins with two slashes, as that of the request may, gets one: browsers would find a host in it.
    """

    def __init__(
        self,
        location: str | URL,
        **fields: Unpack[ExceptionFields],
    ) -> None:
        if not location:
            raise ValueError("HTTP redirects need a location to redirect to; got an empty one")
        refuse_line_breaks("location", str(location))
        super().__init__(**fields)
        self._location = URL(location)
        text = str(self._location)
        if text.startswith("///"):  # `//host/path` is the way to name a host; this is how URLs write `//path`
            self._location = URL(local_path(text), encoded=True)
        self.headers["Location"] = str(self._location)

    @property
    def location(self) -> URL:
        """Where to."""
        return self._location


class HTTPMultipleChoices(HTTPMove):
    status_code = 300


class HTTPMovedPermanently(HTTPMove):
    status_code = 301


class HTTPFound(HTTPMove):
    status_code = 302


class HTTPSeeOther(HTTPMove):
    """303: after a POST, get this one."""

    status_code = 303


class HTTPNotModified(HTTPRedirection):
    status_code = 304
    empty_body = True


class HTTPUseProxy(HTTPMove):
    status_code = 305


class HTTPTemporaryRedirect(HTTPMove):
    status_code = 307


class HTTPPermanentRedirect(HTTPMove):
    status_code = 308


class HTTPClientError(HTTPError):
    """Base of 4xx."""


class HTTPBadRequest(HTTPClientError):
    status_code = 400


class HTTPUnauthorized(HTTPClientError):
    status_code = 401


class HTTPPaymentRequired(HTTPClientError):
    status_code = 402


class HTTPForbidden(HTTPClientError):
    status_code = 403


class HTTPNotFound(HTTPClientError):
    status_code = 404


class HTTPMethodNotAllowed(HTTPClientError):
    """405 with `Allow`: the sorted methods that the resource has."""

    status_code = 405

    def __init__(
        self,
        method: str,
        allowed_methods: Iterable[str],
        **fields: Unpack[ExceptionFields],
    ) -> None:
        super().__init__(**fields)
        self._allowed = set(allowed_methods)
        self._method = method
        self.headers["Allow"] = ",".join(sorted(self._allowed))

    @property
    def allowed_methods(self) -> set[str]:
        return self._allowed

    @property
    def method(self) -> str:
        return self._method


class HTTPNotAcceptable(HTTPClientError):
    status_code = 406


class HTTPProxyAuthenticationRequired(HTTPClientError):
    status_code = 407


class HTTPRequestTimeout(HTTPClientError):
    status_code = 408


class HTTPConflict(HTTPClientError):
    status_code = 409


class HTTPGone(HTTPClientError):
    status_code = 410


class HTTPLengthRequired(HTTPClientError):
    status_code = 411


class HTTPPreconditionFailed(HTTPClientError):
    status_code = 412


class HTTPRequestEntityTooLarge(HTTPClientError):
    """413: `max_size` is the limit in bytes, `actual_size` what came as far as it is known."""

    status_code = 413

    def __init__(
        self,
        max_size: int,
        actual_size: int | None = None,
        **fields: Unpack[ExceptionFields],
    ) -> None:
        if fields.get("text") is None:
            got = "" if actual_size is None else f", actual body size {actual_size}"
            fields["text"] = f"Maximum request body size {max_size} exceeded{got}"
        super().__init__(**fields)
        self.max_size = max_size
        self.actual_size = actual_size


class HTTPRequestURITooLong(HTTPClientError):
    status_code = 414


class HTTPUnsupportedMediaType(HTTPClientError):
    status_code = 415


class HTTPRequestRangeNotSatisfiable(HTTPClientError):
    status_code = 416


class HTTPExpectationFailed(HTTPClientError):
    status_code = 417


class HTTPMisdirectedRequest(HTTPClientError):
    status_code = 421


class HTTPUnprocessableEntity(HTTPClientError):
    status_code = 422


class HTTPFailedDependency(HTTPClientError):
    status_code = 424


class HTTPUpgradeRequired(HTTPClientError):
    status_code = 426


class HTTPPreconditionRequired(HTTPClientError):
    status_code = 428


class HTTPTooManyRequests(HTTPClientError):
    status_code = 429


class HTTPRequestHeaderFieldsTooLarge(HTTPClientError):
    status_code = 431


class HTTPUnavailableForLegalReasons(HTTPClientError):
    """451 (RFC 7725): `link` names who demanded it, sent as `Link: <...>; rel="blocked-by"`; None sends none."""

    status_code = 451

    def __init__(
        self,
        link: str | URL | None,
        **fields: Unpack[ExceptionFields],
    ) -> None:
        super().__init__(**fields)
        self._link = URL(link) if link else None
        if self._link is not None:
            self.headers["Link"] = f'<{self._link}>; rel="blocked-by"'

    @property
    def link(self) -> URL | None:
        return self._link


class HTTPServerError(HTTPError):
    """Base of 5xx."""


class HTTPInternalServerError(HTTPServerError):
    status_code = 500


class HTTPNotImplemented(HTTPServerError):
    status_code = 501


class HTTPBadGateway(HTTPServerError):
    status_code = 502


class HTTPServiceUnavailable(HTTPServerError):
    status_code = 503


class HTTPGatewayTimeout(HTTPServerError):
    status_code = 504


class HTTPVersionNotSupported(HTTPServerError):
    status_code = 505


class HTTPVariantAlsoNegotiates(HTTPServerError):
    status_code = 506


class HTTPInsufficientStorage(HTTPServerError):
    status_code = 507


class HTTPNotExtended(HTTPServerError):
    status_code = 510


class HTTPNetworkAuthenticationRequired(HTTPServerError):
    status_code = 511


def exception_for_status(status: int) -> type[HTTPException]:
    """The class that stands for `status` and can be raised without arguments of its own; 4xx and 5xx unknown by name
    give 400 and 500.
    """
    found = _BY_STATUS.get(status)
    if found is not None:
        return found
    return HTTPBadRequest if 400 <= status < 500 else HTTPInternalServerError


def _concrete(root: type[HTTPException]) -> Iterable[type[HTTPException]]:
    for child in root.__subclasses__():
        yield from _concrete(child)
        if child.status_code > 0 and child.__init__ is HTTPException.__init__:
            yield child


_BY_STATUS: dict[int, type[HTTPException]] = {cls.status_code: cls for cls in _concrete(HTTPException)}
