"""An ASGI application as a resource below a prefix: what `Application.mount` registers. Its lifespan runs as one of
the cleanup contexts, its requests pass the middlewares as those of any handler do.
"""

import asyncio
import copy
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from yarl import URL

from levante.http.target import decode_path, requote_path
from levante.web.routing.abstract import ANY_METHOD, RouteInfo
from levante.web.routing.resources import Resource

from .lifespan import Lifespan
from .mounted_request import MountedRequest
from .mounted_socket import MountedSocket
from .scopes import http_scope, websocket_scope
from .types import ASGIApplication

if TYPE_CHECKING:
    from levante.web.types import Application, Request, StreamResponse

logger = logging.getLogger("levante.web")

PATIENCE: Final = 20.0
"""Seconds that applications may work on at cleanup after their responses (Starlette's background tasks do); as long as
`background.WAIT_TIMEOUT`, for the same reasons.
"""


class MountResource(Resource):
    """The paths below a prefix, in the hands of an ASGI application, whatever the method."""

    def __init__(self, prefix: str, app: ASGIApplication, *, name: str | None = None) -> None:
        if not callable(app):
            raise TypeError(f"an ASGI application is called with scope, receive and send; got {app!r}")
        if prefix and not prefix.startswith("/"):
            raise ValueError(f"a prefix starts with '/'; got {prefix!r}")
        super().__init__(name=name)
        self._app = app
        self._lifespan = Lifespan(app)
        self._calls: set[asyncio.Future[None]] = set()
        self._place(prefix.rstrip("/"))
        self.add_route(ANY_METHOD, self._handle)

    def _place(self, prefix: str) -> None:
        self._written = prefix
        self._prefix = decode_path(prefix)
        self._below = f"{self._prefix}/"

    async def run_lifespan(self, _: "Application") -> AsyncIterator[None]:
        """A cleanup context: the application's startup and shutdown."""
        await self._lifespan.startup()
        yield
        await self._end_calls()
        await self._lifespan.shutdown()

    async def _end_calls(self) -> None:
        if not self._calls:
            return
        _, late = await asyncio.wait(self._calls, timeout=PATIENCE)
        for call in late:
            logger.warning("an application mounted at %s was still at work at cleanup: cancelled", self.canonical)
            call.cancel()
        if late:
            await asyncio.wait(late, timeout=PATIENCE)

    async def _handle(self, request: "Request") -> "StreamResponse":
        root_path = unquote(self._written)
        state = copy.copy(self._lifespan.state)
        if request.head.upgrade == "websocket" and request.method == "GET":
            socket = MountedSocket(request)
            return await socket.run(self._app, websocket_scope(request, root_path=root_path, state=state))
        call = MountedRequest(request)
        task = call.begin(self._app, http_scope(request, root_path=root_path, state=state))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return await call.answer()

    # As a resource.

    @property
    def canonical(self) -> str:
        return requote_path(self._written) or "/"

    @property
    def index_key(self) -> str:
        return self._prefix or "/"

    def add_prefix(self, prefix: str, /) -> None:
        self._place(prefix + self._written)

    def _match(self, path: str) -> dict[str, str] | None:
        return {} if path.startswith(self._below) or (path and path == self._prefix) else None

    def raw_match(self, _: str, /) -> bool:
        return False

    def get_info(self) -> RouteInfo:
        return {"prefix": self.canonical}

    def url_for(self, **kwargs: str) -> URL:
        """The relative URL of `path`, the one keyword, below the prefix."""
        path = kwargs.pop("path", "")
        if kwargs:
            raise TypeError(f"expected path alone, got {', '.join(sorted(kwargs))} as well")
        return URL.build(path=f"{requote_path(self._written)}/{requote_path(path.lstrip('/'))}", encoded=True)

    def __repr__(self) -> str:
        return f"<MountResource {self.canonical} -> {self._app!r}>"


def mounted(prefix: object, app: Any, *, name: str | None) -> MountResource:  # Any: what is given is being checked
    """The resource of what `Application.mount` was given."""
    if not isinstance(prefix, str):
        raise TypeError(f"a prefix is a str; got {prefix!r}")
    if hasattr(app, "add_subapp"):
        raise TypeError("an application of levante is no ASGI application: use add_subapp(prefix, app)")
    return MountResource(prefix, app, name=name)
