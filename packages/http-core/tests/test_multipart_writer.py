"""Multipart bodies written from payloads."""

import base64
import gzip
import io
import quopri
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http import MultipartWriter, StringPayload, get_payload


class Sink:
    """What a payload writes itself to, in tests."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def write(self, data: bytes) -> None:
        assert data
        self.pieces.append(data)


async def body_of(writer: MultipartWriter) -> bytes:
    sink = Sink()
    await writer.write(sink)
    body = b"".join(sink.pieces)
    assert await writer.as_bytes() == body
    return body


@pytest.mark.parity("W9")
async def test_mixed_parts() -> None:
    with MultipartWriter(boundary=":") as writer:
        assert writer
        writer.append("é", {"X-A": "1"})
        writer.append(io.BytesIO(b"abc"))
        writer.append_json({"a": 1})
        writer.append_form([("a", "b c")])
    assert len(writer) == 4
    assert [part.size for part in writer] == [2, 3, 8, 5]
    assert writer.boundary == ":"
    assert writer.content_type == 'multipart/mixed; boundary=":"'
    body = await body_of(writer)
    assert body == (
        b"--:\r\nX-A: 1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\n\xc3\xa9\r\n"
        b"--:\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\nabc\r\n"
        b'--:\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"a": 1}\r\n'
        b"--:\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 5\r\n\r\na=b+c\r\n"
        b"--:--\r\n"
    )
    assert writer.size == len(body)
    assert writer.decode() == body.decode()
    assert not writer.consumed
    await writer.close()


@pytest.mark.parity("W9", "C32")
async def test_form_data() -> None:
    writer = MultipartWriter("form-data", boundary="b")
    writer.append("x")
    named = get_payload(b"y", filename="f")
    named.set_content_disposition("form-data", name="n", filename="f")
    writer.append(named)
    body = await body_of(writer)
    assert b'Content-Disposition: form-data; name="section-0"' in body
    assert b'Content-Disposition: form-data; name="n"; filename="f"' in body
    assert b"Content-Length" not in body
    assert writer.size == len(body)
    for name in ("Content-Encoding", "Content-Length", "Content-Transfer-Encoding"):
        with pytest.raises(ValueError, match="form"):
            writer.append("x", {name: "1"})
    assert len(writer) == 2


@pytest.mark.parity("W9")
async def test_empty_and_unclosed() -> None:
    writer = MultipartWriter(boundary="b")
    assert await body_of(writer) == b"--b--\r\n"
    assert writer.size == 7
    writer.append("")
    sink = Sink()
    await writer.write(sink, close_boundary=False)
    assert b"".join(sink.pieces).endswith(b"\r\n\r\n\r\n")


DATA = b"\x00\xff=\r\n \tabc" * 400


@pytest.mark.parity("W9")
@pytest.mark.parametrize("coding", ["", "gzip", "deflate", "identity"])
@pytest.mark.parametrize("transfer", ["", "binary", "base64", "quoted-printable"])
async def test_codings_are_applied(coding: str, transfer: str) -> None:
    writer = MultipartWriter(boundary="b")
    writer.append(DATA, {"Content-Encoding": coding, "Content-Transfer-Encoding": transfer})
    body = await body_of(writer)
    content = body.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n--b--\r\n")
    if transfer == "base64":
        assert all(len(line) <= 76 for line in content.split(b"\r\n"))
        content = base64.b64decode(content)
    elif transfer == "quoted-printable":
        content = quopri.decodestring(content)
    if coding == "gzip":
        content = gzip.decompress(content)
    elif coding == "deflate":
        content = zlib.decompress(content)
    assert content == DATA
    is_plain = coding in ("", "identity") and transfer in ("", "binary")
    assert writer.size == (len(body) if is_plain else None)


@pytest.mark.parity("W9")
def test_what_cannot_be_applied_or_sent() -> None:
    writer = MultipartWriter()
    with pytest.raises(RuntimeError, match="content coding"):
        writer.append("x", {"Content-Encoding": "br"})
    with pytest.raises(RuntimeError, match="transfer encoding"):
        writer.append("x", {"Content-Transfer-Encoding": "uuencode"})
    with pytest.raises(TypeError, match="object"):
        writer.append(object())
    with pytest.raises(ValueError, match="boundary"):
        MultipartWriter(boundary="x" * 71)
    with pytest.raises(ValueError, match="subtype"):
        MultipartWriter("a\r\nb")


@pytest.mark.parity("V27", "V37", "W9")
@pytest.mark.hardening("M21")
async def test_control_characters_never_reach_the_wire() -> None:
    writer = MultipartWriter("form-data")
    with pytest.raises(ValueError, match="control"):
        writer.append("x", {"X-A": "1\r\nX-B: 2"})
    part = StringPayload("x")
    with pytest.raises(ValueError, match="control"):
        writer.append(part, {"X-A": "\n"})
    late = writer.append("x")
    late.headers["X-A"] = "\r\n"
    for attempt in (writer.as_bytes, lambda: writer.write(Sink())):
        with pytest.raises(ValueError, match="control"):
            await attempt()


@pytest.mark.parity("W9", "C31")
async def test_nesting_consuming_closing() -> None:
    closed = []

    async def once():  # type: ignore[no-untyped-def]
        yield b"abc"

    class Closing(StringPayload):
        async def close(self) -> None:
            closed.append(self)

    writer = MultipartWriter(boundary="outer")
    inner = MultipartWriter(boundary="inner")
    inner.append(Closing("x"))
    inner.append(once())
    writer.append(inner)
    assert get_payload(writer) is writer
    assert writer.size is None
    body = await writer.as_bytes()
    assert b"--inner--\r\n\r\n--outer--" in body
    assert writer.consumed
    with pytest.raises(RuntimeError, match="sent already"):
        await writer.as_bytes()
    await writer.close()
    assert len(closed) == 1


@given(st.binary(max_size=400), st.sampled_from(["base64", "quoted-printable"]), st.integers(1, 90))
async def test_transfer_encodings_round_trip_in_any_pieces(data: bytes, transfer: str, step: int) -> None:
    async def pieces():  # type: ignore[no-untyped-def]
        for start in range(0, len(data), step):
            yield data[start : start + step]

    writer = MultipartWriter(boundary="b")
    writer.append(pieces(), {"Content-Transfer-Encoding": transfer})
    content = (await writer.as_bytes()).partition(b"\r\n\r\n")[2].removesuffix(b"\r\n--b--\r\n")
    decode = base64.b64decode if transfer == "base64" else quopri.decodestring
    assert decode(content) == data


@pytest.mark.parity("W9")
async def test_numbers_in_a_form() -> None:
    with MultipartWriter("mixed") as writer:
        assert await writer.append_form({"a": 1, "b": -0.5, "c": "d"}).as_bytes() == b"a=1&b=-0.5&c=d"
        for wrong in (True, None, b"x"):
            with pytest.raises(TypeError, match="a form field is a str"):
                writer.append_form([("a", wrong)])  # type: ignore[list-item]
