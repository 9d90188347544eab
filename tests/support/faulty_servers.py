"""Servers that misbehave, over real sockets: the ways to, and a server that plays one of them on one port and behaves
well on another, so that a test can ask both in one session.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"


class Talk:
    """One connection, from the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        """The head of a request; ConnectionError when none comes."""
        try:
            return await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("the client has closed") from None

    async def send(self, data: bytes) -> None:
        """Write, and wait until it is on its way."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End by RST."""
        endpoint = self.writer.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_closed(self) -> None:
        """Read until the client closes."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass


Play = Callable[[Talk], Awaitable[None]]


def says(data: bytes, *, close: bool = True) -> Play:
    """Answer the first request with `data`, and close, or wait for the client to do so."""

    async def play(talk: Talk) -> None:
        await talk.head()
        await talk.send(data)
        if not close:
            await talk.until_closed()

    return play


def resets(data: bytes = b"", *, after: bytes = b"\r\n\r\n") -> Play:
    """Answer with `data` and reset the connection once the client has it."""

    async def play(talk: Talk) -> None:
        if after:
            await talk.head()
        if data:
            await talk.send(data)
            await asyncio.sleep(0.05)  # the data has to be read before the reset overtakes it
        talk.reset()

    return play


def repeats(start: bytes, piece: bytes) -> Play:
    """Answer with `start`, then `piece` without end."""

    async def play(talk: Talk) -> None:
        await talk.head()
        await talk.send(start)
        while True:
            await talk.send(piece)

    return play


def drips(data: bytes, *, behind: bytes = b"", pause: float = 0.01) -> Play:
    """Answer with what is `behind`, and `data`, a byte at a time."""

    async def play(talk: Talk) -> None:
        await talk.head()
        await talk.send(behind)
        for at in range(len(data)):
            await talk.send(data[at : at + 1])
            await asyncio.sleep(pause)

    return play


async def closes_at_once(_: Talk) -> None:
    """Close before a request has come."""


async def never_answers(talk: Talk) -> None:
    """Read, and say nothing."""
    await talk.until_closed()


async def answers_before_the_body(talk: Talk) -> None:
    """A final answer after the head of the request, and the end, its body unread."""
    await talk.head()
    await talk.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
    talk.writer.write_eof()
    await talk.until_closed()


async def answers_and_resets_before_the_body(talk: Talk) -> None:
    """As above, but with a reset: bytes of the body were unread when it closed."""
    await talk.head()
    await talk.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
    await asyncio.sleep(0.05)
    talk.reset()


async def closes_within_the_body_of_the_request(talk: Talk) -> None:
    """Hang up on an upload without an answer."""
    await talk.head()
    await talk.reader.readexactly(1000)
    talk.reset()


async def breaks_tls(talk: Talk) -> None:
    """Bytes within the TLS connection that are no TLS."""
    await talk.head()
    await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
    await asyncio.sleep(0.05)
    descriptor = talk.writer.get_extra_info("socket").fileno()
    os.write(descriptor, b"\x15\x03\x03\x00\x02\x02\x28")  # an alert (fatal, handshake_failure) that is not encrypted
    await talk.until_closed()


def closes_without_notify(data: bytes) -> Play:
    """Answer within TLS, and close the TCP connection below it without close_notify."""

    async def play(talk: Talk) -> None:
        await talk.head()
        await talk.send(data)
        await asyncio.sleep(0.05)
        twin = socket.fromfd(talk.writer.get_extra_info("socket").fileno(), socket.AF_INET, socket.SOCK_STREAM)
        with twin:
            twin.shutdown(socket.SHUT_WR)
        await talk.until_closed()

    return play


class FaultyServer:
    """Does `play` on every connection to `port`, and answers `good` on those to `good_port`. An asynchronous context
    manager, which raises at its end what `play` should not have raised.
    """

    def __init__(self, play: Play, *, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.connections = 0
        self._play = play
        self._failure: Exception | None = None
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "FaultyServer":
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, ssl=self._tls)
        self._good = await asyncio.start_server(self._behaved, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.good_port = self._good.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        self._good.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    @property
    def open_connections(self) -> int:
        """How many conversations have not ended: the client is still connected, or was not noticed to be gone."""
        return len(self._tasks)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await self._run(self._play, Talk(reader, writer))

    async def _behaved(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def play(talk: Talk) -> None:
            while True:
                await talk.head()
                await talk.send(GOOD)

        await self._run(play, Talk(reader, writer))

    async def _run(self, play: Play, talk: Talk) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("asyncio.start_server() runs its callback in a task")
        self._tasks.add(task)
        try:
            await play(talk)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has had enough, or the test; the task that asyncio watches ends in peace
        except Exception as error:
            self._failure = error
        finally:
            talk.writer.close()
            self._tasks.discard(task)
