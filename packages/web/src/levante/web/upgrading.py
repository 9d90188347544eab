"""Taking a connection over: after `101 Switching Protocols`, or 2xx to CONNECT, its bytes belong to the handler, as a
pair of streams or to a protocol of asyncio. WebSockets have a response of their own.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from .exceptions import HTTPUpgradeRequired
from .stream_response import StreamResponse

if TYPE_CHECKING:
    from levante.http.streamwriter import AbstractStreamWriter

    from .types import BaseRequest, LooseHeaders

SWITCHING = 101
OK = 200


class UpgradeResponse(StreamResponse):
    """The response that ends HTTP on a connection (RFC 9110 sections 7.8 and 9.3.6). Two ways:

    `reader, writer = await response.open(request)` gives the connection as streams; it is closed when the handler
    returns the response. Or `UpgradeResponse(protocol=make)`, returned, hands it to the asyncio protocol that `make()`
    gives, for as long as that wants it; bytes that came behind the request are its first ones.

    `status` None is 200 to CONNECT, else 101, which needs `headers` with Upgrade and `Connection: Upgrade`; to who did
    not ask for that protocol HTTPUpgradeRequired is raised instead (RFC 9110 section 7.8). On ASGI servers connections
    cannot be taken over: LocalProtocolError. At the server's shutdown what is still open is dropped after
    `shutdown_timeout`.
    """

    __slots__ = ("_make", "_usual", "_writer")

    def __init__(
        self,
        *,
        status: int | None = None,
        headers: "LooseHeaders | None" = None,
        protocol: Callable[[], asyncio.BaseProtocol] | None = None,
    ) -> None:
        super().__init__(status=SWITCHING if status is None else status, headers=headers)
        self._usual = status is None
        self._make = protocol
        self._writer: asyncio.StreamWriter | None = None

    async def open(self, request: "BaseRequest") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send the head, and take the connection over as streams. RuntimeError when it is taken already."""
        if self._make is not None or self._writer is not None:
            raise RuntimeError("the connection has been given away already: to a protocol, or by open()")
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        self._make = lambda: protocol
        await self.prepare(request)
        transport = request.exchange.connection.transport
        if transport is None:
            raise ConnectionResetError("the connection was lost while it was taken over")
        self._writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        return reader, self._writer

    async def prepare(self, request: "BaseRequest") -> "AbstractStreamWriter | None":
        """Send the head and hand the connection over."""
        if self._claim(request):
            await self._start(request)
        return None

    async def _start(self, request: "BaseRequest") -> None:
        if self._make is None:
            raise RuntimeError("nobody takes the connection over: give a protocol, or call open() first")
        if self._usual and request.method == "CONNECT":
            self.set_status(OK)
        if self._status == SWITCHING:
            self._check_asked(request)
        if request.has_prepare_hooks:
            await request.prepare_hook(self)
        request.exchange.upgrade(self._make(), status=self._status, headers=self._wire_headers())
        self._exchange = request.exchange
        if request.server is not None:
            request.server.leave_place(request.exchange)

    def _check_asked(self, request: "BaseRequest") -> None:
        """HTTPUpgradeRequired when the client, or a proxy in front of it, does not know that protocol: it would read
        what follows as HTTP. (HTTP/1.0 cannot ask.)
        """
        offered = self.headers.get("Upgrade", "")
        asked = ",".join(request.headers.getall("Upgrade", ())).lower().split(",")
        if request.head.upgrade is None or offered.lower() not in {name.strip() for name in asked}:
            raise HTTPUpgradeRequired(
                text=f"426: this is for connections that are upgraded to {offered}\n", headers={"Upgrade": offered}
            )

    async def write(self, _: bytes | bytearray | memoryview) -> NoReturn:
        """Refused: what is sent now is no body."""
        raise RuntimeError("an upgraded connection has no body: write to what open() gave, or in the protocol")

    async def write_eof(self, _: bytes = b"") -> None:
        """Close the streams that `open` gave, once what was written has been sent."""
        if self._finished:
            return
        self._finished = True
        if self._writer is not None:
            self._writer.close()
            try:
                await self._writer.wait_closed()
            except ConnectionError:
                pass  # it is closed, if not by us
