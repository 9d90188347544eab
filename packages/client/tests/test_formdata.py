"""Form data: urlencoded and multipart."""

import io
from pathlib import Path

import pytest
from multidict import MultiDict

from levante.client import FormData


async def body(form: FormData) -> str:
    return (await form().as_bytes()).decode()


@pytest.mark.parity("C32")
async def test_text_is_urlencoded() -> None:
    form = FormData({"a": "1 2", "b": "ü"})
    form.add_field("n", 3)
    assert not form.is_multipart
    payload = form()
    assert payload.content_type == "application/x-www-form-urlencoded"
    assert await payload.as_bytes() == b"a=1+2&b=%C3%BC&n=3"
    latin = FormData([("b", "ü")], charset="latin-1")()
    assert latin.content_type == "application/x-www-form-urlencoded; charset=latin-1"
    assert await latin.as_bytes() == b"b=%FC"


@pytest.mark.parity("C32")
async def test_fields_of_every_kind() -> None:
    form = FormData(MultiDict([("a", "1"), ("a", "2")]))
    form.add_fields(("b", "3"), {"c": "4"}, MultiDict({"d": "5"}))
    assert await body(form) == "a=1&a=2&b=3&c=4&d=5"
    with pytest.raises(TypeError, match="pair"):
        form.add_fields("abc")
    with pytest.raises(TypeError, match="got list"):
        FormData({"a": []})()
    with pytest.raises(TypeError, match="name of a field"):
        form.add_field(1, "x")
    with pytest.raises(TypeError, match="file name"):
        form.add_field("a", "x", filename=1)


@pytest.mark.parity("C32")
async def test_files_make_it_multipart(tmp_path: Path) -> None:
    path = tmp_path / "ä b.txt"
    path.write_bytes(b"content")
    with path.open("rb") as file:
        form = FormData({"text": "v", "number": 7}, boundary="XYZ")
        form.add_field("file", file)
        assert form.is_multipart
        payload = form()
        assert payload.content_type == "multipart/form-data; boundary=XYZ"
        text = (await payload.as_bytes()).decode()
    assert text == (
        "--XYZ\r\nContent-Type: text/plain; charset=utf-8\r\n"
        'Content-Disposition: form-data; name="text"\r\n\r\nv\r\n'
        "--XYZ\r\nContent-Type: text/plain; charset=utf-8\r\n"
        'Content-Disposition: form-data; name="number"\r\n\r\n7\r\n'
        "--XYZ\r\nContent-Type: text/plain\r\n"
        'Content-Disposition: form-data; name="file"; filename="%C3%A4%20b.txt"\r\n\r\ncontent\r\n'
        "--XYZ--\r\n"
    )


@pytest.mark.parity("C32")
async def test_bytes_names_and_types_make_it_multipart() -> None:
    for options in ({"value": b"x"}, {"value": "x", "filename": "f"}, {"value": "x", "content_type": "text/x"}):
        form = FormData()
        form.add_field("a", **options)
        assert form.is_multipart
    assert FormData(default_to_multipart=True).is_multipart
    only_file = FormData(io.BytesIO(b"x"))
    assert only_file.is_multipart
    assert 'name="unknown"; filename="unknown"' in await body(only_file)
    assert 'name="f"; filename="f"' in await body(FormData({"f": io.BytesIO(b"x")}))


@pytest.mark.parity("C32")
async def test_unquoted_names_and_charset() -> None:
    form = FormData(quote_fields=False, charset="latin-1", default_to_multipart=True)
    form.add_field("a b", "ü", filename="f g")
    payload = form()
    content = await payload.as_bytes()
    assert b'name="a b"; filename="f g"' in content
    assert b"\xfc" in content


@pytest.mark.parity("C32", "V27", "V37")
@pytest.mark.hardening("M21")
@pytest.mark.parametrize("bad", ["a\r\nX: y", "a\n", "a\x00", "a\x7f"])
def test_control_characters_are_refused(bad: str) -> None:
    form = FormData(quote_fields=False)
    for arguments in ({"name": bad}, {"name": "a", "filename": bad}, {"name": "a", "content_type": bad}):
        with pytest.raises(ValueError, match="control"):
            form.add_field(value="x", **arguments)


@pytest.mark.parity("C32")
async def test_a_form_can_be_sent_again(tmp_path: Path) -> None:
    form = FormData({"a": "1"})
    assert [form().decode() for _ in range(2)] == ["a=1"] * 2
    path = tmp_path / "file"
    path.write_bytes(b"skipped content")
    with path.open("rb") as file:
        file.seek(8)
        form = FormData({"file": file}, boundary="b")
        first = await form().as_bytes()
        form.add_field("later", "x")
        second = await form().as_bytes()
    assert first.count(b"\r\n\r\ncontent\r\n") == second.count(b"\r\n\r\ncontent\r\n") == 1
    assert second.startswith(first.removesuffix(b"--b--\r\n"))
    assert b'name="later"' in second


@pytest.mark.parity("C32")
def test_values_that_nothing_can_be_made_of() -> None:
    form = FormData({"a": b"1"})
    form.add_field("odd", object(), filename="f")
    with pytest.raises(TypeError, match="object in field 'odd'"):
        form()
