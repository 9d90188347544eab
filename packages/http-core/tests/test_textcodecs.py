"""Charsets from outside."""

import pytest

from levante.http.textcodecs import ascii_compatible, text_codec


@pytest.mark.parametrize(
    ("charset", "known", "compatible"),
    [
        ("UTF-8", True, True),
        ("latin-1", True, True),
        ("windows-1252", True, True),
        ("utf-7", True, False),
        ("utf-16", True, False),
        ("iso-2022-jp", True, False),
        ("zip", False, False),
        ("rot13", False, False),
        ("punycode", False, False),
        ("IDNA", False, False),
        ("unicode_escape", False, False),
        ("raw-unicode-escape", False, False),
        ("no-such", False, False),
        ("", False, False),
        ("a\0b", False, False),
    ],
)
def test_charsets(charset: str, known: bool, compatible: bool) -> None:
    assert (text_codec(charset) is not None) is known
    assert (ascii_compatible(charset) is not None) is compatible
