"""A client of the simplest kind: it writes bytes to a socket and takes the answer apart by itself."""

import asyncio
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from multidict import CIMultiDict
from processes import PATIENCE


@dataclass
class Answer:
    status: int
    reason: str
    headers: CIMultiDict[str]
    body: bytes
    head: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Peer:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> "Peer":
        """One to a port of 127.0.0.1."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> Answer:
        head = await self.reader.readuntil(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        _, status, reason = status_line.split(" ", 2)
        headers: CIMultiDict[str] = CIMultiDict()
        for line in lines:
            name, _, value = line.partition(":")
            headers.add(name, value.strip())
        return Answer(int(status), reason, headers, b"", head)

    async def answer(self, *, method: str = "GET") -> Answer:
        async with asyncio.timeout(PATIENCE):
            answer = await self.head()
            if method == "HEAD" or answer.status in (101, 204, 304) or answer.status < 200:
                return answer
            if "Content-Length" in answer.headers:
                answer.body = await self.reader.readexactly(int(answer.headers["Content-Length"]))
            elif answer.headers.get("Transfer-Encoding") == "chunked":
                answer.body = await self.chunks()
            else:
                answer.body = await self.reader.read()
            return answer

    async def chunks(self) -> bytes:
        body = b""
        while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        while await self.reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return body

    async def request(
        self, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", version: str = "1.1"
    ) -> Answer:
        lines = [f"{method} {target} HTTP/{version}", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        await self.send("\r\n".join([*lines, "", ""]).encode("utf-8") + body)
        return await self.answer(method=method)

    async def is_closed(self) -> bool:
        """Whether the server closes, now or soon."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True

    def reset(self) -> None:
        """Be gone, as a client that crashed: not merely silent."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass
