"""A body whose content coding is undone as it is read (RFC 9110 8.4). It is pulled: no task runs beside the reader,
and nothing is decoded before somebody reads, so that a bomb which nobody reads costs nothing (CVE-2026-54278), and one
that is read costs one piece of memory at a time (CVE-2025-69223). The raw stream's own backpressure bounds what waits
in coded form. A piece that is small is decoded at once; where a lot is waiting, in a thread and in larger pieces.
"""

from collections.abc import Awaitable, Callable

from .decoders import Decoder
from .limits import DECODED_CHUNK, DECODED_STEP, INLINE_DECODING
from .orderedwork import OrderedWork
from .streams import StreamReader

PieceSeen = Callable[[bytes], Awaitable[None]]
Translate = Callable[[BaseException], BaseException]


class DecodedStream(StreamReader):
    """What `decoder` makes of the body `raw`; reads it as any StreamReader.

    `limit` bounds a line as in StreamReader. `total_bytes` counts decoded bytes, `total_compressed_bytes` coded ones.
    Reads raise ContentCodingError for a body that is broken or cut short (400) or larger than the decoder allows
    (413), and what `raw` raises; `translate` may turn either into another error. `seen` is shown every piece; without
    a `decoder` that is all that happens. The questions whether a body has arrived (`is_eof`, `wait_eof`, `on_eof`)
    are about `raw`: a body that is here need not be decoded yet.
    """

    __slots__ = ("_chunk_end_due", "_decoder", "_much_is_left", "_pulling", "_raw", "_seen", "_translate", "_work")

    def __init__(
        self,
        raw: StreamReader,
        decoder: Decoder | None,
        *,
        limit: int,
        translate: Translate | None = None,
        seen: PieceSeen | None = None,
    ) -> None:
        super().__init__(None, limit)
        self._raw = raw
        self._decoder = decoder
        self._translate = translate
        self._seen = seen
        self._work = OrderedWork()
        self._pulling = False
        self._chunk_end_due = False
        self._much_is_left = False  # the last piece was as large as it may be
        if decoder is not None:
            self.total_compressed_bytes = 0

    def is_eof(self) -> bool:
        return self._raw.is_eof()

    async def wait_eof(self) -> None:
        await self._raw.wait_eof()

    def on_eof(self, callback: Callable[[], None]) -> None:
        self._raw.on_eof(callback)

    def set_exception(self, exc: BaseException, cause: BaseException | None = None) -> None:
        super().set_exception(exc, cause)
        if self._pulling:
            self._raw.set_exception(exc)  # wakes the reader

    def read_nowait(self, n: int = -1) -> bytes:
        """As in StreamReader, of what is decoded; where that is nothing, what is here already is decoded, a piece of
        it.
        """
        self._check("read_nowait")
        if not self._size and not self._eof:
            self._pull_at_once()
        return super().read_nowait(n)

    def rest(self) -> bytes | None:
        """None: decoding may take a thread."""
        self._check("rest")
        return None

    # Beneath.

    def _check(self, name: str) -> None:
        super()._check(name)
        if self._pulling:
            raise RuntimeError(f"{name}() while another coroutine waits for data; only one may read")

    async def _wait(self, name: str) -> None:
        self._check(name)
        self._pulling = True
        try:
            await self._pull(by_chunk=name == "readchunk")
        except Exception as error:  # noqa: BLE001 - it is handed to whoever reads
            self._pulling = False
            self._fail(error)
        finally:
            self._pulling = False
        if self._exception is not None:
            raise self._exception

    async def _pull(self, *, by_chunk: bool) -> None:
        decoder = self._decoder
        if self._work.has_left:  # by a reader that was cancelled
            piece = await self._work.settle()
        elif decoder is not None and decoder.has_more:
            piece = await self._decode(decoder, b"", in_thread=self._much_is_left)
        else:
            if by_chunk:
                data, self._chunk_end_due = await self._raw.readchunk()
            else:
                data = await self._raw.read(DECODED_CHUNK)
            piece = data
            if decoder is not None:
                piece = await self._decode(decoder, data, in_thread=len(data) > INLINE_DECODING)
        self._take_in(piece)
        if piece and self._seen is not None:
            await self._seen(piece)

    def _pull_at_once(self) -> None:
        if self._work.is_running or self._seen is not None:
            return
        try:
            decoder = self._decoder
            if self._work.has_left:
                self._take_in(self._work.take())
                return
            data = b"" if decoder is not None and decoder.has_more else self._raw.read_nowait(DECODED_CHUNK)
            self._take_in(data if decoder is None else decoder.decompress(data))
        except Exception as error:  # noqa: BLE001 - it is handed to whoever reads
            self._fail(error)

    async def _decode(self, decoder: Decoder, data: bytes, *, in_thread: bool) -> bytes:
        step = DECODED_STEP if in_thread else DECODED_CHUNK
        return await self._work.run(lambda coded: decoder.decompress(coded, step), data, in_thread=in_thread)

    def _take_in(self, piece: bytes) -> None:
        decoder = self._decoder
        self.feed_data(piece)
        self._much_is_left = len(piece) >= DECODED_CHUNK
        if decoder is not None:
            self.total_compressed_bytes = decoder.total_in
            if decoder.has_more:
                return
        if self._chunk_end_due:
            self._chunk_end_due = False
            self.feed_data(b"", (0,))
        if self._raw.at_eof() and not self._eof:
            if decoder is not None:
                decoder.finish()
            self.feed_eof(self._raw.trailers)

    def _fail(self, error: BaseException) -> None:
        if self._exception is None:
            self.set_exception(error if self._translate is None else self._translate(error))
