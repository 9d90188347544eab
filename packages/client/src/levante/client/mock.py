"""The mock transport: a connector that answers as a test has declared, without sockets. Everything above the
connection is the real session (redirects, cookies, middlewares, retries, decoding), and the bytes go through both
engines. A request that nobody expected raises an AssertionError that shows how it differs from the nearest
expectation; `assert_all_called()` asks whether all that was expected came."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from multidict import CIMultiDictProxy
from yarl import URL

from levante.http import AcceptedConnection, DialedConnection, Exchange

from .asgi import delivered, raise_at_client
from .expectations import (
    AS_ANSWERED,
    NO_JSON,
    Answer,
    Answering,
    BodyPattern,
    Expectation,
    MockedRequest,
    Reply,
    TextPattern,
    URLPattern,
    describe_unexpected,
)
from .memory import BaseMemoryConnector
from .origin import ConnectionKey


class UnexpectedRequest(AssertionError):
    """A request that no expectation answers; its text shows the difference to the nearest one."""


class MockConnector(BaseMemoryConnector):
    """Give it to a session: `ClientSession(connector=mock)`, and declare what will be asked by `expect`.

    Expectations are tried in the order in which they were declared; one that is used up lets the next one answer.
    `requests` has everything that came, in order, `unexpected` those that nothing answered. `sleep(seconds)` is how
    delays pass: a test may hand in a clock of its own. Each request has a connection of its own, so that an error is
    never taken for that of a connection that died idle, and repeated.
    """

    def __init__(self, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        super().__init__()
        self._force_close = True
        self._sleep = sleep
        self.expectations: list[Expectation] = []
        self.requests: list[MockedRequest] = []
        self.unexpected: list[UnexpectedRequest] = []

    @property
    def force_close(self) -> bool:
        """False: requests do not say that their connection closes."""
        return False

    def expect(
        self,
        method: str,
        url: URLPattern,
        *,
        headers: Mapping[str, TextPattern | None] | None = None,
        body: BodyPattern | None = None,
        json: Any = NO_JSON,  # Any: whatever JSON holds
        times: int | None = AS_ANSWERED,
    ) -> Expectation:
        """Expect a request, and answer it by what is said to the `Expectation`: `reply`, `raises`, `calls`; without
        any of these it is an empty 200.

        `method` may be "*". `url`: absolute, or a path for every host, compared with its query, whose order does not
        matter; or a compiled pattern for the whole URL. `headers`: values, compiled patterns, or None for a field that
        must not be there; others do not matter. `body`: bytes, text, a compiled pattern, or a function that says
        whether it is the one; or `json=`, a value. `times`: how often, None for any number; by default as often as
        there are answers. ValueError for both of body and json.
        """
        if json is not NO_JSON and body is not None:
            raise ValueError("body= and json= exclude each other: give one of them")
        expectation = Expectation(method.upper(), url, dict(headers or {}), body, json, times)
        self.expectations.append(expectation)
        return expectation

    def assert_all_called(self) -> None:
        """AssertionError that lists what was expected and did not come, and what came and was not expected."""
        lines = [
            f"{expectation}: expected {expectation.calls_expected} times, called {len(expectation.requests)} times"
            for expectation in self.expectations
            if not expectation.is_met()
        ]
        lines += [str(error) for error in self.unexpected]
        if lines:
            raise AssertionError("\n".join(lines))

    async def accept(self, client: DialedConnection, key: ConnectionKey) -> AcceptedConnection:
        """The accepting engine, with the expectations above it."""
        return AcceptedConnection(partial(self._serve, client, key), cancel_on_disconnect=True)

    async def _serve(self, client: DialedConnection, key: ConnectionKey, exchange: Exchange) -> None:
        head = exchange.head
        try:
            body = await exchange.body.read()
            request = MockedRequest(head.method, _url(key, head.target), CIMultiDictProxy(head.headers.copy()), body)
            answer = await self._answer(request)
            if isinstance(answer, Exception):
                raise answer
            await self._send(answer, exchange)
        except Exception as error:  # noqa: BLE001 - the boundary: it is raised where the request was made
            raise_at_client(client, error)

    async def _answer(self, request: MockedRequest) -> Answer:
        self.requests.append(request)
        for expectation in self.expectations:
            if not expectation.is_used_up() and not expectation.differences(request):
                return await _settled(expectation.take(request), request)
        error = UnexpectedRequest(describe_unexpected(request, self.expectations))
        self.unexpected.append(error)
        return error

    async def _send(self, reply: Reply, exchange: Exchange) -> None:
        if reply.delay:
            await self._sleep(reply.delay)
        if not reply.streamed:
            exchange.respond(reply.status, None, reply.headers, b"".join(reply.pieces))
            return
        exchange.send_head(reply.status, None, reply.headers, length=None)
        for piece in reply.pieces:
            await exchange.write(piece)
            await exchange.drain()
        if reply.error is not None:
            await delivered(exchange)
            raise reply.error
        await exchange.finish()


async def _settled(answer: Answer | Answering, request: MockedRequest) -> Answer:
    if isinstance(answer, Reply | Exception):
        return answer
    given = answer(request)
    if inspect.isawaitable(given):
        given = await given
    if isinstance(given, Reply | Exception):
        return given
    raise TypeError(f"an answering function gives a Reply or an error, got {given!r}: use make_reply(...)")


def _url(key: ConnectionKey, target: str) -> URL:
    if not target.startswith("/"):
        return URL(target, encoded=True)  # absolute, as for a proxy, or `*`
    path, _, query = target.partition("?")
    scheme = "https" if key.is_ssl else "http"
    return URL.build(scheme=scheme, host=key.host, port=key.port, path=path, query_string=query, encoded=True)
