"""Content codings: broken, cut short and bombs, in any cuts; and what the encoders write."""

import random
import zlib
from collections.abc import Iterator

from levante.http import ACCEPTABLE, ContentCodingError, Decoder, body_decoder, encoder

from .cuts import ways
from .target import Finding, Target, expect, expect_equal

MAX_SIZE = 1 << 20
STEPS = (1, 7, 100, 65536)
NAMES = (*ACCEPTABLE, "gzip, deflate")
WORDS = (
    *(
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
        b"x\x9c",
        b"(\xb5/\xfd",
        b"\0\0\xff\xff",
        b"\x03\0",
        b"\0" * 8,
        b"\xff" * 4,
        b"\x01\0\0\xff\xff",
    ),
    *(bytes((size,)) for size in (0, 1, 3, 0x0B, 0x20, 0x80, 0xFF)),
)


def decode(decoder: Decoder, pieces: list[bytes], step: int) -> bytes | None:
    """What comes out, or None where the decoder refuses it. Each step stays within its length."""
    found = bytearray()
    calls = 0
    try:
        for piece in pieces:
            data = piece
            while data or decoder.has_more:
                output = decoder.decompress(data, step)
                data = b""
                found += output
                calls += 1
                if len(output) > step:
                    raise Finding(f"{len(output)} bytes where {step} were asked for")
                if not output and not decoder.has_more:
                    break
                expect(calls < 2 * MAX_SIZE + 100_000, "the decoder does not come to an end")
        decoder.finish()
    except ContentCodingError:
        return None
    return bytes(found)


def check_coding(data: bytes) -> None:
    options, coded = (data[0] if data else 0), data[1:]
    name = NAMES[options % len(NAMES)]
    step = STEPS[options >> 6]
    whole = decode(make(name), [coded], 65536)
    for pieces in ways(coded):
        expect_equal(decode(make(name), pieces, 65536), whole, f"{name} cut as {[len(piece) for piece in pieces][:40]}")
    if whole is None or len(whole) < 20_000:
        expect_equal(decode(make(name), [coded], step), whole, f"{name} in steps of {step}")
    check_bounds(name, coded)


def make(name: str) -> Decoder:
    decoder = body_decoder(name, max_size=MAX_SIZE)
    if decoder is None:
        raise Finding(f"no decoder for {name!r}")
    return decoder


def check_bounds(name: str, coded: bytes) -> None:
    """What a limit lets through is within it."""
    decoder = body_decoder(name, max_size=1000, max_ratio=10)
    if decoder is not None:
        found = decode(decoder, [coded], 300)
        expect(found is None or len(found) <= 1000, "more than max_size came through")


def check_encoded(data: bytes) -> None:
    """What an encoder writes, with or without a sync in the middle, is read back."""
    options, text = (data[0] if data else 0), data[1:]
    name = ACCEPTABLE[options % len(ACCEPTABLE)]
    half = len(text) // 2
    compressor = encoder(name, level=1 + (options >> 4 & 7))
    coded = compressor.compress(text[:half])
    if options & 8:
        coded += compressor.sync()
    coded += compressor.compress(text[half:]) + compressor.finish()
    expect_equal(decode(make(name), [coded], 65536), text, f"{name} written and read")


def seeds() -> Iterator[bytes]:
    chance = random.Random(1)
    texts = (b"", b"a", b"hello " * 20, chance.randbytes(300), b"\0" * 5000)
    for index, name in enumerate(NAMES):
        for text in texts:
            coded = text
            for coding in name.split(", "):
                compressor = encoder(coding)
                coded = compressor.compress(coded) + compressor.finish()
            for coded_in_some_way in (coded, coded[:-1], coded + coded, coded + b"\0\0", coded + b"x"):
                yield bytes([index]) + coded_in_some_way
    raw = zlib.compressobj(wbits=-15)
    yield b"\1" + raw.compress(b"raw deflate") + raw.flush()


def encoded_seeds() -> Iterator[bytes]:
    for options in range(16):
        yield bytes([options]) + b"hello hello"


TARGETS = (Target("coding", check_coding, seeds, WORDS), Target("encoded", check_encoded, encoded_seeds, WORDS))
