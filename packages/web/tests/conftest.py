"""Servers that run in the test's own loop, and requests that came by no connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import pytest
from peers import Answer, Peer

from levante import web


class Served:
    """A running server."""

    def __init__(self, runner: web.BaseRunner, site: web.TCPSite) -> None:
        self.runner = runner
        self.site = site
        self.port = site.port
        self.peers: list[Peer] = []

    @property
    def server(self) -> web.Server:
        assert self.runner.server is not None
        return self.runner.server

    async def connect(self) -> Peer:
        return self.peer(*await asyncio.open_connection("127.0.0.1", self.port))

    def peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Peer:
        """A connection that was made otherwise."""
        peer = Peer(reader, writer)
        self.peers.append(peer)
        return peer

    async def request(self, method: str, target: str, *args: Any, **kwargs: Any) -> Answer:
        peer = await self.connect()
        answer = await peer.request(method, target, *args, **kwargs)
        await peer.close()
        return answer

    async def get(self, target: str, **headers: str) -> Answer:
        return await self.request("GET", target, [(name.replace("_", "-"), value) for name, value in headers.items()])

    async def close(self) -> None:
        for peer in self.peers:
            await peer.close()
        await self.runner.cleanup()


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(what, **runner arguments)`: an application, one handler for every path, or a `web.Server`."""
    running: list[Served] = []

    async def start(what: Any, **kwargs: Any) -> Served:
        kwargs.setdefault("shutdown_timeout", 2.0)
        runner: web.BaseRunner
        if isinstance(what, web.Server):
            runner = web.ServerRunner(what, shutdown_timeout=kwargs["shutdown_timeout"])
        else:
            app = what
            if not isinstance(what, web.Application):
                app = web.Application()
                app.router.add_route("*", "/{tail:.*}", what)
            runner = web.AppRunner(app, **kwargs)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        served = Served(runner, site)
        running.append(served)
        return served

    yield start
    for served in reversed(running):
        await served.close()


class NoTransport(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 80)})
        self.writes: list[bytes] = []

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    abort = close
    pause_reading = close
    resume_reading = close


@pytest.fixture
def transport() -> NoTransport:
    """A transport to nowhere."""
    return NoTransport()


@pytest.fixture
def make_request() -> Callable[..., Any]:
    """A request that came by no connection: `make_request(method, target, headers)`, where nothing is answered."""
    from levante.http.accept import AcceptedConnection

    def make(
        method: str = "GET",
        target: str = "/",
        headers: Iterable[tuple[str, str]] = (),
        *,
        kind: type[web.BaseRequest] = web.Request,
        **kwargs: Any,
    ) -> Any:
        caught: list[Any] = []

        async def service(exchange: Any) -> None:
            caught.append(exchange)
            exchange.respond(200, None, (), b"")

        connection = AcceptedConnection(service)
        connection.connection_made(NoTransport())
        names = {name.lower() for name, _ in headers}
        lines = [f"{method} {target} HTTP/1.1"] + ([] if "host" in names else ["Host: localhost"])
        lines += [f"{name}: {value}" for name, value in headers]
        connection.data_received("\r\n".join([*lines, "", ""]).encode("utf-8"))
        exchange = connection.current
        assert exchange is not None or caught
        return kind(exchange if exchange is not None else caught[0], **kwargs)

    return make
