"""A body that is put into a content coding as it is written (RFC 9110 8.4): incremental, large pieces in a thread, in
the order in which they were written, whoever is cancelled meanwhile. A coder holds data back to compress it better;
`flush` brings it out, which a stream of events needs after each of them.
"""

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

from .codings import Encoder
from .limits import EXECUTOR_THRESHOLD
from .orderedwork import OrderedWork


class EncodedWriter:
    """Hands what `encoder` makes of the written bytes to `write`, never an empty piece.

    Pieces above `threshold` bytes are encoded in `executor` (None: the loop's). `flushes`: every piece is brought out
    at once, at the cost of some compression.
    """

    __slots__ = ("_encoder", "_flushes", "_holds", "_threshold", "_work", "_write")

    def __init__(
        self,
        write: Callable[[bytes], Awaitable[None]],
        encoder: Encoder,
        *,
        threshold: int = EXECUTOR_THRESHOLD,
        executor: Executor | None = None,
        flushes: bool = False,
    ) -> None:
        self._write = write
        self._encoder = encoder
        self._threshold = threshold
        self._flushes = flushes
        self._holds = False  # something may be held back
        self._work = OrderedWork(executor)

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encode a piece. Raises what the writing of the coded bytes raises."""
        plain = data if type(data) is bytes else bytes(data)  # a thread must not see it change
        if not plain:
            return
        self._holds = not self._flushes
        await self._run(self._encode, plain)

    async def flush(self) -> None:
        """Bring out what was written and is held back."""
        if self._holds:
            self._holds = False
            await self._run(lambda _: self._encoder.sync(), b"")

    async def finish(self) -> None:
        """Bring out the rest and the end of the coded stream."""
        self._holds = False
        await self._run(lambda _: self._encoder.finish(), b"")

    async def _run(self, work: Callable[[bytes], bytes], data: bytes) -> None:
        coded = await self._work.run(work, data, in_thread=len(data) > self._threshold)
        if coded:
            await self._write(coded)

    def _encode(self, data: bytes) -> bytes:
        coded = self._encoder.compress(data)
        return coded + self._encoder.sync() if self._flushes else coded
