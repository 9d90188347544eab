"""Decoders of the content codings, each pulled: `decompress` returns at most `max_length` bytes and keeps the rest
of its input, so that a bomb costs its reader one chunk of memory at a time whatever it inflates to. The base class
counts, and caps the total and the ratio of output to input; a stream that ends early is an error, since it is lost
data."""

import sys
import zlib
from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any, Final

from . import zlibbackend
from .errors import ContentCodingError
from .limits import CODING_RATIO_FLOOR, DECODED_CHUNK, MAX_CODED_MEMBERS, MAX_ZSTD_WINDOW_LOG

ZSTD_MODULE: Final = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
GZIP_BITS: Final = 16 + zlib.MAX_WBITS

_RAW_BITS: Final = -zlib.MAX_WBITS

# Bytes of the longest header that a zstd frame can have (RFC 8878 3.1.1).
_ZSTD_HEADER: Final = 18


class Decoder(ABC):
    """One incremental decoder. Feed it by decompress(); ask again with no data while `has_more` is true; end with
    finish()."""

    def __init__(self, *, max_size: int | None = None, max_ratio: int | None = None) -> None:
        self._max_size = max_size
        self._max_ratio = max_ratio
        self.total_in = 0
        self.total_out = 0

    def decompress(self, data: bytes, max_length: int = DECODED_CHUNK) -> bytes:
        """At most `max_length` (> 0) decoded bytes; b"" means that more input is needed.

        Raises ContentCodingError for a broken stream (400) and beyond `max_size` or `max_ratio` (413).
        """
        self.total_in += len(data)
        output = self._decompress(data, max_length)
        self.total_out += len(output)
        if self._max_size is not None and self.total_out > self._max_size:
            raise ContentCodingError(f"the body is larger than {self._max_size} bytes once decoded", status=413)
        if (
            self._max_ratio is not None
            and self.total_out > CODING_RATIO_FLOOR
            and self.total_out > self._max_ratio * self.total_in
        ):
            raise ContentCodingError(f"the body inflates more than {self._max_ratio} times", status=413)
        return output

    def finish(self) -> None:
        """Say that the input is over. Raises ContentCodingError (400) where the stream is not; an entirely empty
        body is none."""
        if self.total_in and not self._is_complete():
            raise ContentCodingError("the coded body ends before its stream does; some of it is lost")

    @property
    @abstractmethod
    def has_more(self) -> bool:
        """Whether input is held back that may give output without more of it."""

    @abstractmethod
    def _decompress(self, data: bytes, max_length: int) -> bytes: ...

    @abstractmethod
    def _is_complete(self) -> bool: ...


class _MemberDecoder(Decoder):
    """What gzip and zstd share: a body may be several members in a row, each decoded by an object of its own."""

    _finished = True  # no member is open

    def __init__(self, *, max_size: int | None = None, max_ratio: int | None = None) -> None:
        super().__init__(max_size=max_size, max_ratio=max_ratio)
        self._held = b""
        self._members = 0
        self._object: Any = None

    @property
    def has_more(self) -> bool:
        return bool(self._held) or (not self._finished and self._object_has_more())

    def _decompress(self, data: bytes, max_length: int) -> bytes:
        held = self._held + data if self._held else data
        self._held = b""
        while True:
            if self._finished:
                held = self._between(held)
                if not held:
                    return b""
                self._open()
            output, held = self._step(held, max_length)
            if output or not self._finished:
                self._held = held
                return output

    def _is_complete(self) -> bool:
        return self._finished and not self._held

    def _open(self) -> None:
        self._members += 1
        if self._members > MAX_CODED_MEMBERS:
            raise ContentCodingError(f"the coded body has more than {MAX_CODED_MEMBERS} members", status=413)
        self._object = self._make()
        self._finished = False

    @abstractmethod
    def _between(self, data: bytes) -> bytes:
        """What is left of the input before a member begins; raises where it cannot be one."""

    @abstractmethod
    def _make(self) -> Any: ...

    @abstractmethod
    def _step(self, data: bytes, max_length: int) -> tuple[bytes, bytes]:
        """Output and unused input of the open member; sets _finished at its end."""

    @abstractmethod
    def _object_has_more(self) -> bool: ...


class GzipDecoder(_MemberDecoder):
    """gzip (RFC 1952): one or more members, zero bytes tolerated behind them."""

    _was_full = False  # zlib may have more output inside although it has taken all of its input

    def _between(self, data: bytes) -> bytes:
        if self._members == 0:
            return data
        data = data.lstrip(b"\0")
        if data and data[0] != 0x1F:
            raise ContentCodingError("the gzip body is followed by something that is no gzip member")
        return data

    def _make(self) -> Any:
        return zlibbackend.current.decompressobj(wbits=GZIP_BITS)

    def _step(self, data: bytes, max_length: int) -> tuple[bytes, bytes]:
        output = _inflate(self._object, data, max_length, "gzip")
        self._was_full = len(output) == max_length
        if self._object.eof:
            self._finished = True
            return output, self._object.unused_data
        return output, self._object.unconsumed_tail

    def _object_has_more(self) -> bool:
        return self._was_full


