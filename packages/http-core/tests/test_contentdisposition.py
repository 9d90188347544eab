"""Content-Disposition, and safe names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http.contentdisposition import (
    disposition_filename,
    format_content_disposition,
    parse_content_disposition,
    safe_name,
)


def filename(text: str, *, prefer_plain: bool = False) -> str | None:
    return disposition_filename(parse_content_disposition(text)[1], prefer_plain=prefer_plain)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inline", ("inline", {})),
        (' Form-Data ; Name="a"; filename=b ', ("form-data", {"name": "a", "filename": "b"})),
        (r'form-data; name="a\"b\\c"', ("form-data", {"name": r'a"b\c'})),
        (r'form-data; filename="C:\dir\x.txt"', ("form-data", {"filename": r"C:\dir\x.txt"})),
        ('form-data; name="a;b=c"', ("form-data", {"name": "a;b=c"})),
        ('form-data; name="é"', ("form-data", {"name": "é"})),
        ('form-data; name=""', ("form-data", {"name": ""})),
    ],
)
def test_parse(text: str, expected: tuple[str, dict[str, str]]) -> None:
    assert parse_content_disposition(text) == expected


@pytest.mark.hardening("M14")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "; name=a",
        'form-data; name="a',
        'form-data; name="a\\"',
        "form-data; name",
        "form-data; name=a; NAME=b",
        "form-data name=a",
        "form-data" + ";" * 100_000,
        "form-data; name=a b",
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(ValueError, match=r"disposition|parameter|expected|unterminated"):
        parse_content_disposition(text)


@pytest.mark.parity("W8")
@pytest.mark.hardening("M13")
@pytest.mark.parametrize(
    ("text", "plain_first", "extended_first"),
    [
        ("attachment", None, None),
        ("attachment; filename=a", "a", "a"),
        ("attachment; filename=a; filename*=utf-8''%C3%A9", "a", "é"),
        ("attachment; filename*=UTF-8'en'%C3%A9", "é", "é"),
        ("attachment; filename*=iso-8859-1''%E9", "é", "é"),
        ("attachment; filename*=utf-8''%FF", None, None),
        ("attachment; filename=a; filename*=broken", "a", "a"),
        ("attachment; filename=a; filename*=utf-8''b%0D%0Ac", "a", "a"),
        ("attachment; filename*=utf-8''%00", None, None),
        ("attachment; filename*0*=utf-8''b%1b; filename*1=c", None, None),
        ("attachment; filename*=utf-7''+AGE-", None, None),
        ("attachment; filename*0=a; filename*1=b", "ab", "ab"),
        ("attachment; filename*0*=utf-8''%C3; filename*1*=%A9; filename*2=x", "éx", "éx"),
        ("attachment; filename*0*=broken", None, None),
        ("attachment; filename*0*=utf-8''%C3", None, None),
        ("attachment; filename*1=b", None, None),
    ],
)
def test_filename(text: str, plain_first: str | None, extended_first: str | None) -> None:
    assert filename(text, prefer_plain=True) == plain_first
    assert filename(text) == extended_first


@pytest.mark.parity("W9")
def test_format() -> None:
    assert format_content_disposition("inline") == "inline"
    assert (
        format_content_disposition("form-data", {"name": 'a"b', "filename": "é x.txt"})
        == 'form-data; name="a\\"b"; filename="%C3%A9%20x.txt"'
    )
    assert format_content_disposition("form-data", {"name": "é"}) == "form-data; name*=utf-8''%C3%A9"
    assert (
        format_content_disposition("form-data", {"name": "é", "filename": "ü"}, quote_fields=False)
        == 'form-data; name="é"; filename="ü"'
    )


@pytest.mark.parity("V37", "V27")
@pytest.mark.hardening("M21")
@pytest.mark.parametrize("quote_fields", [True, False])
@pytest.mark.parametrize("name", ["name", "filename"])
@pytest.mark.parametrize("control", ["\r\nX: y", "\n", "\r", "\0", "\x7f"])
def test_format_refuses_controls(control: str, name: str, quote_fields: bool) -> None:
    with pytest.raises(ValueError, match="control character"):
        format_content_disposition("form-data", {name: f"a{control}"}, quote_fields=quote_fields)


def test_format_refuses_what_is_no_token() -> None:
    with pytest.raises(ValueError, match="disposition type"):
        format_content_disposition("form data")
    with pytest.raises(ValueError, match="token"):
        format_content_disposition("inline", {"a b": "c"})


@pytest.mark.hardening("M12")
@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("a.txt", "a.txt"),
        ("../../x", "x"),
        ("C:\\dir\\x.txt", "x.txt"),
        ("/etc/x", "x"),
        ("..hidden", "hidden"),
        ("a\0b\nc", "a b c"),
        ("a:b*c?.txt", "a_b_c_.txt"),
        ("é\u202egpj.exe", "é gpj.exe"),
        (" x. ", "x"),
    ],
)
def test_safe_name(given_name: str, expected: str) -> None:
    assert safe_name(given_name) == expected


@pytest.mark.hardening("M12")
@pytest.mark.parametrize(
    "name",
    [None, "", "..", ".", "///", "\\", "CON", "nul.txt", "com1", "COM\xb9.txt", "con .txt", "conin$", "\0", ". ."],
)
def test_safe_name_is_random_where_nothing_is_left(name: str | None) -> None:
    first, second = safe_name(name), safe_name(name)
    assert first != second
    assert len(first) == 32


@pytest.mark.hardening("M12")
def test_safe_name_is_cut_but_keeps_its_suffix() -> None:
    assert safe_name("é" * 4096 + ".txt").endswith("é.txt")
    assert len(safe_name("é" * 4096 + ".txt").encode()) <= 255
    assert len(safe_name("x" * 4096).encode()) == 255


@given(st.text(max_size=400))
def test_any_safe_name_is_safe(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= 255
    assert not set(safe) & set('/\\\0<>:"|?*')
    assert safe.strip(". ") == safe
    assert safe.isprintable()


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=50))
def test_format_and_parse_agree(name: str) -> None:
    text = format_content_disposition("form-data", {"name": name}, quote_fields=False)
    assert parse_content_disposition(text)[1]["name"] == name
