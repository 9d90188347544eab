"""The types that annotations of this package share. Requests know their application, applications know handlers,
handlers take requests: that circle exists only for type checkers, and it is confined to this module, so that the
import graph at run time stays a line.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from os import PathLike as _PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from multidict import CIMultiDict, CIMultiDictProxy, istr

if TYPE_CHECKING:
    from .app import Application as Application
    from .request import BaseRequest as BaseRequest
    from .request import Request as Request
    from .routing.match import UrlMappingMatchInfo as UrlMappingMatchInfo
    from .routing.tables import AbstractRouteDef as AbstractRouteDef
    from .server import Server as Server
    from .sse import EventSourceResponse as EventSourceResponse
    from .static_files import StaticResource as StaticResource
    from .stream_response import StreamResponse as StreamResponse
    from .websocket import WebSocketResponse as WebSocketResponse


class DataclassInstance(Protocol):
    """An instance of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]  # Any: as dataclasses have it


Handler: TypeAlias = "Callable[[Request], Awaitable[StreamResponse]]"
"""A request handler: `async def handler(request) -> StreamResponse`, a bound method or a partial of one."""

Convertible: TypeAlias = "Mapping[Any, Any] | list[Any] | str | bytes | DataclassInstance | None"
"""What a `ResponseConverter` makes responses of. Any: what the JSON encoder takes."""

RouteHandler: TypeAlias = "Callable[[Request], Awaitable[StreamResponse | Convertible]]"
"""What routes are made of: a `Handler`, or one that returns data, in an application with a converter."""

RawHandler: TypeAlias = "Callable[[BaseRequest], Awaitable[StreamResponse]]"
"""The handler of a `web.Server` that has no application."""

Middleware: TypeAlias = "Callable[[Request, Handler], Awaitable[StreamResponse]]"
"""`async def middleware(request, handler) -> StreamResponse`; the handler is passed by its keyword."""

ExpectHandler: TypeAlias = "Callable[[Request], Awaitable[StreamResponse | None]]"
"""Decides about an `Expect` header: None goes on, a response is sent instead of calling the handler."""

PrepareHook: TypeAlias = "Callable[[StreamResponse], None]"
"""Called with a response before its head is sent."""

PrepareReceiver: TypeAlias = "Callable[[Any, StreamResponse], Awaitable[object]]"
"""A receiver of `on_response_prepare`. Any: those of an application take a Request, which a low-level one is not."""

CleanupStep: TypeAlias = "Callable[[Application], AsyncIterator[None] | AbstractAsyncContextManager[None]]"
"""What `Application.cleanup_ctx` holds: an async generator function with one `yield`, or one that returns an async
context manager.
"""

LooseHeaders: TypeAlias = (
    Mapping[str, str] | Mapping[istr, str] | CIMultiDict[str] | CIMultiDictProxy[str] | Iterable[tuple[str, str]]
)
"""Headers as a caller may give them."""

JSONEncoder: TypeAlias = Callable[[Any], str]  # Any: whatever the application's encoder takes
JSONBytesEncoder: TypeAlias = Callable[[Any], bytes]  # Any: as above
JSONDecoder: TypeAlias = Callable[[str], Any]  # Any: a JSON value of any shape
PathLike: TypeAlias = str | _PathLike[str]
