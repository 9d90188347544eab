"""The beginning of a connection from a proxy that speaks the PROXY protocol: its header is taken from the socket before
anybody else reads, byte for byte, so that what follows may be TLS or HTTP. Bytes are looked at first (MSG_PEEK), and
only those that belong to the header are taken.
"""

import asyncio
import socket
from typing import Final

from levante.http.errors import IncompleteMessage
from levante.http.limits import MAX_PROXY_HEADER
from levante.http.proxyprotocol import ProxyHeader, ProxyHeaderReader

PROXY_HEADER_TIMEOUT: Final = 5.0
"""Seconds for the header, which a proxy sends at once; HAProxy's own default is that of the handshake, nginx has 30."""


async def read_proxy_header(conn: socket.socket, *, timeout: float = PROXY_HEADER_TIMEOUT) -> ProxyHeader:
    """The header; the socket is left at the first byte behind it.

    Raises RemoteProtocolError for something else, IncompleteMessage (one, too) when the connection ends, OSError
    (TimeoutError) when it is lost, or nothing comes.
    """
    reader = ProxyHeaderReader()
    async with asyncio.timeout(timeout):
        while reader.header is None:
            try:
                data = conn.recv(MAX_PROXY_HEADER, socket.MSG_PEEK)
            except BlockingIOError:
                await _readable(conn)
                continue
            if not data:
                raise IncompleteMessage("the connection ended before its PROXY header")
            conn.recv(reader.receive(data))
    return reader.header


async def _readable(conn: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    loop.add_reader(conn, wake)
    try:
        await waiter
    finally:
        loop.remove_reader(conn)
