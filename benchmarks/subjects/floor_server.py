"""The floor: a uvloop protocol that parses next to nothing and writes a constant. The clients are measured against it.

It answers a request when the length that the head tells has come; a head without one has no body.
"""

import asyncio
import re

import settings
import uvloop

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n"
    b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: floor\r\n\r\n" + settings.GREETING.encode()
)
END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length:[ ]*([0-9]+)", re.IGNORECASE)


class Floor(asyncio.Protocol):
    transport: asyncio.Transport
    received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if not self.received and data.startswith(b"GET") and data.endswith(END):
            self.transport.write(ANSWER)
            return
        self.received += data
        head = self.received.find(END)
        if head < 0:
            return
        told = LENGTH.search(self.received, 0, head)
        if len(self.received) >= head + len(END) + (int(told[1]) if told else 0):
            self.received = b""
            self.transport.write(ANSWER)


async def main() -> None:
    await asyncio.get_running_loop().create_server(Floor, settings.HOST, settings.PORT)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
