"""Run an application on a loopback port inside a test, and talk to it with a real client.

`TestServer` starts the whole server (sockets, parser, middlewares, startup and cleanup) on a random port of the
loopback interface, `RawTestServer` does so for one bare handler without an application, and `TestClient` is a
`ClientSession` whose addresses are relative to such a server and that closes all that it opened. Names and behaviour
follow aiohttp's `test_utils`, so that a test suite is ported by its imports. `pytest_plugin` wraps these classes.
"""

import contextlib
import socket
import ssl as ssl_module
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from types import GenericAlias, TracebackType
from typing import Any, Self, TypeVar
from unittest import IsolatedAsyncioTestCase

from yarl import URL

from levante.client import ClientResponse, ClientSession, ClientWebSocketResponse, CookieJar
from levante.client.pending import Pending
from levante.web import Application, AppRunner, BaseRequest, Server, ServerRunner, SockSite, StreamResponse

__all__ = [
    "AioHTTPTestCase",
    "BaseTestServer",
    "RawTestServer",
    "TestClient",
    "TestServer",
    "get_port_socket",
    "unused_port",
]

SocketFactory = Callable[[str, int, socket.AddressFamily], socket.socket]
RawHandler = Callable[[BaseRequest], Awaitable[StreamResponse]]
Opened = TypeVar("Opened", bound=ClientResponse | ClientWebSocketResponse)


