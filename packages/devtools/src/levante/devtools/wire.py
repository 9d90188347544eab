"""Messages between the processes of the development server: one JSON object a line over a local stream socket."""

import asyncio
import json
import socket
from typing import Any

Message = dict[str, Any]  # Any: JSON


def encode(message: Message) -> bytes:
    """The line of a message."""
    return json.dumps(message).encode() + b"\n"


class Lines:
    """Cuts received bytes into messages, however they arrive."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]


class Channel:
    """The asyncio end of such a socket, which it owns from then on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, sock: socket.socket) -> "Channel":
        """Take over a connected stream socket."""
        sock.setblocking(False)
        return cls(*await asyncio.open_connection(sock=sock, limit=LINE_LIMIT))

    def send(self, message: Message) -> None:
        """Send now; to a peer that is gone it is lost, and `receive` says so."""
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    async def receive(self) -> Message | None:
        """The next message; None when the other side is gone."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        message: Message | None = json.loads(line) if line.endswith(b"\n") else None
        return message

    async def close(self) -> None:
        """Close the socket, after what was sent."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:  # the other side went first
            pass


# A line lists every module that a process has loaded: thousands of names.
LINE_LIMIT = 4 * 1024 * 1024
