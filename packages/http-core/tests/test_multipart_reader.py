"""Multipart bodies read as they arrive."""

import base64
import gzip
import random
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from levante.http import (
    BadContentDispositionHeader,
    BadContentDispositionParam,
    BodyPartReader,
    ContentCodingError,
    IncompleteMessage,
    LimitExceeded,
    MalformedContent,
    MultipartReader,
    MultipartWriter,
    StreamReader,
    get_payload,
)

TYPE = "multipart/mixed; boundary=b"
FORM = "multipart/form-data; boundary=b"


class Source:
    """A body that comes in pieces of a fixed size."""

    def __init__(self, data: bytes, step: int = 65536) -> None:
        self._data = data
        self._step = step
        self.given = 0

    async def readany(self) -> bytes:
        piece = self._data[self.given : self.given + self._step]
        self.given += len(piece)
        return piece


def reader(body: bytes, content_type: str = TYPE, step: int = 65536, **options: Any) -> MultipartReader:
    return MultipartReader(CIMultiDict({"Content-Type": content_type}), Source(body, step), **options)


async def only_part(
    data: bytes, *lines: str, content_type: str = TYPE, step: int = 65536, **options: Any
) -> BodyPartReader:
    body = b"--b\r\n" + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + data + b"\r\n--b--\r\n"
    part = await reader(body, content_type, step, **options).next()
    assert isinstance(part, BodyPartReader)
    return part


BODY = b"--b\r\nA: 1\r\n\r\none\r\n--b\r\nA: 2\r\n\r\nline 1\nline 2\r\n--b\r\nA: 3\r\n\r\n\r\n--b--\r\nepilogue"


@pytest.mark.parity("W7")
@pytest.mark.parametrize("step", [1, 5, 65536])
async def test_parts_one_after_the_other(step: int) -> None:
    parts = reader(BODY, step=step)
    first = await parts.next()
    assert isinstance(first, BodyPartReader)
    assert first.headers["a"] == "1"
    assert not first.at_eof()
    assert await first.read() == b"one"
    assert first.at_eof()
    assert await first.read() == b""
    second = await parts.next()
    assert isinstance(second, BodyPartReader)
    assert await second.readline() == b"line 1\n"
    third = await parts.next()  # what is left of the second is skipped
    assert isinstance(third, BodyPartReader)
    assert third.headers["a"] == "3"
    assert await third.readline() == b""
    assert not parts.at_eof()
    assert await parts.next() is None
    assert parts.at_eof()
    assert await parts.next() is None


@pytest.mark.parity("W7")
async def test_iteration_and_release() -> None:
    found = []
    async for part in reader(BODY, step=3):
        assert isinstance(part, BodyPartReader)
        found.append([chunk async for chunk in part])
    assert [b"".join(chunks) for chunks in found] == [b"one", b"line 1\nline 2", b""]
    parts = reader(BODY)
    part = await parts.next()
    assert isinstance(part, BodyPartReader)
    await part.read_chunk(1)
    await part.release()
    assert part.at_eof()
    await parts.release()
    assert parts.at_eof()


@pytest.mark.parity("W7")
async def test_over_a_stream_reader() -> None:
    stream = StreamReader(None, 65536)
    stream.feed_data(BODY)
    stream.feed_eof()
    parts = MultipartReader({"Content-Type": TYPE}, stream)
    part = await parts.next()
    assert isinstance(part, BodyPartReader)
    assert await part.text() == "one"


@pytest.mark.parity("W7")
@pytest.mark.hardening("M01", "M03")
async def test_wrong_boundaries_and_unfinished_bodies() -> None:
    for content_type in ("", "text/plain", "multipart/mixed", "multipart/mixed; boundary=" + "x" * 71):
        with pytest.raises(ValueError, match=r"multipart|boundary|media type"):
            reader(b"", content_type)
    with pytest.raises(ValueError, match="no boundary 'b'"):
        await reader(b"--c\r\n\r\nx\r\n--c--").next()
    part = await reader(b"--b\r\n\r\nhalf").next()
    assert isinstance(part, BodyPartReader)
    with pytest.raises(IncompleteMessage):
        await part.read()


