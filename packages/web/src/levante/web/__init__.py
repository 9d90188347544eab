"""levante's web framework: applications, routes, requests and responses, under the names that users of aiohttp know.

Beside what is listed here there are `levante.web.templating` (jinja2), `levante.web.schema` (marshmallow),
`levante.web.sse` (server-sent events), `levante.web.problems`, `levante.web.health`, `levante.web.background` and
`levante.web.middlewares`.
"""

import importlib
import typing

from levante.http.errors import PayloadAccessError
from levante.http.errors import RemoteProtocolError as RequestPayloadError
from levante.http.validators import ETag
from levante.http.versions import HttpVersion
from levante.ws import DeflateParams, WebSocketConnection, WebSocketListener, WSCloseCode, WSMessage, WSMsgType

from .abc import AbstractAccessLogger, AbstractAsyncAccessLogger, AbstractMatchInfo, AbstractRouter, AbstractView
from .access_log import AccessLogger
from .app import Application, NotAppKeyWarning
from .background import BackgroundTasks, atomic
from .background_job import BackgroundJob
from .cancellation import cancel_on_disconnect
from .compression import ContentCoding
from .config import ChainMapProxy
from .conversion import ResponseConverter
from .exceptions import (
    HTTPAccepted,
    HTTPBadGateway,
    HTTPBadRequest,
    HTTPClientError,
    HTTPConflict,
    HTTPCreated,
    HTTPError,
    HTTPExpectationFailed,
    HTTPFailedDependency,
    HTTPForbidden,
    HTTPFound,
    HTTPGatewayTimeout,
    HTTPGone,
    HTTPInsufficientStorage,
    HTTPInternalServerError,
    HTTPLengthRequired,
    HTTPMethodNotAllowed,
    HTTPMisdirectedRequest,
    HTTPMove,
    HTTPMovedPermanently,
    HTTPMultipleChoices,
    HTTPNetworkAuthenticationRequired,
    HTTPNoContent,
    HTTPNonAuthoritativeInformation,
    HTTPNotAcceptable,
    HTTPNotExtended,
    HTTPNotFound,
    HTTPNotImplemented,
    HTTPNotModified,
    HTTPOk,
    HTTPPartialContent,
    HTTPPaymentRequired,
    HTTPPermanentRedirect,
    HTTPPreconditionFailed,
    HTTPPreconditionRequired,
    HTTPProxyAuthenticationRequired,
    HTTPRedirection,
    HTTPRequestEntityTooLarge,
    HTTPRequestHeaderFieldsTooLarge,
    HTTPRequestRangeNotSatisfiable,
    HTTPRequestTimeout,
    HTTPRequestURITooLong,
    HTTPResetContent,
    HTTPSeeOther,
    HTTPServerError,
    HTTPServiceUnavailable,
    HTTPSuccessful,
    HTTPTemporaryRedirect,
    HTTPTooManyRequests,
    HTTPUnauthorized,
    HTTPUnavailableForLegalReasons,
    HTTPUnprocessableEntity,
    HTTPUnsupportedMediaType,
    HTTPUpgradeRequired,
    HTTPUseProxy,
    HTTPVariantAlsoNegotiates,
    HTTPVersionNotSupported,
)
from .files import FileResponse
from .forms import FileField
from .http_exception import HTTPException
from .jsoncodec import JSONCodec
from .keys import AppKey, BaseKey, RequestKey, ResponseKey
from .lifecycle import CleanupContext, CleanupError
from .middlewares import middleware, normalize_path_middleware
from .proxies import PROXY_HEADER, TrustedProxies
from .request import BaseRequest, Request
from .request_limit import never_shed
from .response import Response, json_bytes_response, json_response
from .routing.abstract import AbstractResource, AbstractRoute, RouteInfo, SystemRoute
from .routing.dispatcher import UrlDispatcher
from .routing.domains import Domain, MaskDomain
from .routing.groups import RouteGroup
from .routing.listings import ResourcesView, RoutesView
from .routing.match import UrlMappingMatchInfo
from .routing.resources import DynamicResource, PlainResource, PrefixResource, Resource, ResourceRoute
from .routing.subapps import MatchedSubAppResource, PrefixedSubAppResource
from .routing.tables import (
    AbstractRouteDef,
    FileDef,
    RouteDef,
    RouteTableDef,
    StaticDef,
    delete,
    file,
    get,
    head,
    options,
    patch,
    post,
    put,
    query,
    route,
    static,
    view,
)
from .runner import AppRunner, BaseRunner, GracefulExit, ServerRunner
from .running import new_event_loop, run_app
from .server import Server
from .sites import BaseSite, SockSite, TCPSite, UnixSite
from .static_files import StaticResource
from .stream_response import StreamResponse
from .types import ExpectHandler, Handler, Middleware, RawHandler, RouteHandler
from .upgrading import UpgradeResponse
from .views import View
from .websocket import WebSocketReady, WebSocketResponse

