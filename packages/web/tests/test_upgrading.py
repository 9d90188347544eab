import asyncio
import logging
from typing import Any

import pytest

from levante import web
from levante.http.errors import LocalProtocolError

UPGRADE = {"Upgrade": "shout", "Connection": "Upgrade"}


class Shout(asyncio.Protocol):
    """Gives back in capitals what it gets."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())
        if data.endswith(b"!"):
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


@pytest.mark.parity("U22")
async def test_a_protocol_takes_the_connection_over(serve: Any) -> None:
    made: list[Shout] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        def make() -> Shout:
            made.append(Shout())
            return made[-1]

        return web.UpgradeResponse(headers=UPGRADE, protocol=make)

    served = await serve(handler, max_in_flight=1)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nearly")
    answer = await peer.answer()
    assert (answer.status, answer.headers["Upgrade"]) == (101, "shout")
    async with asyncio.timeout(5):
        assert await peer.reader.readexactly(5) == b"EARLY"
        assert served.server.slots.running == 0
        await peer.send(b"late!")
        assert await peer.reader.read() == b"LATE!"
        await made[0].lost.wait()


@pytest.mark.parity("U22")
async def test_a_proxy_of_connect(serve: Any) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"origin: " + await reader.read())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    origin = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = origin.sockets[0].getsockname()[1]

    async def connect(request: web.Request) -> web.StreamResponse:
        authority = request.target.authority
        assert authority is not None
        origin_reader, origin_writer = await asyncio.open_connection(authority.host, authority.port)
        response = web.UpgradeResponse()
        reader, writer = await response.open(request)
        origin_writer.write(await reader.readexactly(5))
        origin_writer.write_eof()
        writer.write(await origin_reader.read())
        origin_writer.close()
        return response

    app = web.Application()
    app.router.add_connect(connect)
    served = await serve(app)
    async with origin:
        peer = await served.connect()
        await peer.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\nhello".encode())
        async with asyncio.timeout(5):
            head = await peer.head()
            assert head.status == 200
            assert "Content-Length" not in head.headers
            assert "Transfer-Encoding" not in head.headers
            assert await peer.reader.read() == b"origin: hello"
    assert (await served.request("GET", "/")).status == 404


@pytest.mark.parity("U22")
async def test_hooks_see_the_upgrade(serve: Any) -> None:
    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Mark"] = "seen"

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.UpgradeResponse(headers=UPGRADE)
        _, writer = await response.open(request)
        writer.write(b"bye")
        return response

    app = web.Application()
    app.on_response_prepare.append(mark)
    app.router.add_get("/", handler)
    served = await serve(app)
    peer = await served.connect()
    answer = await peer.request("GET", "/", UPGRADE.items())
    assert (answer.status, answer.headers["X-Mark"]) == (101, "seen")
    assert await peer.reader.read() == b"bye"


async def test_what_is_refused(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    errors: list[BaseException] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.UpgradeResponse(headers=UPGRADE)
        if request.path == "/nobody":
            return response
        if request.path == "/status":
            return web.UpgradeResponse(status=200, protocol=Shout)
        await response.open(request)
        for attempt in (response.open(request), response.write(b"")):
            try:
                await attempt
            except RuntimeError as exc:
                errors.append(exc)
        return response

    served = await serve(handler)
    with caplog.at_level(logging.ERROR):
        assert (await served.get("/nobody")).status == 500
        assert "nobody takes the connection over" in caplog.text
        assert (await served.get("/status")).status == 500
        assert LocalProtocolError.__name__ in caplog.text
    assert (await served.request("GET", "/", UPGRADE.items())).status == 101
    assert [str(error).partition(":")[0] for error in errors] == [
        "the connection has been given away already",
        "an upgraded connection has no body",
    ]


@pytest.mark.parametrize(
    ("headers", "version", "status"),
    [
        ({}, "1.1", 426),
        ({"Upgrade": "shout"}, "1.1", 426),
        ({"Upgrade": "whisper", "Connection": "Upgrade"}, "1.1", 426),
        ({"Upgrade": "shout", "Connection": "Upgrade"}, "1.0", 426),
        ({"Upgrade": "whisper, Shout", "Connection": "x, upgrade"}, "1.1", 101),
    ],
)
async def test_who_has_not_asked_gets_no_upgrade(serve: Any, headers: Any, version: str, status: int) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.UpgradeResponse(headers=UPGRADE)
        await response.open(request)
        return response

    served = await serve(handler)
    answer = await served.request("GET", "/", headers.items(), version=version)
    assert (answer.status, answer.headers["Upgrade"]) == (status, "shout")


async def test_connect_has_no_path() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise NotImplementedError

    app = web.Application()
    route = app.router.add_connect(handler, cancel_on_disconnect=True)
    resource = route.resource
    assert resource is not None
    assert (resource.canonical, resource.get_info(), len(resource)) == ("", {"path": ""}, 1)
    assert not resource.raw_match("")
    assert repr(resource) == "<ConnectResource>"
    with pytest.raises(RuntimeError, match="no URL"):
        route.url_for()
    with pytest.raises(RuntimeError, match="no path to put below"):
        web.Application().add_subapp("/below", app)
