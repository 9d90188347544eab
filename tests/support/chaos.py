"""A TCP proxy on loopback that does to connections what networks do: cuts them after a given byte, by an end or a
reset, closes one half, passes everything on in drips, or late.
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

Way = Literal["request", "answer"]
How = Literal["close", "reset", "half"]


@dataclass(frozen=True)
class Cut:
    """What happens behind the first `after` bytes that went one way.

    `close` ends both connections, `reset` destroys them, `half` ends this way only and lets the other one go on.
    """

    way: Way
    after: int
    how: How


class ChaosProxy:
    """Forwards connections to `port`, each with the same faults; `piece` is how many bytes go on at once, and `delay`,
    which may change at any time, how many seconds everything that is answered is kept back.

    As an asynchronous context manager it listens on `self.port` until its end.
    """

    def __init__(self, port: int, *, cut: Cut | None = None, piece: int = 65_536, delay: float = 0) -> None:
        self.port = 0
        self.passed = {"request": 0, "answer": 0}
        """Bytes that went through, of all connections together."""
        self._target = port
        self._cut = cut
        self._piece = piece
        self.delay = delay
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "ChaosProxy":
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("asyncio.start_server() runs its callback in a task")
        self._tasks.add(task)
        try:
            onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                await asyncio.gather(
                    self._pump("request", reader, onward_writer, writer),
                    self._pump("answer", onward_reader, writer, onward_writer),
                )
            finally:
                onward_writer.transport.abort()
        except OSError:
            pass  # one side is gone, so the other one has to go
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _pump(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        """Pass on what comes from `reader` to `writer`; `back` is the way to whoever sends it."""
        left = self._cut.after if self._cut is not None and self._cut.way == way else None
        while data := await reader.read(self._piece if left is None else max(1, min(self._piece, left))):
            if left == 0:
                break
            if way == "answer" and self.delay:
                await asyncio.sleep(self.delay)
            writer.write(data)
            await writer.drain()
            self.passed[way] += len(data)
            if left is not None:
                left -= len(data)
                if left == 0:
                    break
        if left == 0 and self._cut is not None and self._cut.how != "half":
            self._end(writer, back)
            raise ConnectionResetError("cut")
        with contextlib.suppress(OSError):
            writer.write_eof()
        while await reader.read(65_536):
            pass  # what a half that is closed still gets

    def _end(self, *writers: asyncio.StreamWriter) -> None:
        for writer in writers:
            if self._cut is not None and self._cut.how == "reset":
                endpoint = writer.get_extra_info("socket")
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()
