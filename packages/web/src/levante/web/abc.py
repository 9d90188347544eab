"""The abstract types behind the public ones, under the names that plugins look for: what a router, a match, a view
and an access logger are.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .types import Application, BaseRequest, ExpectHandler, Handler, Request, StreamResponse, UrlMappingMatchInfo


class AbstractRouter(ABC):
    """Finds the handler of a request."""

    def __init__(self) -> None:
        self._frozen = False

    @property
    def frozen(self) -> bool:
        """Whether routes can no longer be added."""
        return self._frozen

    def freeze(self) -> None:
        """Refuse further routes."""
        self._frozen = True

    @abstractmethod
    async def resolve(self, request: "Request") -> "UrlMappingMatchInfo":
        """The match of `request`; a `MatchInfoError` when there is none, never an exception."""


class AbstractMatchInfo(ABC):
    """What a router found: the handler, and the applications from the root to the one that owns the handler."""

    @property
    @abstractmethod
    def handler(self) -> "Handler":
        """The handler of the matched route."""

    @property
    @abstractmethod
    def expect_handler(self) -> "ExpectHandler":
        """What decides about an Expect header."""

    @property
    @abstractmethod
    def apps(self) -> "tuple[Application, ...]":
        """Root first."""

    @abstractmethod
    def add_app(self, app: "Application") -> None:
        """Put `app` in front of the applications; RuntimeError after `freeze`."""

    @abstractmethod
    def freeze(self) -> None:
        """Refuse further applications."""


class AbstractView(ABC):
    """A handler as a class: made with the request, then awaited."""

    __slots__ = ("_request",)

    def __init__(self, request: "Request") -> None:
        self._request = request

    @property
    def request(self) -> "Request":
        """The request being handled."""
        return self._request

    @abstractmethod
    def __await__(self) -> "Generator[Any, None, StreamResponse]":
        """Handle the request."""


class AbstractAccessLogger(ABC):
    """Writes a line for each response."""

    __slots__ = ("log_format", "logger")

    def __init__(self, logger: logging.Logger, log_format: str) -> None:
        self.logger = logger
        self.log_format = log_format

    @abstractmethod
    def log(self, request: "BaseRequest", response: "StreamResponse", time: float) -> None:
        """Write the line; `time` is in seconds."""

    @property
    def enabled(self) -> bool:
        """False skips the call, and the measuring of time, altogether."""
        return True


class AbstractAsyncAccessLogger(ABC):
    """Writes a line for each response, where writing has to be awaited."""

    __slots__ = ()

    @abstractmethod
    async def log(self, request: "BaseRequest", response: "StreamResponse", request_start: float) -> None:
        """Write the line; `request_start` is on the event loop's clock, in seconds."""

    @property
    def enabled(self) -> bool:
        """False skips the call altogether."""
        return True
