"""Fixtures that start an application and a client for a test, under levante's names and under those of pytest-aiohttp.

The plugin is loaded in every pytest run of an environment that has levante-devtools, before coverage starts to measure:
it imports nothing of levante until a fixture is used. Each factory fixture closes what it made, in reverse order.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from levante.client import ClientSession, MockConnector
    from levante.web import Application

    from .testing import BaseTestServer, RawHandler, RawTestServer, TestClient, TestServer


class ClientFactory(Protocol):
    """Type of the fixture `levante_client`."""

    async def __call__(
        self,
        app: "Application | BaseTestServer",
        *,
        server_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> "TestClient":
        """Start the application (or server) and return a client of it; `kwargs` go to the client's session."""
        ...


class ServerFactory(Protocol):
    """Type of the fixture `levante_server`."""

    async def __call__(
        self, app: "Application", *, host: str = "127.0.0.1", port: int | None = None, **kwargs: Any
    ) -> "TestServer":
        """Start the application on a loopback port; `kwargs` (among them `ssl`) go to the runner."""
        ...


class RawServerFactory(Protocol):
    """Type of the fixture `levante_raw_server`."""

    async def __call__(self, handler: "RawHandler", *, port: int | None = None, **kwargs: Any) -> "RawTestServer":
        """Start one bare handler on a loopback port."""
        ...


class MemoryFactory(Protocol):
    """Type of the fixture `levante_memory`."""

    async def __call__(
        self, app: "Application", *, raise_app_exceptions: bool = True, url: str = "http://app.test/", **kwargs: Any
    ) -> "ClientSession":
        """Start the application and return a session of it; `url` is what paths are relative to, `kwargs` go to the
        session.
        """
        ...


AiohttpClient = ClientFactory
"""pytest-aiohttp's name of the type, for annotations."""
AiohttpServer = ServerFactory
"""As above."""
AiohttpRawServer = RawServerFactory
"""As above."""


def _memory_factory(stack: AsyncExitStack) -> MemoryFactory:
    async def start(
        app: "Application", *, raise_app_exceptions: bool = True, url: str = "http://app.test/", **kwargs: Any
    ) -> "ClientSession":
        from levante.client import ClientSession

        from .inmemory import ApplicationConnector

        connector = ApplicationConnector(app, raise_app_exceptions=raise_app_exceptions)
        stack.push_async_callback(connector.close)
        await connector.start()
        return await stack.enter_async_context(ClientSession(url, connector=connector, **kwargs))

    return start


def _client_factory(stack: AsyncExitStack, client_class: "type[TestClient] | None") -> ClientFactory:
    async def start(
        app: "Application | BaseTestServer", *, server_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> "TestClient":
        from levante.web import Application

        from .testing import BaseTestServer, TestClient, TestServer

        if isinstance(app, Application):
            server: BaseTestServer = TestServer(app, **(server_kwargs or {}))
        elif isinstance(app, BaseTestServer):
            server = app
        else:
            raise TypeError(f"got {type(app).__name__}, expected a levante.web.Application or a test server")
        client = (client_class or TestClient)(server, **kwargs)
        stack.push_async_callback(client.close)
        await client.start_server()
        return client

    return start


def _server_factory(stack: AsyncExitStack) -> ServerFactory:
    async def start(
        app: "Application", *, host: str = "127.0.0.1", port: int | None = None, **kwargs: Any
    ) -> "TestServer":
        from .testing import TestServer

        server = TestServer(app, host=host, port=port)
        stack.push_async_callback(server.close)
        await server.start_server(**kwargs)
        return server

    return start


def _raw_server_factory(stack: AsyncExitStack) -> RawServerFactory:
    async def start(handler: "RawHandler", *, port: int | None = None, **kwargs: Any) -> "RawTestServer":
        from .testing import RawTestServer

        server = RawTestServer(handler, port=port)
        stack.push_async_callback(server.close)
        await server.start_server(**kwargs)
        return server

    return start


@pytest_asyncio.fixture
async def levante_memory() -> AsyncIterator[MemoryFactory]:
    """`session = await levante_memory(app)`: a session whose requests go to the application, without sockets."""
    async with AsyncExitStack() as stack:
        yield _memory_factory(stack)


@pytest_asyncio.fixture
async def levante_mock() -> "AsyncIterator[MockConnector]":
    """A mock transport: `ClientSession(connector=levante_mock)`. At the end of the test all that was
    expected must have been asked, and nothing else.
    """
    from levante.client import MockConnector

    async with MockConnector() as mock:
        yield mock
        mock.assert_all_called()


@pytest.fixture
def levante_client_cls() -> "type[TestClient] | None":
    """The class of the clients that `levante_client` makes; override it in a conftest. None is `TestClient`."""
    return None


@pytest_asyncio.fixture
async def levante_client(levante_client_cls: "type[TestClient] | None") -> AsyncIterator[ClientFactory]:
    """`client = await levante_client(app)`: the application started on a loopback port, and a client of it."""
    async with AsyncExitStack() as stack:
        yield _client_factory(stack, levante_client_cls)


@pytest_asyncio.fixture
async def levante_server() -> AsyncIterator[ServerFactory]:
    """`server = await levante_server(app)`: the application started on a loopback port."""
    async with AsyncExitStack() as stack:
        yield _server_factory(stack)


@pytest_asyncio.fixture
async def levante_raw_server() -> AsyncIterator[RawServerFactory]:
    """`server = await levante_raw_server(handler)`: one bare handler started on a loopback port."""
    async with AsyncExitStack() as stack:
        yield _raw_server_factory(stack)


@pytest.fixture
def aiohttp_client_cls() -> "type[TestClient] | None":
    """pytest-aiohttp's name of `levante_client_cls`."""
    return None


@pytest_asyncio.fixture
async def aiohttp_client(aiohttp_client_cls: "type[TestClient] | None") -> AsyncIterator[ClientFactory]:
    """pytest-aiohttp's name of `levante_client`."""
    async with AsyncExitStack() as stack:
        yield _client_factory(stack, aiohttp_client_cls)


@pytest_asyncio.fixture
async def aiohttp_server() -> AsyncIterator[ServerFactory]:
    """pytest-aiohttp's name of `levante_server`."""
    async with AsyncExitStack() as stack:
        yield _server_factory(stack)


@pytest_asyncio.fixture
async def aiohttp_raw_server() -> AsyncIterator[RawServerFactory]:
    """pytest-aiohttp's name of `levante_raw_server`."""
    async with AsyncExitStack() as stack:
        yield _raw_server_factory(stack)


@pytest.fixture
def levante_unused_port() -> Callable[[], int]:
    """A function that gives the number of a free TCP port."""
    from .testing import unused_port

    return unused_port


@pytest.fixture
def aiohttp_unused_port(levante_unused_port: Callable[[], int]) -> Callable[[], int]:
    """pytest-aiohttp's name of `levante_unused_port`."""
    return levante_unused_port
