"""multipart/form-data without I/O."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http import (
    IncompleteMessage,
    LimitExceeded,
    MalformedContent,
    MultipartLimits,
    MultipartWriter,
    get_payload,
)
from levante.http.formdecoder import FieldData, FieldEnd, FieldStart, FormDecoder, decode_text, multipart_boundary
from levante.http.limits import MultipartLimits as Limits

TYPE = "multipart/form-data; boundary=b"


def part(data: bytes, disposition: str = 'form-data; name="a"', *lines: str) -> bytes:
    head = "\r\n".join(("--b", *([f"Content-Disposition: {disposition}"] if disposition else []), *lines, "", ""))
    return head.encode() + data + b"\r\n"


def run(body: bytes, step: int = 10**9, limits: Limits | None = None) -> list[tuple[FieldStart, bytes]]:
    decoder = FormDecoder(TYPE, limits=limits)
    fields: list[tuple[FieldStart, bytes]] = []
    ended = 0
    for start in range(0, len(body), step):
        for event in decoder.feed(body[start : start + step]):
            if isinstance(event, FieldStart):
                fields.append((event, b""))
            elif isinstance(event, FieldData):
                fields[-1] = (fields[-1][0], fields[-1][1] + event.data)
            else:
                assert isinstance(event, FieldEnd)
                ended += 1
    decoder.feed_eof()
    assert ended == len(fields)
    return fields


@pytest.mark.parity("S24")
@pytest.mark.hardening("M11", "M12", "M13", "M15")
def test_fields() -> None:
    body = (
        part(b"1")
        + part(b"2")
        + part(b"x", 'form-data; name="f"; filename="../../x"', "Content-Type: text/plain")
        + part(b"y", 'form-data; name="f"; filename="plain"; filename*=utf-8\'\'other')
        + part(b"eA==", 'form-data; name="c"', "Content-Transfer-Encoding: base64", "Content-Encoding: gzip")
        + part(b"", 'form-data; name=""; filename=""', "Content-Type: application/octet-stream")
        + b"--b--\r\n"
    )
    for step in (10**9, 1, 13):
        fields = run(body, step)
        assert [(field.name, field.filename, data) for field, data in fields] == [
            ("a", None, b"1"),
            ("a", None, b"2"),
            ("f", "../../x", b"x"),
            ("f", "plain", b"y"),
            ("c", None, b"eA=="),
            ("", "", b""),
        ]
        assert [field.is_text() for field, _ in fields] == [True, True, False, False, True, False]
    start = run(part(b"", 'form-data; name="a"', "Content-Type: application/json") + b"--b--")[0][0]
    assert start.content_type is not None
    assert start.content_type.is_json()
    assert not start.is_text()
    assert "content-type" in start.headers


@pytest.mark.parity("S24")
@pytest.mark.hardening("M11", "M14", "M19", "M28")
@pytest.mark.parametrize(
    ("disposition", "lines"),
    [
        ("", []),
        ("attachment; name=a", []),
        ("form-data", []),
        ("form-data; filename=a", []),
        ('form-data; name="a', []),
        ('form-data; name="a\\"', []),
        ("form-data; name=a" + "; x=y" * 100, []),
        ("form-data; name=a", ["Content-Type: multipart/mixed; boundary=c"]),
        ("form-data; name=a", ["Content-Type: garbage"]),
    ],
)
def test_malformed_fields(disposition: str, lines: list[str]) -> None:
    with pytest.raises(MalformedContent) as caught:
        run(part(b"x", disposition, *lines) + b"--b--")
    assert caught.value.status == 400


@pytest.mark.hardening("M15")
def test_a_name_that_is_no_utf8_is_refused() -> None:
    with pytest.raises(MalformedContent):
        run(b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\r\n--b--')


@pytest.mark.hardening("M03")
def test_an_unfinished_form_is_refused() -> None:
    with pytest.raises(IncompleteMessage):
        run(part(b"x"))


@pytest.mark.parity("V30")
@pytest.mark.hardening("M07")
@pytest.mark.parametrize("content_type", [[], ["Content-Type: application/octet-stream"]])
def test_one_field_is_bounded(content_type: list[str]) -> None:
    limit = 1024 * 1024
    assert len(run(part(b"x" * limit, 'form-data; name="a"', *content_type) + b"--b--", 65536)[0][1]) == limit
    decoder = FormDecoder(TYPE)
    decoder.feed(part(b"", 'form-data; name="a"', *content_type)[:-2])
    taken = 0
    with pytest.raises(LimitExceeded) as caught:
        while taken < 100 * limit:
            decoder.feed(b"x" * 65536)
            taken += 65536
    assert caught.value.status == 413
    assert taken <= limit + 65536


@pytest.mark.parity("V22")
@pytest.mark.hardening("M07")
def test_all_fields_together_are_bounded() -> None:
    field = part(b"x" * 600_000)
    assert len(run(field * 3 + b"--b--")) == 3
    with pytest.raises(LimitExceeded) as caught:
        run(field * 4 + b"--b--")
    assert caught.value.limit == "max_text_size"
    with pytest.raises(LimitExceeded):  # names count as well
        run(part(b"", f'form-data; name="{"n" * 100}"') * 5 + b"--b--", limits=MultipartLimits(max_text_size=450))


def test_files_are_not_text() -> None:
    body = part(b"x" * 3_000_000, 'form-data; name="a"; filename="f"') + b"--b--"
    assert len(run(body, 65536)[0][1]) == 3_000_000


@pytest.mark.hardening("M01", "M28")
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "multipart/form-data",
        "text/plain; boundary=b",
        "multipart/mixed; boundary=b",
        "multipart/form-data; boundary=a; boundary=b",
    ],
)
def test_boundary_of_a_type(content_type: str) -> None:
    with pytest.raises(MalformedContent):
        multipart_boundary(content_type, subtype="form-data")
    assert multipart_boundary(TYPE, subtype="form-data") == "b"
    assert multipart_boundary('multipart/x; boundary="b c"') == "b c"


@pytest.mark.hardening("M15")
def test_text_is_strict_utf8() -> None:
    assert decode_text("é".encode()) == "é"
    for bad in (b"\xff", b"\xc0\xae", b"\xed\xa0\x80"):
        with pytest.raises(MalformedContent) as caught:
            decode_text(bad)
        assert caught.value.status == 400


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20)


@given(st.lists(st.tuples(TEXT, st.none() | TEXT, st.binary(max_size=50)), max_size=4), st.integers(1, 50))
async def test_a_form_that_is_written_is_read_back(wanted: list[tuple[str, str | None, bytes]], step: int) -> None:
    writer = MultipartWriter("form-data", boundary="b")
    for name, filename, data in wanted:
        payload = get_payload(data)
        names = {"name": name} | ({"filename": filename} if filename is not None else {})
        payload.set_content_disposition("form-data", quote_fields=False, **names)
        writer.append(payload)
    fields = run(await writer.as_bytes(), step)
    assert [(field.name, field.filename, data) for field, data in fields] == wanted


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_end_in_fields_or_a_refusal(data: bytes, step: int) -> None:
    try:
        run(b"--b\r\n" + data + b"\r\n--b--", step)
    except (MalformedContent, IncompleteMessage, LimitExceeded) as error:
        assert error.status in (400, 413)
