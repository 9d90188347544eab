"""Requests that no peer has sent, for unit tests of a handler, a middleware or a response.

The request is a real one; only the exchange beneath it is a stand-in, which keeps what is sent instead of sending it.
Use a test server where the network, the parser or the router matter: nothing of them runs here.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, cast
from unittest import mock
from urllib.parse import quote

from levante.http import EMPTY_PAYLOAD, HttpVersion, HttpVersion11, Limits, RequestHead, StreamReader
from levante.web import Application, Request, Response, UrlMappingMatchInfo

PEER = ("127.0.0.1", 50000)
HERE = ("127.0.0.1", 8080)
CLIENT_MAX_SIZE = 1024 * 1024
ASCII = bytes(range(128)).decode()


class MockTransport(asyncio.Transport):
    """A transport to look at; nothing can be written to it."""

    def is_closing(self) -> bool:
        """No."""
        return False


class MockExchange:
    """The surface of `levante.http.Exchange`; keeps the answer: `status`, `reason`, `headers`, `sent`, `trailers`.

    `extra` answers `get_extra_info`. `gone = True` makes the peer disconnected.
    """

    def __init__(self, head: RequestHead, *, body: StreamReader = EMPTY_PAYLOAD, **extra: Any) -> None:
        # Any: as asyncio's get_extra_info, whose values are of any type
        self.head = head
        self.body = body
        self.extra = extra
        self.error: None = None
        self.connection: Any = self  # Any: or the stand-in that the test has for it
        self.limits = Limits()
        self.transport: asyncio.Transport | None = MockTransport({"peername": PEER, "sockname": HERE})
        self.keep_alive = head.keep_alive
        self.cancel_on_disconnect = False
        self.write_paused = False
        self.head_sent = False
        self.finished = False
        self.gone = False
        self.bytes_sent = 0
        self.status: int | None = None
        self.reason: str | None = None
        self.headers: list[tuple[str, str]] = []
        self.informational: list[int] = []
        self.sent = b""
        self.trailers: Mapping[str, str] | None = None

    @property
    def task(self) -> "asyncio.Task[Any] | None":
        """The task that the test runs in."""
        return asyncio.current_task()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What `extra` holds under `name`, else what the transport tells."""
        if name in self.extra:
            return self.extra[name]
        told = None if self.transport is None else self.transport.get_extra_info(name)
        return default if told is None else told

    def is_disconnected(self) -> bool:
        """Whether `gone` was set."""
        return self.gone

    async def disconnected(self) -> None:
        """Return at once when `gone` was set, else never."""
        if not self.gone:
            await asyncio.get_running_loop().create_future()

    def added_fields(self) -> tuple[tuple[str, str], ...]:
        """Nothing: a test sees what the handler has set, and no time of day."""
        return ()

    def leave_out_server(self) -> None:
        """There is none."""

    def send_continue(self) -> None:
        """Keep a 100."""
        self.send_informational(100)

    def send_informational(self, status: int, _headers: Iterable[tuple[str, str]] = ()) -> None:
        """Keep the status of an interim response."""
        self.informational.append(status)

    def send_head(
        self, status: int, reason: str | None, headers: Iterable[tuple[str, str]], *, length: int | None
    ) -> None:
        """Keep the head."""
        self.status, self.reason, self.headers = status, reason, list(headers)
        if length is not None and "content-length" not in {name.lower() for name, _ in self.headers}:
            self.headers.append(("Content-Length", str(length)))
        self.head_sent = True

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep a piece of the body."""
        self.sent += bytes(data)
        self.bytes_sent = len(self.sent)

    def respond(self, status: int, reason: str | None, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Keep head and body."""
        self.send_head(status, reason, headers, length=len(body))
        self.sent, self.bytes_sent, self.finished = body, len(body), True

    async def finish(self, trailers: Mapping[str, str] | None = None) -> None:
        """Keep the end."""
        self.trailers = trailers
        self.finished = True

    async def drain(self) -> None:
        """Everything has left already."""

    async def sendfile(self, file: BinaryIO, offset: int, count: int) -> None:
        """Keep a part of a file."""
        file.seek(offset)
        await self.write(file.read(count))

    def reset(self) -> None:
        """Drop the connection."""
        self.gone = True


def make_mocked_request(
    method: str,
    path: str,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    *,
    match_info: Mapping[str, str] | None = None,
    version: HttpVersion = HttpVersion11,
    closing: bool = False,
    app: Application | None = None,
    writer: Any = None,  # Any, here and below: a stand-in of the test's own, often of unittest.mock
    protocol: Any = None,
    transport: Any = None,
    payload: StreamReader = EMPTY_PAYLOAD,
    sslcontext: Any = None,
    client_max_size: int = CLIENT_MAX_SIZE,
    client_max_fields: int | None = None,
    loop: asyncio.AbstractEventLoop | None = None,  # noqa: ARG001  # aiohttp's; the running one is taken
) -> Request:
    """A request for unit tests; what is sent in answer is found in `request.exchange` (a `MockExchange`).

    `path` is the request target, with its query; what is not ASCII in it is percent-encoded. `closing` asks for the
    connection to be closed. `match_info` are the fields of the path; `app` is the application of the request, by
    default an empty one that works (mapping, signals). `payload` is the body, also without headers that announce one.
    `request.remote`, `get_extra_info()` and the like are what the `transport` tells, by default that of a peer at
    127.0.0.1. `protocol` and `writer` are what the request shows under these names; responses do not write to them.
    Raises what `RequestHead.build` raises for what cannot be sent.
    """
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
    if closing:
        pairs.append(("Connection", "close"))
    head = RequestHead.build(method.upper(), quote(path, safe=ASCII), pairs, version)
    if payload is not EMPTY_PAYLOAD and not head.has_body:
        head.chunked = True
    exchange = MockExchange(head, body=payload, sslcontext=sslcontext)
    if protocol is not None:
        exchange.connection = protocol
        transport = getattr(protocol, "transport", None) if transport is None else transport
    if transport is not None:
        exchange.transport = transport
    request = Request(cast("Any", exchange), client_max_size=client_max_size)
    learned = {"writer": writer, "client_max_fields": client_max_fields}
    request.learn({name: value for name, value in learned.items() if value is not None})
    match = UrlMappingMatchInfo(match_info or {}, Application().router.add_route(method, "/{tail:.*}", _unused))
    owner = app if app is not None else Application()
    owner.on_response_prepare.freeze()  # only a frozen signal can be sent
    match.add_app(owner)
    match.freeze()
    request.bind(match)
    return request


async def _unused(_request: Request) -> Response:
    raise RuntimeError("a mocked request is not routed: call your handler with it")


def make_mocked_coro(return_value: Any = None, raise_exception: BaseException | None = None) -> mock.AsyncMock:
    """A coroutine function that keeps its calls, as aiohttp has it; `unittest.mock.AsyncMock` does the same.

    Awaiting a call gives `return_value` (Any: whatever the test wants), or raises.
    """
    return mock.AsyncMock(return_value=return_value, side_effect=raise_exception)
