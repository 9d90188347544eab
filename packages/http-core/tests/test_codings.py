"""Content codings: round trips at any cut, bounds, bombs, and streams that end early."""

import asyncio
import gzip
import random
import threading
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http import ContentCodingError, codings
from levante.http.codings import ACCEPTABLE, body_decoder, decoder, encoder
from levante.http.decoders import Decoder

BOMB = b"\0" * (16 * 1024 * 1024)


def encode(name: str, data: bytes) -> bytes:
    if name == "raw":
        compressor = zlib.compressobj(wbits=-15)
        return compressor.compress(data) + compressor.flush()
    made = encoder(name)
    return made.compress(data) + made.finish()


def decode(made: Decoder, data: bytes, *, step: int | None = None, max_length: int = 1000) -> bytes:
    """Everything that the decoder makes of the data fed in pieces; no piece of output may be over the bound."""
    output = []
    step = step or max(1, len(data))
    for start in range(0, len(data), step):
        piece = made.decompress(data[start : start + step], max_length)
        while piece or made.has_more:
            assert len(piece) <= max_length
            output.append(piece)
            piece = made.decompress(b"", max_length)
    made.finish()
    return b"".join(output)


ALL = [*ACCEPTABLE, "raw"]


def make(name: str) -> Decoder:
    return decoder("deflate" if name == "raw" else name)


def test_all_codings_are_here() -> None:
    assert ACCEPTABLE == ("gzip", "deflate", "br", "zstd")
    assert codings.ACCEPT_ENCODING == "gzip, deflate, br, zstd"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("step", [None, 1, 7])
def test_round_trip(name: str, step: int | None) -> None:
    data = random.Random(1).randbytes(5_000) + b"hello " * 20_000
    made = make(name)
    assert decode(made, encode(name, data), step=step) == data
    assert made.total_out == len(data)


@given(st.sampled_from(ALL), st.binary(max_size=3000), st.integers(1, 50), st.integers(1, 500))
def test_round_trip_of_anything_at_any_cut(name: str, data: bytes, step: int, max_length: int) -> None:
    assert decode(make(name), encode(name, data), step=step, max_length=max_length) == data


@given(st.sampled_from(ACCEPTABLE), st.binary(max_size=300), st.integers(1, 20))
def test_noise_is_an_error_or_some_output(name: str, data: bytes, step: int) -> None:
    try:
        decode(decoder(name), data, step=step)
    except ContentCodingError as error:
        assert error.status in (400, 413)


@pytest.mark.hardening("C39", "M27")
@pytest.mark.parametrize("name", ALL)
def test_a_stream_cut_short_is_an_error_at_every_byte(name: str) -> None:
    coded = encode(name, b"hello world " * 20)
    for end in range(1, len(coded)):
        with pytest.raises(ContentCodingError) as caught:
            decode(make(name), coded[:end])
        assert caught.value.status == 400


@pytest.mark.parametrize("name", ALL)
def test_an_empty_body_is_no_truncated_one(name: str) -> None:
    assert decode(make(name), b"") == b""


@pytest.mark.hardening("C38")
@pytest.mark.parametrize("name", ACCEPTABLE)
def test_plain_text_is_an_error(name: str) -> None:
    with pytest.raises(ContentCodingError):
        decode(decoder(name), b"this is not coded at all, is it")


@pytest.mark.parity("V17", "V43")
@pytest.mark.hardening("M27", "C50")
@pytest.mark.parametrize("name", ACCEPTABLE)
def test_a_bomb_costs_one_chunk_of_memory(name: str) -> None:
    coded = encode(name, BOMB)
    made = decoder(name)
    tracemalloc.start()
    made.decompress(coded)
    while made.has_more:
        made.decompress(b"")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    made.finish()
    assert made.total_out == len(BOMB)
    assert peak < 1024 * 1024


@pytest.mark.parity("V17")
@pytest.mark.hardening("M27")
@pytest.mark.parametrize("name", ACCEPTABLE)
@pytest.mark.parametrize("limits", [{"max_size": 1024 * 1024}, {"max_ratio": 100}])
def test_size_and_ratio_end_with_413(name: str, limits: dict[str, int]) -> None:
    made = decoder(name, **limits)
    with pytest.raises(ContentCodingError) as caught:
        decode(made, encode(name, BOMB), max_length=65536)
    assert caught.value.status == 413
    assert made.total_out <= 2 * 1024 * 1024


def test_the_size_limit_is_exact() -> None:
    coded = encode("gzip", b"x" * 1000)
    assert len(decode(decoder("gzip", max_size=1000), coded)) == 1000
    with pytest.raises(ContentCodingError):
        decode(decoder("gzip", max_size=999), coded)


