"""Development server, generator and test fixtures for levante services.

The names below are imported on first use (PEP 562): every pytest run loads the package through its plugin, and so
does the fork server of `devtools runserver`; neither should pay for a web framework and a client that it may not
need.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .inmemory import ApplicationConnector as ApplicationConnector
    from .mocking import MockExchange as MockExchange
    from .mocking import make_mocked_coro as make_mocked_coro
    from .mocking import make_mocked_request as make_mocked_request
    from .testing import AioHTTPTestCase as AioHTTPTestCase
    from .testing import BaseTestServer as BaseTestServer
    from .testing import RawTestServer as RawTestServer
    from .testing import TestClient as TestClient
    from .testing import TestServer as TestServer
    from .testing import unused_port as unused_port

_HOMES = {
    "ApplicationConnector": ".inmemory",
    "MockExchange": ".mocking",
    "make_mocked_coro": ".mocking",
    "make_mocked_request": ".mocking",
    "AioHTTPTestCase": ".testing",
    "BaseTestServer": ".testing",
    "RawTestServer": ".testing",
    "TestClient": ".testing",
    "TestServer": ".testing",
    "unused_port": ".testing",
}

__all__ = [
    "AioHTTPTestCase",
    "ApplicationConnector",
    "BaseTestServer",
    "MockExchange",
    "RawTestServer",
    "TestClient",
    "TestServer",
    "__version__",
    "make_mocked_coro",
    "make_mocked_request",
    "unused_port",
]

try:
    __version__ = version("levante-devtools")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.0.0"


def __getattr__(name: str) -> Any:  # Any: the names are classes and functions of several types
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names are {', '.join(__all__)}")
    return getattr(import_module(home, __name__), name)