@pytest.mark.parity("W7", "V29")
@pytest.mark.hardening("M09")
async def test_header_limits_are_parameters() -> None:
    body = b"--b\r\nA: 123456\r\nB: 2\r\n\r\n\r\n--b--"
    assert await reader(body).next() is not None
    with pytest.raises(LimitExceeded):
        await reader(body, max_field_size=5).next()
    with pytest.raises(LimitExceeded):
        await reader(body, max_headers=1).next()
    many = b"--b\r\n" + b"A: 1\r\n" * 10_000 + b"\r\n\r\n--b--"
    with pytest.raises(LimitExceeded):
        await reader(many).next()


@pytest.mark.parity("W7")
@pytest.mark.parametrize("step", [1, 65536])
async def test_parts_before_a_malformed_one_are_given(step: int) -> None:
    source = Source(b"--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b\r\nno colon\r\n" + b"z" * 100, step)
    parts = MultipartReader({"Content-Type": TYPE}, source)
    for expected in (b"x", b"y"):
        part = await parts.next()
        assert isinstance(part, BodyPartReader)
        assert bytes(await part.read()) == expected
    given = source.given
    for _ in range(2):
        with pytest.raises(MalformedContent, match="no colon"):
            await parts.next()
    assert source.given <= max(given, 100)  # nothing is awaited to say so


def nested(depth: int) -> MultipartWriter:
    writer = MultipartWriter(boundary=f"level{depth}")
    writer.append("text" if depth == 1 else nested(depth - 1))
    return writer


@pytest.mark.parity("W7")
@pytest.mark.hardening("M19")
@pytest.mark.parametrize("step", [1, 65536])
async def test_nesting_is_capped(step: int) -> None:
    async def innermost(depth: int) -> str:
        writer = nested(depth)
        part: Any = MultipartReader(writer.headers, Source(await writer.as_bytes(), step))
        while isinstance(part, MultipartReader):
            part = await part.next()
        return str(await part.text())

    assert await innermost(4) == "text"
    with pytest.raises(MalformedContent, match="nested"):
        await innermost(5)


@pytest.mark.parity("W7")
async def test_an_unread_nested_body_is_skipped() -> None:
    writer = MultipartWriter(boundary="b")
    writer.append(nested(2))
    writer.append("after")
    parts = MultipartReader(writer.headers, Source(await writer.as_bytes(), 3))
    inner = await parts.next()
    assert isinstance(inner, MultipartReader)
    await inner.next()
    after = await parts.next()
    assert isinstance(after, BodyPartReader)
    assert await after.text() == "after"


@pytest.mark.parity("W7")
async def test_classes_can_be_exchanged_and_responses_released() -> None:
    class MyPart(BodyPartReader):
        pass

    class MyReader(MultipartReader):
        part_reader_cls = MyPart

    class Response:
        def __init__(self, awaitable: bool) -> None:
            self.headers = CIMultiDict({"Content-Type": TYPE})
            self.content = Source(b"--b\r\n\r\nx\r\n" * 2000 + BODY)
            self.released = 0
            self._awaitable = awaitable

        def release(self) -> Any:
            async def nothing() -> None:
                pass

            self.released += 1
            return nothing() if self._awaitable else None

    body = b"--b\r\n\r\nx\r\n" * 1001 + b"--b--"
    with pytest.raises(LimitExceeded):
        await reader(body).release()
    await reader(body, max_parts=1001).release()
    for awaitable in (True, False):
        response = Response(awaitable)
        wrapper = MyReader.from_response(response)
        parts = [part async for part in wrapper]
        assert [type(part) for part in parts] == [MyPart] * 2003  # a response may go on for ever
        assert wrapper.at_eof()
        assert response.released == 1