def test_small_bodies_may_be_repetitive() -> None:
    assert len(decode(decoder("gzip", max_ratio=100), encode("gzip", b"x" * 60_000), max_length=100_000)) == 60_000


@pytest.mark.hardening("M27")
@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_concatenated_members(name: str) -> None:
    member = encode(name, b"hello")
    empty = encode(name, b"")
    for step in (None, 1):
        assert decode(decoder(name), member + empty + member, step=step) == b"hellohello"
    assert decode(decoder(name), member * 1024) == b"hello" * 1024
    for many in (member * 1025, empty * 1025):
        with pytest.raises(ContentCodingError) as caught:
            decode(decoder(name), many)
        assert caught.value.status == 413


def test_gzip_padding_is_passed_over_and_garbage_is_not() -> None:
    member = gzip.compress(b"hello")
    for step in (None, 1):
        assert decode(decoder("gzip"), member + b"\0" * 100, step=step) == b"hello"
        with pytest.raises(ContentCodingError):
            decode(decoder("gzip"), member + b"garbage", step=step)


@pytest.mark.parametrize("name", ["deflate", "raw", "br", "zstd"])
def test_garbage_behind_a_stream_is_an_error(name: str) -> None:
    with pytest.raises(ContentCodingError):
        decode(make(name), encode(name, b"hello") + b"garbage")


@pytest.mark.parametrize("step", [None, 1])
def test_zstd_frame_shorter_than_it_announces(step: int | None) -> None:
    """An empty last block where 104 bytes were announced: the library minds only where it gets the frame whole."""
    with pytest.raises(ContentCodingError):
        decode(decoder("zstd"), b"(\xb5/\xfd h\x01\x00\x00", step=step)


def test_zstd_window_is_bounded() -> None:
    zstd = pytest.importorskip("backports.zstd")
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 24})
    coded = compressor.compress(b"x" * 1000) + compressor.flush()
    with pytest.raises(ContentCodingError, match="window"):
        decode(decoder("zstd"), coded)


@pytest.mark.parametrize("name", ACCEPTABLE)
def test_sync_brings_out_all_that_was_taken(name: str) -> None:
    made, back = encoder(name, level=5), decoder(name)
    coded = made.compress(b"hello") + made.sync()
    assert back.decompress(coded) == b"hello"
    assert decode(back, made.compress(b"!") + made.finish()) == b"!"


@pytest.mark.hardening("C50")
def test_codings_over_each_other() -> None:
    data = b"hello " * 10_000
    coded = encode("zstd", encode("br", encode("gzip", data)))
    for step in (None, 1):
        made = body_decoder("gzip, br, identity, zstd")
        assert made is not None
        assert decode(made, coded, step=step) == data
    made = body_decoder("gzip, br, zstd")
    assert made is not None
    with pytest.raises(ContentCodingError):
        decode(made, coded[:-1])
    with pytest.raises(ContentCodingError, match="5 codings"):
        body_decoder("gzip, gzip, gzip, gzip, gzip")


@pytest.mark.parity("V17")
@pytest.mark.hardening("C50")
def test_a_bomb_in_a_bomb_is_bounded() -> None:
    coded = encode("gzip", encode("gzip", BOMB))
    made = body_decoder("gzip, gzip", max_ratio=100)
    assert made is not None
    with pytest.raises(ContentCodingError) as caught:
        decode(made, coded, max_length=65536)
    assert caught.value.status == 413
    assert made.total_out < 1024 * 1024


def test_nothing_to_decode() -> None:
    assert body_decoder("") is None
    assert body_decoder("identity, ") is None


def test_unknown_codings() -> None:
    for name in ("compress", "x", "GZIP"):
        with pytest.raises(ContentCodingError) as caught:
            decoder(name)
        assert caught.value.status == 415
    with pytest.raises(ContentCodingError):
        body_decoder("gzip, nope")
    with pytest.raises(ValueError, match="cannot encode"):
        encoder("nope")


def test_missing_libraries_are_not_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codings, "find_spec", lambda _name: None)
    monkeypatch.setattr(codings.sys, "version_info", (3, 13))
    assert codings._find_available() == ("gzip", "deflate")


@pytest.mark.parity("S31")
async def test_large_work_leaves_the_loop() -> None:
    def work(data: bytes) -> bytes:
        return threading.current_thread().name.encode()

    here = threading.current_thread().name.encode()
    assert await codings.run_sized(work, b"x" * 4096) == here
    assert await codings.run_sized(work, b"x" * 4097) != here
    assert asyncio.get_running_loop().is_running()


def test_held_back_input_costs_linear_time() -> None:
    coded = encode("br", random.Random(1).randbytes(200_000))
    start = time.process_time()
    decode(decoder("br"), coded, max_length=512)
    assert time.process_time() - start < 5  # CPU seconds; quadratic work would take minutes
