"""How far an upload is: a payload around another one that tells after each piece how many bytes of it have been
written. It knows nothing of the connection: what is told is what the connection has taken."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from levante.http import Payload
from levante.http.payloadbase import PayloadWriter

from .request import as_payload

Progress = Callable[[int, int | None], None]
"""Told how many bytes are done, and of how many, None where that is not known."""


class ProgressPayload(Payload):
    """The payload `inner`, with `progress(done, total)` called after each piece: bytes before `compress=`. It begins
    anew, with 0, each time it is sent (a redirect, a repetition)."""

    def __init__(self, inner: Payload, progress: Progress) -> None:
        super().__init__(inner.value, inner.headers, filename=inner.filename, encoding=inner.encoding)
        self._inner = inner
        self._progress = progress

    @property
    def size(self) -> int | None:
        return self._inner.size

    @property
    def consumed(self) -> bool:
        return self._inner.consumed

    @property
    def autoclose(self) -> bool:
        return self._inner.autoclose

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._inner.decode(encoding, errors)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        total, done = self.size, 0
        self._progress(0, total)
        async with aclosing(self._inner.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk
                done += len(chunk)
                self._progress(done, total)

    async def write(self, writer: PayloadWriter) -> None:
        telling = _TellingWriter(writer, self._progress, self.size)
        await self._inner.write(telling)

    async def write_with_length(self, writer: PayloadWriter, content_length: int | None) -> None:
        size = self.size
        total = content_length if size is None or content_length is None else min(size, content_length)
        await self._inner.write_with_length(_TellingWriter(writer, self._progress, total), content_length)

    async def as_bytes(self) -> bytes:
        return await self._inner.as_bytes()

    async def close(self) -> None:
        await self._inner.close()


class _TellingWriter:
    def __init__(self, writer: PayloadWriter, progress: Progress, total: int | None) -> None:
        self._writer = writer
        self._progress = progress
        self._total = total
        self._done = 0
        progress(0, total)

    async def write(self, data: bytes, /) -> None:
        await self._writer.write(data)
        self._done += len(data)
        self._progress(self._done, self._total)


def with_progress(body: Any, progress: Progress) -> ProgressPayload:  # Any: whatever a payload can be made of
    """`body` (anything that `data=` takes) as a payload that tells its progress: `data=with_progress(file, show)`.

    `progress(done, total)` is called in the event loop, after each piece that the connection has taken, and once with
    0 before: bytes, `total` None where the size is not known. What it raises fails the request.
    """
    return ProgressPayload(as_payload(body), progress)