@pytest.mark.parity("W8", "V30")
@pytest.mark.hardening("M07")
async def test_reading_whole_is_capped() -> None:
    part = await only_part(b"x" * 100, client_max_size=100)
    assert len(await part.read()) == 100
    big = Source(b"--b\r\n\r\n" + b"x" * 10**6)
    part = await MultipartReader({"Content-Type": TYPE}, big, client_max_size=1000).next()  # type: ignore[assignment]
    with pytest.raises(LimitExceeded) as caught:
        await part.read()
    assert caught.value.status == 413
    assert big.given <= 65536
    part = await only_part(b"x" * 101, client_max_size=100)
    with pytest.raises(LimitExceeded):
        await part.readline()

    class TooLarge(Exception):
        pass

    part = await only_part(
        b"x" * 101, client_max_size=100, max_size_error_cls=lambda maximum, actual: TooLarge(maximum, actual)
    )
    with pytest.raises(TooLarge, match="100, 101"):
        await part.text()


@pytest.mark.parity("W8", "V17")
@pytest.mark.hardening("M27")
async def test_a_coded_part_is_decoded_within_bounds() -> None:
    data = b"hello " * 5000
    for step in (1, 65536):
        part = await only_part(gzip.compress(data), "Content-Encoding: gzip", step=step)
        assert await part.read(decode=True) == data
    noise = random.Random(1).randbytes(20_000)
    part = await only_part(gzip.compress(noise), "Content-Encoding: gzip")
    part.chunk_size = 65536  # beyond the threshold, so in a thread
    assert await part.read(decode=True) == noise
    part = await only_part(gzip.compress(b"\0" * 10**7), "Content-Encoding: gzip", client_max_size=1000)
    with pytest.raises(LimitExceeded):
        await part.read(decode=True)
    part = await only_part(gzip.compress(data)[:-3], "Content-Encoding: gzip")
    with pytest.raises(ContentCodingError):
        await part.read(decode=True)


@pytest.mark.parity("W8")
@pytest.mark.parametrize("step", [1, 3, 65536])
async def test_base64_chunks_can_be_decoded_one_by_one(step: int) -> None:
    data = random.Random(2).randbytes(999)
    coded = base64.encodebytes(data).rstrip(b"\n").replace(b"\n", b"\r\n")
    part = await only_part(coded, "Content-Transfer-Encoding: Base64", step=step)
    decoded = b""
    while chunk := await part.read_chunk(10):
        decoded += part.decode(chunk)
    assert decoded == data
    part = await only_part(coded, "Content-Transfer-Encoding: base64", step=step)
    assert await part.read(decode=True) == data


@pytest.mark.parity("W8")
@pytest.mark.parametrize("step", [1, 2, 65536])
async def test_quoted_printable(step: int) -> None:
    part = await only_part(b"=C3=A9 soft=\r\n break", "Content-Transfer-Encoding: quoted-printable", step=step)
    part.chunk_size = 2
    assert await part.text() == "é soft break"


@pytest.mark.parity("W8")
@pytest.mark.hardening("M05")
@pytest.mark.parametrize("step", [7, 65536])
@pytest.mark.parametrize(
    ("encoding", "data", "decoded"),
    [
        ("base64", b"e" + b"\r\n" * 100_000 + b"A==", b"x"),
        ("base64", b"eHh4" + b"!" * 200_000, b"xxx"),
        ("quoted-printable", b"=" * 200_000 + b"x", None),
        ("quoted-printable", b"=41" * 60_000, b"A" * 60_000),
    ],
)
async def test_coded_noise_is_linear(encoding: str, data: bytes, decoded: bytes | None, step: int) -> None:
    start = time.process_time()
    part = await only_part(data, f"Content-Transfer-Encoding: {encoding}", step=step)
    found = await part.read(decode=True)
    assert decoded in (None, bytes(found))
    part = await only_part(data, f"Content-Transfer-Encoding: {encoding}", step=step)
    assert b"".join([chunk async for chunk in part]) == data
    assert time.process_time() - start < 20  # CPU seconds; quadratic work would take many minutes


@pytest.mark.parity("W8")
async def test_noise_between_base64_is_capped_as_reading_is() -> None:
    data = b"e" + b"\n" * 10_000 + b"A=="
    part = await only_part(data, "Content-Transfer-Encoding: base64", client_max_size=5000)
    with pytest.raises(LimitExceeded):
        await part.read_chunk(10)
    with pytest.raises(ValueError, match="at least 1"):
        await part.read_chunk(0)