_LAZY = {"asgi": "gateway.application", "GunicornUVLoopWebWorker": "worker", "GunicornWebWorker": "worker"}
"""Names that need a package which not everybody has: their module is imported when they are asked for."""


if typing.TYPE_CHECKING:
    from .gateway.application import asgi as asgi
    from .worker import GunicornUVLoopWebWorker as GunicornUVLoopWebWorker
    from .worker import GunicornWebWorker as GunicornWebWorker
else:

    def __getattr__(name: str) -> object:
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)


__all__ = [
    "PROXY_HEADER",
    "AbstractAccessLogger",
    "AbstractAsyncAccessLogger",
    "AbstractMatchInfo",
    "AbstractResource",
    "AbstractRoute",
    "AbstractRouteDef",
    "AbstractRouter",
    "AbstractView",
    "AccessLogger",
    "AppKey",
    "AppRunner",
    "Application",
    "BackgroundJob",
    "BackgroundTasks",
    "BaseKey",
    "BaseRequest",
    "BaseRunner",
    "BaseSite",
    "ChainMapProxy",
    "CleanupContext",
    "CleanupError",
    "ContentCoding",
    "DeflateParams",
    "Domain",
    "DynamicResource",
    "ETag",
    "ExpectHandler",
    "FileDef",
    "FileField",
    "FileResponse",
    "GracefulExit",
    "HTTPAccepted",
    "HTTPBadGateway",
    "HTTPBadRequest",
    "HTTPClientError",
    "HTTPConflict",
    "HTTPCreated",
    "HTTPError",
    "HTTPException",
    "HTTPExpectationFailed",
    "HTTPFailedDependency",
    "HTTPForbidden",
    "HTTPFound",
    "HTTPGatewayTimeout",
    "HTTPGone",
    "HTTPInsufficientStorage",
    "HTTPInternalServerError",
    "HTTPLengthRequired",
    "HTTPMethodNotAllowed",
    "HTTPMisdirectedRequest",
    "HTTPMove",
    "HTTPMovedPermanently",
    "HTTPMultipleChoices",
    "HTTPNetworkAuthenticationRequired",
    "HTTPNoContent",
    "HTTPNonAuthoritativeInformation",
    "HTTPNotAcceptable",
    "HTTPNotExtended",
    "HTTPNotFound",
    "HTTPNotImplemented",
    "HTTPNotModified",
    "HTTPOk",
    "HTTPPartialContent",
    "HTTPPaymentRequired",
    "HTTPPermanentRedirect",
    "HTTPPreconditionFailed",
    "HTTPPreconditionRequired",
    "HTTPProxyAuthenticationRequired",
    "HTTPRedirection",
    "HTTPRequestEntityTooLarge",
    "HTTPRequestHeaderFieldsTooLarge",
    "HTTPRequestRangeNotSatisfiable",
    "HTTPRequestTimeout",
    "HTTPRequestURITooLong",
    "HTTPResetContent",
    "HTTPSeeOther",
    "HTTPServerError",
    "HTTPServiceUnavailable",
    "HTTPSuccessful",
    "HTTPTemporaryRedirect",
    "HTTPTooManyRequests",
    "HTTPUnauthorized",
    "HTTPUnavailableForLegalReasons",
    "HTTPUnprocessableEntity",
    "HTTPUnsupportedMediaType",
    "HTTPUpgradeRequired",
    "HTTPUseProxy",
    "HTTPVariantAlsoNegotiates",
    "HTTPVersionNotSupported",
    "Handler",
    "HttpVersion",
    "JSONCodec",
    "MaskDomain",
    "MatchedSubAppResource",
    "Middleware",
    "NotAppKeyWarning",
    "PayloadAccessError",
    "PlainResource",
    "PrefixResource",
    "PrefixedSubAppResource",
    "RawHandler",
    "Request",
    "RequestKey",
    "RequestPayloadError",
    "Resource",
    "ResourceRoute",
    "ResourcesView",
    "Response",
    "ResponseConverter",
    "ResponseKey",
    "RouteDef",
    "RouteGroup",
    "RouteHandler",
    "RouteInfo",
    "RouteTableDef",
    "RoutesView",
    "Server",
    "ServerRunner",
    "SockSite",
    "StaticDef",
    "StaticResource",
    "StreamResponse",
    "SystemRoute",
    "TCPSite",
    "TrustedProxies",
    "UnixSite",
    "UpgradeResponse",
    "UrlDispatcher",
    "UrlMappingMatchInfo",
    "View",
    "WSCloseCode",
    "WSMessage",
    "WSMsgType",
    "WebSocketConnection",
    "WebSocketListener",
    "WebSocketReady",
    "WebSocketResponse",
    "atomic",
    "cancel_on_disconnect",
    "delete",
    "file",
    "get",
    "head",
    "json_bytes_response",
    "json_response",
    "middleware",
    "never_shed",
    "new_event_loop",
    "normalize_path_middleware",
    "options",
    "patch",
    "post",
    "put",
    "query",
    "route",
    "run_app",
    "static",
    "view",
]
