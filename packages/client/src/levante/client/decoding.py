"""The body of a response between the wire and its reader, where something happens to it on the way: content codings
are undone (RFC 9110 section 8.4), and chunks are shown to a trace. A pump task reads the raw stream and feeds a
second one; it stops while that one is full, so a compressed bomb expands one buffer at a time and no further than
somebody reads (CVE-2025-69223). What has arrived already is decoded at once; a small body that came with its head
needs no task. A coded body that ends early is an error, not a short success."""

import asyncio
from collections.abc import Awaitable, Callable

from levante.http import ACCEPTABLE, ContentCodingError, Decoder, StreamReader, body_decoder, split_codings

from .errors import ClientPayloadError
from .translation import body_error

ChunkSeen = Callable[[bytes], Awaitable[None]]


def response_decoder(field: bytes | None) -> Decoder | None:
    """What undoes the Content-Encoding `field`; None where there is nothing to undo, or a coding that nobody here
    knows: such a body is handed out as it came. ClientPayloadError for more nested codings than `levante.http`
    undoes (hardening C50)."""
    if not field:
        return None
    text = field.decode("latin-1")
    if not all(name in ACCEPTABLE for name in split_codings(text)):
        return None
    try:
        return body_decoder(text)
    except ContentCodingError as exc:
        raise ClientPayloadError(f"the response body is not usable: {exc.message}") from exc


class Pump:
    """Moves `raw` through `decoder` into `self.content`; every piece is shown to `seen`. `limit`: as for
    StreamReader."""

    def __init__(
        self, raw: StreamReader, decoder: Decoder | None, *, limit: int, seen: ChunkSeen | None = None
    ) -> None:
        self._raw = raw
        self._decoder = decoder
        self._seen = seen
        self._room = asyncio.Event()
        self._room.set()
        self._task: asyncio.Task[None] | None = None
        self.content = StreamReader(self, limit)
        if not self._try_at_once():
            self._task = asyncio.ensure_future(self._run())

    def pause_reading(self) -> None:
        """Called by `content` when it is full."""
        self._room.clear()

    def resume_reading(self) -> None:
        """Called by `content` when it has room."""
        self._room.set()

    def stop(self, error: Exception) -> None:
        """Give up; readers get `error`."""
        if self._task is not None:
            self._task.cancel()
        if not self.content.is_eof():
            self.content.set_exception(error)

    def _try_at_once(self) -> bool:
        """Decode what is here without waiting; True when that was all of it."""
        if self._seen is not None or self._decoder is None or not self._raw.is_eof():
            return False
        try:
            data = self._raw.read_nowait()
            while piece := self._decoder.decompress(data):
                data = b""
                self.content.feed_data(piece)
                if not self._room.is_set():
                    return False
            self._finish()
        except Exception as exc:  # noqa: BLE001 - it is handed to whoever reads
            self.content.set_exception(body_error(exc))
        return True

    async def _run(self) -> None:
        try:
            data = b""
            while True:
                await self._pass_on(data)
                data = await self._raw.readany()
                if not data:
                    break
            self._finish()
        except Exception as exc:  # noqa: BLE001 - it is handed to whoever reads
            self.content.set_exception(body_error(exc))

    async def _pass_on(self, data: bytes) -> None:
        while piece := data if self._decoder is None else self._decoder.decompress(data):
            data = b""
            await self._room.wait()
            if self._seen is not None:
                await self._seen(piece)
            self.content.feed_data(piece)

    def _finish(self) -> None:
        if self._decoder is not None:
            self._decoder.finish()
            self.content.total_compressed_bytes = self._raw.total_bytes
        self.content.feed_eof(self._raw.trailers)