@pytest.mark.parity("W8")
async def test_transfer_encodings_that_change_nothing_or_are_unknown() -> None:
    for name in ("7bit", "8bit", "binary"):
        part = await only_part(b"=C3", f"Content-Transfer-Encoding: {name}")
        assert await part.read(decode=True) == b"=C3"
    part = await only_part(b"x", "Content-Transfer-Encoding: uuencode")
    with pytest.raises(RuntimeError, match="uuencode"):
        await part.read(decode=True)
    part = await only_part(b"abcde", "Content-Transfer-Encoding: base64")
    with pytest.raises(MalformedContent, match="base64"):
        await part.read(decode=True)


@pytest.mark.parity("W8")
async def test_decoding_what_was_read() -> None:
    coded = gzip.compress(b"hello" * 50_000)
    part = await only_part(b"", "Content-Encoding: gzip")
    assert part.decode(coded) == b"hello" * 50_000
    assert b"".join([piece async for piece in part.decode_iter(coded)]) == b"hello" * 50_000
    part = await only_part(b"")
    assert part.decode(b"x") == b"x"
    assert [piece async for piece in part.decode_iter(b"x")] == [b"x"]
    part = await only_part(b"", "Content-Encoding: gzip", client_max_size=70_000)
    with pytest.raises(LimitExceeded):
        part.decode(coded)


@pytest.mark.parity("W8")
@pytest.mark.hardening("M15", "M18")
async def test_forms_pass_over_lengths_and_codings() -> None:
    part = await only_part(
        b"eA==",
        'Content-Disposition: form-data; name="a"',
        "Content-Length: +5",
        "Content-Encoding: gzip",
        "Content-Transfer-Encoding: base64",
        content_type=FORM,
    )
    assert await part.read(decode=True) == b"eA=="
    for length in ("+5", "-1", "\u0665", "5_0", ""):
        with pytest.raises(ValueError, match="Content-Length"):
            await only_part(b"x", f"Content-Length: {length}")
    part = await only_part(b"xyz", "Content-Length: 1")
    assert await part.read() == b"xyz"


@pytest.mark.parity("W8")
async def test_text_json_form() -> None:
    part = await only_part(b"\xe9", "Content-Type: text/plain; charset=latin-1")
    assert await part.text() == "é"
    part = await only_part(b"\xc3\xa9", "Content-Type: text/plain; charset=latin-1")
    assert await part.text(encoding="utf-8") == "é"
    part = await only_part(b"x", "Content-Type: garbage")
    assert part.get_charset("utf-16") == "utf-16"
    assert await part.text() == "x"
    part = await only_part(b'{"a": 1}')
    assert await part.json() == {"a": 1}
    assert await (await only_part(b"")).json() is None
    with pytest.raises(ValueError, match="nested"):
        await (await only_part(b"[" * 100_000)).json()
    part = await only_part(b"a=b+c&d=")
    assert await part.form() == [("a", "b c"), ("d", "")]
    for encoding, status in (("no-such", 415), ("ascii", 400)):
        part = await only_part(b"\xff")
        with pytest.raises(ValueError, match=r"charset|ascii") as caught:
            await part.text(encoding=encoding)
        assert isinstance(caught.value, MalformedContent)
        assert caught.value.status == status


@pytest.mark.parity("S24")
@pytest.mark.hardening("M15")
@pytest.mark.parametrize(
    ("charset", "expected"), [("latin-1", "Ã©"), ("utf-8", "é"), ("utf-7", "é"), ("no-such", "é"), ("utf-16", "é")]
)
async def test_the_charset_field(charset: str, expected: str) -> None:
    body = (
        f'--b\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\n{charset}\r\n'
        '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\né\r\n--b--'
    ).encode()
    parts = [await part.text() async for part in reader(body, FORM, 1) if isinstance(part, BodyPartReader)]
    assert parts == [expected]