def get_port_socket(host: str, port: int, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    """A TCP socket bound to (host, port), not listening yet; port 0 takes a free one. OSError when it is taken."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_REUSEPORT"):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def unused_port() -> int:
    """The number of a loopback TCP port that was free a moment ago. Prefer port 0 where it can be used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class BaseTestServer(ABC):
    """A server on the loopback interface, started and closed by a test; also an async context manager.

    `port=None` takes a random free port. `scheme` is found from the `ssl` argument of `start_server` when empty.
    `skip_url_asserts` lets `make_url` pass absolute URLs on, and takes `//path` for a path.
    `socket_factory(host, port, family)` makes the socket.
    Other keywords go to the runner, over those given to `start_server`. Handlers are cancelled when their client
    disconnects (`handler_cancellation=True`), unless a keyword says otherwise: leaks show in tests, not in production.
    """

    __test__ = False

    def __init__(
        self,
        *,
        scheme: str = "",
        host: str = "127.0.0.1",
        port: int | None = None,
        skip_url_asserts: bool = False,
        socket_factory: SocketFactory = get_port_socket,
        **kwargs: Any,
    ) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.skip_url_asserts = skip_url_asserts
        self.socket_factory = socket_factory
        self.runner: AppRunner | ServerRunner | None = None
        self.started = False
        self.closed = False
        self._runner_kwargs = kwargs
        self._root: URL | None = None

    async def start_server(self, **kwargs: Any) -> None:
        """Bind, set the application up, listen. `ssl` is an `SSLContext`; the rest goes to the runner. Once only."""
        if self.runner is not None:
            return
        ssl: ssl_module.SSLContext | None = kwargs.pop("ssl", None)
        options = {"handler_cancellation": True, **kwargs, **self._runner_kwargs}
        self.runner = await self._make_runner(**options)
        try:
            await self.runner.setup()
            await self._listen(self.runner, ssl)
        except BaseException:
            await self.close()
            raise
        self.started = True

    async def _listen(self, runner: AppRunner | ServerRunner, ssl: ssl_module.SSLContext | None) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        bound = self.socket_factory(self.host, self.port or 0, family)
        try:
            site = SockSite(runner, bound, ssl_context=ssl)
            await site.start()
        except BaseException:
            bound.close()
            raise
        self.port = bound.getsockname()[1]
        self.scheme = self.scheme or ("https" if ssl is not None else "http")
        self._root = URL.build(scheme=self.scheme, host=self.host, port=self.port)

    @abstractmethod
    async def _make_runner(self, **kwargs: Any) -> AppRunner | ServerRunner:
        """The runner of what is served."""

    @property
    def handler(self) -> Server:
        """The running low-level server: `connections`, `requests_count`. RuntimeError before the start."""
        if self.runner is None or self.runner.server is None:
            raise RuntimeError(
                "the test server is not running; start it with `await server.start_server()` or `async with server`"
            )
        return self.runner.server

    def make_url(self, path: str | URL) -> URL:
        """The absolute URL of a relative `path`. ValueError for an absolute one; RuntimeError before the start."""
        if self._root is None:
            raise RuntimeError("the test server has no address yet; start it with `await server.start_server()`")
        url = URL(path)
        if self.skip_url_asserts:
            return url if url.scheme else URL(f"{self._root}{path}", encoded=isinstance(path, URL))
        if url.absolute:
            raise ValueError(
                f"got the absolute URL {str(url)!r}, expected a path such as '/items'; skip_url_asserts=True allows it"
            )
        return self._root.join(url)

    async def close(self) -> None:
        """Stop listening, end the connections, run shutdown and cleanup. Safe to call twice, and before the start."""
        if self.closed or self.runner is None:
            return
        self.closed = True
        self._root = None
        self.port = None
        await self.runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start_server()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class TestServer(BaseTestServer):
    """Serves an `Application`, with its startup, shutdown and cleanup."""

    __test__ = False

    def __init__(self, app: Application, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app = app

    async def _make_runner(self, **kwargs: Any) -> AppRunner:
        return AppRunner(self.app, **kwargs)


class RawTestServer(BaseTestServer):
    """Serves one handler of a `BaseRequest`, without an application, routes or middlewares."""

    __test__ = False

    def __init__(self, handler: RawHandler, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._handler = handler

    async def _make_runner(self, **kwargs: Any) -> ServerRunner:
        return ServerRunner(Server(self._handler, **kwargs))


class TestClient:
    """A `ClientSession` bound to a test server: paths are relative to it, and `close()` closes all that was opened.

    Cookies of plain IP addresses are kept (an unsafe jar) unless a `cookie_jar` is given; no request is repeated
    behind the test's back. Other keywords go to `ClientSession`. Also an async context manager that starts the server.
    """

    __test__ = False
    __class_getitem__: Any = classmethod(GenericAlias)  # Any: it is for annotations at run time; aiohttp's is generic

    def __init__(self, server: BaseTestServer, *, cookie_jar: Any = None, **kwargs: Any) -> None:
        # Any: whatever ClientSession takes as a jar
        if not isinstance(server, BaseTestServer):
            raise TypeError(f"got {type(server).__name__}, expected a test server: TestClient(TestServer(app))")
        kwargs.setdefault("transparent_retry", False)
        self._server = server
        self._session = ClientSession(cookie_jar=CookieJar(unsafe=True) if cookie_jar is None else cookie_jar, **kwargs)
        self._responses: list[ClientResponse] = []
        self._websockets: list[ClientWebSocketResponse] = []
        self._closed = False

    @property
    def session(self) -> ClientSession:
        """The session that sends the requests."""
        return self._session

    @property
    def server(self) -> BaseTestServer:
        """The server that is talked to."""
        return self._server

    @property
    def app(self) -> Application | None:
        """The served application; None for a raw server."""
        return getattr(self._server, "app", None)

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return self._server.scheme

    @property
    def host(self) -> str:
        """The address of the server."""
        return self._server.host

    @property
    def port(self) -> int | None:
        """The port of the server; None while it does not run."""
        return self._server.port

    def make_url(self, path: str | URL) -> URL:
        """The absolute URL of `path` on the server."""
        return self._server.make_url(path)

    async def start_server(self) -> None:
        """Start the server if it does not run yet."""
        await self._server.start_server()

    def request(self, method: str, path: str | URL, **kwargs: Any) -> Pending[ClientResponse]:
        """Send a request; keywords as in `ClientSession.request`. Await it, or use it with `async with`."""
        return Pending(_noted(self._session.request(method, self.make_url(path), **kwargs), self._responses))

    def get(self, path: str | URL, **kwargs: Any) -> Pending[ClientResponse]:
        """Send a GET request."""
        return self.request("GET", path, **kwargs)

    def post(self, path: str | URL, **kwargs: Any) -> Pending[ClientResponse]:
        """Send a POST request."""
        return self.request("POST", path, **kwargs)

    def put(self, path: str | URL, **kwargs: Any) -> Pending[ClientResponse]:
        """Send a PUT request."""
        return self.request("PUT", path, **kwargs)

    def patch(self, path: str | URL, **kwargs: Any) -> Pending[ClientResponse]:
        """Send a PATCH request."""
        return self.request("PATCH", path, **kwargs)

    def delete(self, path: str | URL, **kwargs: Any) -> Pending[ClientResponse]:
        """Send a DELETE request."""
        return self.request("DELETE", path, **kwargs)

    def options(self, path: str | URL, **kwargs: Any) -> Pending[ClientResponse]:
        """Send an OPTIONS request."""
        return self.request("OPTIONS", path, **kwargs)

    def head(self, path: str | URL, **kwargs: Any) -> Pending[ClientResponse]:
        """Send a HEAD request; redirects are not followed unless `allow_redirects=True`."""
        return self.request("HEAD", path, **{"allow_redirects": False, **kwargs})

    def ws_connect(self, path: str | URL, **kwargs: Any) -> Pending[ClientWebSocketResponse]:
        """Open a WebSocket to the server, as a page of its own origin does; keywords as in
        `ClientSession.ws_connect`."""
        kwargs.setdefault("origin", str(self.make_url("/").origin()))
        return Pending(_noted(self._session.ws_connect(self.make_url(path), **kwargs), self._websockets))

    async def close(self) -> None:
        """Close the responses and WebSockets that were opened, the session, the server. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        async with contextlib.AsyncExitStack() as stack:  # each step is taken, whichever of them fails
            stack.push_async_callback(self._server.close)
            stack.push_async_callback(self._session.close)
            for websocket in self._websockets:
                stack.push_async_callback(websocket.close)
            for response in self._responses:
                stack.callback(response.close)

    async def __aenter__(self) -> Self:
        await self.start_server()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _noted(opening: Awaitable[Opened], opened: list[Opened]) -> Opened:
    value = await opening
    opened.append(value)
    return value


class AioHTTPTestCase(IsolatedAsyncioTestCase):
    """A unittest case with `self.app`, `self.server` and a connected `self.client` around every test.

    Override `get_application` (or `get_server`, `get_client`).
    """

    __test__ = False

    async def get_application(self) -> Application:
        """The application under test; every subclass says which."""
        raise NotImplementedError(f"{type(self).__name__} must define get_application() or get_server()")

    async def get_server(self, app: Application) -> TestServer:
        """The server of the application."""
        return TestServer(app)

    async def get_client(self, server: TestServer) -> TestClient:
        """The client of the server."""
        return TestClient(server)

    async def asyncSetUp(self) -> None:
        """Start the server and connect the client."""
        self.app = await self.get_application()
        self.server = await self.get_server(self.app)
        self.client = await self.get_client(self.server)
        await self.client.start_server()

    async def asyncTearDown(self) -> None:
        """Close the client and the server."""
        await self.client.close()
