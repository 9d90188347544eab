"""Content codings (RFC 9110 8.4.1): which of gzip, deflate, br and zstd are here (the last two with their
libraries), decoders for a whole Content-Encoding, and encoders. How decoding is bounded is told in decoders.py."""

import asyncio
import sys
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from . import zlibbackend
from .decoders import (
    GZIP_BITS,
    ZSTD_MODULE,
    BrotliDecoder,
    ChainDecoder,
    Decoder,
    DeflateDecoder,
    GzipDecoder,
    ZstdDecoder,
)
from .errors import ContentCodingError
from .limits import ENCODER_WINDOW_LOG, EXECUTOR_THRESHOLD, MAX_CODINGS
from .mediatypes import split_codings


def _find_available() -> tuple[str, ...]:
    found = ["gzip", "deflate"]
    if find_spec("brotli") is not None:
        found.append("br")
    if sys.version_info >= (3, 14) or (find_spec("backports") is not None and find_spec("backports.zstd") is not None):
        found.append("zstd")
    return tuple(found)


ACCEPTABLE: Final = _find_available()
"""The codings that can be decoded here, in the order a client announces them."""

ACCEPT_ENCODING: Final = ", ".join(ACCEPTABLE)
"""The Accept-Encoding value for ACCEPTABLE."""

_DECODERS: Final[dict[str, type[Decoder]]] = {
    "gzip": GzipDecoder,
    "deflate": DeflateDecoder,
    "br": BrotliDecoder,
    "zstd": ZstdDecoder,
}


def decoder(name: str, *, max_size: int | None = None, max_ratio: int | None = None) -> Decoder:
    """A decoder of one coding (`gzip`, `deflate`, `br`, `zstd`).

    `max_size` caps the decoded bytes in all, `max_ratio` their relation to the coded ones (MAX_CODING_RATIO suits
    request bodies). Raises ContentCodingError (415) for a coding that is unknown, or whose library is not installed.
    """
    if name not in ACCEPTABLE:
        raise ContentCodingError(f"cannot decode {name[:100]!r}; expected one of {ACCEPT_ENCODING}", status=415)
    return _DECODERS[name](max_size=max_size, max_ratio=max_ratio)


def body_decoder(content_encoding: str, *, max_size: int | None = None, max_ratio: int | None = None) -> Decoder | None:
    """A decoder for the value of a Content-Encoding header, or None where it names nothing to decode.

    Raises ContentCodingError for an unknown coding (415), or more than MAX_CODINGS of them (400).
    """
    names = split_codings(content_encoding)
    if len(names) > MAX_CODINGS:
        raise ContentCodingError(f"the body has {len(names)} codings over each other; at most {MAX_CODINGS} are undone")
    return _chain(names, max_size, max_ratio) if names else None


def _chain(names: Sequence[str], max_size: int | None, max_ratio: int | None) -> Decoder:
    """Codings are listed as they were applied, so the last is the outermost."""
    if len(names) == 1:
        return decoder(names[0], max_size=max_size, max_ratio=max_ratio)
    return ChainDecoder(decoder(names[-1]), _chain(names[:-1], None, None), max_size=max_size, max_ratio=max_ratio)


class Encoder:
    """One incremental encoder: compress() takes data, sync() brings out all that was taken so far, finish() ends
    the stream."""

    def __init__(
        self, compress: Callable[[bytes], bytes], sync: Callable[[], bytes], finish: Callable[[], bytes]
    ) -> None:
        self.compress = compress
        self.sync = sync
        self.finish = finish


def encoder(name: str, *, level: int | None = None, strategy: int | None = None) -> Encoder:
    """An encoder of one coding (`gzip`, `deflate`, `br`, `zstd`); `level` is the library's own scale, `strategy`
    zlib's.

    Raises ValueError for a coding that is unknown, or whose library is not installed.
    """
    if name not in ACCEPTABLE:
        raise ValueError(f"cannot encode {name!r}; expected one of {ACCEPT_ENCODING}")
    if name == "br":
        compressor = import_module("brotli").Compressor(quality=4 if level is None else level, lgwin=ENCODER_WINDOW_LOG)
        return Encoder(compressor.process, compressor.flush, compressor.finish)
    if name == "zstd":
        zstd = import_module(ZSTD_MODULE)
        window = {zstd.CompressionParameter.window_log: ENCODER_WINDOW_LOG}
        level_of_zstd = {} if level is None else {zstd.CompressionParameter.compression_level: level}
        compressor = zstd.ZstdCompressor(options=window | level_of_zstd)
        return Encoder(
            compressor.compress,
            lambda: compressor.flush(compressor.FLUSH_BLOCK),
            lambda: compressor.flush(compressor.FLUSH_FRAME),
        )
    compressor = zlibbackend.current.compressobj(
        level=zlibbackend.current.Z_DEFAULT_COMPRESSION if level is None else level,
        wbits=GZIP_BITS if name == "gzip" else zlib.MAX_WBITS,
        strategy=zlibbackend.current.Z_DEFAULT_STRATEGY if strategy is None else strategy,
    )
    return Encoder(compressor.compress, lambda: compressor.flush(zlibbackend.current.Z_SYNC_FLUSH), compressor.flush)


async def run_sized(
    work: Callable[[bytes], bytes],
    data: bytes,
    *,
    threshold: int = EXECUTOR_THRESHOLD,
    executor: Executor | None = None,
) -> bytes:
    """`work(data)`: at once where the data is at most `threshold` bytes, else in a thread, so that the event loop
    goes on meanwhile."""
    if len(data) <= threshold:
        return work(data)
    return await asyncio.get_running_loop().run_in_executor(executor, work, data)