class DeflateDecoder(Decoder):
    """deflate: the zlib format (RFC 1950) as RFC 9110 says, or the bare one (RFC 1951) that some servers send; the
    first bytes tell."""

    def __init__(self, *, max_size: int | None = None, max_ratio: int | None = None) -> None:
        super().__init__(max_size=max_size, max_ratio=max_ratio)
        self._held = b""
        self._object: Any = None
        self._was_full = False

    @property
    def has_more(self) -> bool:
        return self._object is not None and not self._object.eof and (self._was_full or bool(self._held))

    def _decompress(self, data: bytes, max_length: int) -> bytes:
        held = self._held + data if self._held else data
        if self._object is None:
            if len(held) < 2:
                self._held = held
                return b""
            has_header = held[0] & 0x0F == 8 and (held[0] << 8 | held[1]) % 31 == 0
            self._object = zlibbackend.current.decompressobj(wbits=zlib.MAX_WBITS if has_header else _RAW_BITS)
        output = _inflate(self._object, held, max_length, "deflate")
        self._held = self._object.unconsumed_tail
        self._was_full = len(output) == max_length
        if self._object.unused_data:
            raise ContentCodingError("the deflate body is followed by something else")
        return output

    def _is_complete(self) -> bool:
        return self._object is not None and bool(self._object.eof)


class BrotliDecoder(Decoder):
    """br (RFC 7932). The library fills whole blocks of 32 KiB and more, so what exceeds `max_length` waits here."""

    def __init__(self, *, max_size: int | None = None, max_ratio: int | None = None) -> None:
        super().__init__(max_size=max_size, max_ratio=max_ratio)
        brotli = import_module("brotli")
        self._error: type[Exception] = brotli.error
        self._object = brotli.Decompressor()
        self._input = b""
        self._ready = b""
        self._may_have_more = False

    @property
    def has_more(self) -> bool:
        return self._may_have_more or bool(self._ready)

    def _decompress(self, data: bytes, max_length: int) -> bytes:
        self._input = self._input + data if self._input else data
        if not self._ready and (self._input or self._may_have_more):
            self._ready = self._process(max_length)
        output, self._ready = self._ready[:max_length], self._ready[max_length:]
        return output

    def _process(self, max_length: int) -> bytes:
        """The library takes new input only when it has none left, and has given all of its output only when it
        gives none."""
        try:
            output: bytes = b""
            if self._may_have_more:
                output = self._object.process(b"", output_buffer_limit=max_length)
            if not output and self._input:
                output = self._object.process(self._input, output_buffer_limit=max_length)
                self._input = b""
        except self._error as error:
            raise ContentCodingError("the br body is broken") from error
        self._may_have_more = bool(output or self._input) and not (self._object.is_finished() and not self._input)
        return output

    def _is_complete(self) -> bool:
        return bool(self._object.is_finished()) and not self.has_more


class ZstdDecoder(_MemberDecoder):
    """zstd (RFC 8878): one or more frames, with a window of at most 8 MiB (RFC 9659).

    A frame may announce the size of its content. The library holds it to that only where it gets the frame whole, so it
    is done here.
    """

    def __init__(self, *, max_size: int | None = None, max_ratio: int | None = None) -> None:
        super().__init__(max_size=max_size, max_ratio=max_ratio)
        self._zstd = import_module(ZSTD_MODULE)

    def _between(self, data: bytes) -> bytes:
        return data

    def _make(self) -> Any:
        self._header = b""
        self._content_size = 0
        options = {self._zstd.DecompressionParameter.window_log_max: MAX_ZSTD_WINDOW_LOG}
        return self._zstd.ZstdDecompressor(options=options)

    def _step(self, data: bytes, max_length: int) -> tuple[bytes, bytes]:
        if len(self._header) < _ZSTD_HEADER:
            self._header += data[: _ZSTD_HEADER - len(self._header)]
        try:
            output: bytes = self._object.decompress(data, max_length)
        except self._zstd.ZstdError as error:
            raise ContentCodingError("the zstd body is broken, or its window is larger than 8 MiB") from error
        self._content_size += len(output)
        if self._object.eof:
            self._finished = True
            self._check_content_size()
            return output, self._object.unused_data
        return output, b""

    def _check_content_size(self) -> None:
        announced = self._zstd.get_frame_info(self._header).decompressed_size
        if announced not in (None, self._content_size):
            raise ContentCodingError(f"a zstd frame of {self._content_size} bytes announces {announced}")

    def _object_has_more(self) -> bool:
        return not self._object.needs_input


class ChainDecoder(Decoder):
    """Several codings over each other. Each takes from the one outside it only what it can use, so the whole stays
    bounded."""

    def __init__(
        self, outer: Decoder, inner: Decoder, *, max_size: int | None = None, max_ratio: int | None = None
    ) -> None:
        super().__init__(max_size=max_size, max_ratio=max_ratio)
        self._outer = outer
        self._inner = inner

    @property
    def has_more(self) -> bool:
        return self._inner.has_more or self._outer.has_more

    def _decompress(self, data: bytes, max_length: int) -> bytes:
        between = self._outer.decompress(data) if data else b""
        while True:
            output = self._inner.decompress(between, max_length)
            if output or not (between or self._inner.has_more or self._outer.has_more):
                return output
            between = b"" if self._inner.has_more else self._outer.decompress(b"")

    def _is_complete(self) -> bool:
        self._outer.finish()
        self._inner.finish()
        return True


def _inflate(inflater: Any, data: bytes, max_length: int, name: str) -> bytes:
    try:
        output: bytes = inflater.decompress(data, max_length)
    except (zlibbackend.current.error, zlib.error) as error:
        raise ContentCodingError(f"the {name} body is broken") from error
    return output