@pytest.mark.hardening("M15")
async def test_a_dangerous_charset_of_a_form_part_is_not_believed() -> None:
    lines = ['Content-Disposition: form-data; name="a"', "Content-Type: text/plain; charset=utf-7"]
    part = await only_part(b"+ADw-", *lines, content_type=FORM)
    assert await part.text() == "+ADw-"
    part = await only_part(b"\xff", *lines, content_type=FORM)
    with pytest.raises(MalformedContent):
        await part.text()


async def test_a_malformed_first_disposition_is_no_charset_field() -> None:
    part = await only_part(b"x", 'Content-Disposition: form-data; name="_charset_', content_type=FORM)
    assert await part.text() == "x"


async def test_a_long_charset_field_is_refused() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\n' + b"x" * 32 + b"\r\n--b--"
    with pytest.raises(MalformedContent, match="_charset_"):
        await reader(body, FORM).next()


@pytest.mark.parity("W8")
@pytest.mark.hardening("M12", "M13")
async def test_names_and_filenames() -> None:
    part = await only_part(b"", 'Content-Disposition: form-data; name="n"; filename="/../x"', content_type=FORM)
    assert (part.name, part.filename) == ("n", "../x")
    both = "Content-Disposition: form-data; name=n; filename=plain; filename*=utf-8''other"
    assert (await only_part(b"", both, content_type=FORM)).filename == "plain"
    assert (await only_part(b"", both)).filename == "other"
    none = await only_part(b"")
    assert (none.name, none.filename) == (None, None)


@pytest.mark.parity("W8")
@pytest.mark.hardening("M14")
@pytest.mark.parametrize(
    ("text", "warning"),
    [('form-data; name="a', BadContentDispositionParam), ("=", BadContentDispositionHeader)],
)
async def test_a_malformed_disposition_warns_and_names_nothing(text: str, warning: type[Warning]) -> None:
    part = await only_part(b"", f"Content-Disposition: {text}", content_type=FORM)
    with pytest.warns(warning):
        assert part.name is None
    assert part.filename is None


@pytest.mark.parity("C31")
async def test_a_part_is_passed_on_decoded() -> None:
    lines = ['Content-Disposition: attachment; name="n"; filename="f"', "Content-Transfer-Encoding: base64"]
    payload = get_payload(await only_part(base64.b64encode(b"hello"), *lines))
    assert type(payload).__name__ == "BodyPartReaderPayload"
    assert payload.size is None
    assert payload.headers["Content-Disposition"] == 'attachment; name="n"; filename="f"'
    with pytest.raises(TypeError, match="decoded"):
        payload.decode()
    assert await payload.as_bytes() == b"hello"
    with pytest.raises(RuntimeError, match="read already"):
        await payload.as_bytes()
    assert "Content-Disposition" not in get_payload(await only_part(b"")).headers


TEXT = st.lists(st.sampled_from([b"=", b"a", b" ", b"\t", b"\r\n", b"\xc3\xa9", b".", b"0"]), max_size=60).map(b"".join)


@given(TEXT, st.sampled_from(["base64", "quoted-printable"]), st.integers(1, 60), st.integers(1, 30))
async def test_coded_content_is_read_back_in_chunks_of_any_size(
    content: bytes, encoding: str, step: int, size: int
) -> None:
    writer = MultipartWriter(boundary="b")
    writer.append(content, {"Content-Transfer-Encoding": encoding})
    part = await MultipartReader(writer.headers, Source(await writer.as_bytes(), step)).next()
    assert isinstance(part, BodyPartReader)
    decoded = b""
    while chunk := await part.read_chunk(size):
        assert len(chunk) <= size + 5
        decoded += part.decode(chunk)
    assert decoded == content


@given(st.lists(st.binary(max_size=100), max_size=5), st.integers(1, 60))
async def test_what_is_written_is_read_back(contents: list[bytes], step: int) -> None:
    writer = MultipartWriter()
    for content in contents:
        writer.append(content)
    body = await writer.as_bytes()
    assert writer.size == len(body)
    parts = MultipartReader(writer.headers, Source(body, step), client_max_size=sys.maxsize)
    assert [bytes(await part.read()) async for part in parts if isinstance(part, BodyPartReader)] == contents
