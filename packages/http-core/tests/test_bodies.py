"""The framing of bodies, on the decoders alone."""

import pytest
from http_support.engine import bytewise, random_cuts

from levante.http import LimitExceeded, Limits, RemoteProtocolError
from levante.http.bodies import BodyDecoder, ChunkedDecoder, CloseDecoder, LengthDecoder


def decode(decoder: BodyDecoder, pieces: list[bytes]) -> tuple[bytes, list[int], bytes]:
    """All data, the ends of chunks in it, and what was left of the input."""
    data = b""
    ends: list[int] = []
    for number, piece in enumerate(pieces):
        position = 0
        while position < len(piece) and not decoder.done:
            position = decoder.feed(piece, position, len(piece))
            ends += [len(data) + end for end in decoder.chunk_ends or ()]
            data += decoder.data
        if decoder.done:
            return data, ends, piece[position:] + b"".join(pieces[number + 1 :])
    return data, ends, b""


class TestLength:
    def test_exact(self) -> None:
        for pieces in ([b"helloREST"], bytewise(b"helloREST")):
            assert decode(LengthDecoder(5), pieces) == (b"hello", [], b"REST")

    def test_empty(self) -> None:
        assert LengthDecoder(0).done

    def test_remaining(self) -> None:
        decoder = LengthDecoder(5)
        assert decoder.feed(b"xxhex", 2, 4) == 4
        assert (decoder.data, decoder.remaining, decoder.done) == (b"he", 3, False)


def test_close_takes_all() -> None:
    assert decode(CloseDecoder(), [b"ab", b"c"])[0] == b"abc"


def test_a_framing_must_be_one() -> None:
    with pytest.raises(NotImplementedError):
        BodyDecoder().feed(b"", 0, 0)


class TestChunked:
    WIRE = b"5;x=y\r\nhello\r\n1\r\n \r\n000A\r\nwonderful!\r\n0\r\nX: y\r\n\r\nREST"

    def test_however_it_is_cut(self) -> None:
        expected = (b"hello wonderful!", [5, 6, 16], b"REST")
        assert decode(ChunkedDecoder(Limits()), [self.WIRE]) == expected
        assert decode(ChunkedDecoder(Limits()), bytewise(self.WIRE)) == expected
        for seed in range(50):
            assert decode(ChunkedDecoder(Limits()), random_cuts(self.WIRE, seed)) == expected

    def test_one_chunk_is_not_copied_into_a_buffer(self) -> None:
        decoder = ChunkedDecoder(Limits())
        decoder.feed(b"3\r\nabc\r\n", 0, 8)
        assert decoder.data == b"abc"
        assert decoder.chunk_ends == [3]

    def test_a_piece_without_data(self) -> None:
        decoder = ChunkedDecoder(Limits())
        decoder.feed(b"3\r", 0, 2)
        assert (decoder.data, decoder.chunk_ends) == (b"", None)

    @pytest.mark.parametrize(
        ("limits", "wire"),
        [
            (Limits(max_trailers=1), b"0\r\na: b\r\nc: d\r\n\r\n"),
            (Limits(max_trailer_size=10), b"0\r\nabc: defghijklmnop\r\n\r\n"),
            (Limits(max_trailer_size=10), b"0\r\na: b\r\nc: d\r\ne: f\r\n\r\n"),
            (Limits(max_chunk_extensions=3), b"1;abcd\r\nx\r\n0\r\n\r\n"),
            (Limits(max_chunk_extensions=3), b"1;ab\r\nx\r\n1;cd\r\nx\r\n0\r\n\r\n"),
        ],
    )
    def test_limits(self, limits: Limits, wire: bytes) -> None:
        for pieces in ([wire], bytewise(wire)):
            with pytest.raises(LimitExceeded):
                decode(ChunkedDecoder(limits), pieces)

    def test_within_limits(self) -> None:
        limits = Limits(max_trailer_size=9, max_chunk_extensions=3)
        decoder = ChunkedDecoder(limits)
        decode(decoder, bytewise(b"1;ab\r\nx\r\n1;c\r\ny\r\n0\r\nabc: d\r\n\r\n"))
        assert decoder.done
        assert decoder.trailers["abc"] == "d"

    @pytest.mark.parity("V16")
    @pytest.mark.parametrize(
        "wire", [b"0\r\nX: y\n\r\n", b"0\r\nX: y\r\r\n\r\n", b"0\r\n: y\r\n\r\n", b"0\r\nX y: z\r\n\r\n"]
    )
    def test_malformed_trailers(self, wire: bytes) -> None:
        for pieces in ([wire], bytewise(wire)):
            with pytest.raises(RemoteProtocolError):
                decode(ChunkedDecoder(Limits()), pieces)
