"""Charsets from outside."""

import encodings

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
        ("utf-\u00e98", False, False),
        ("ISO_8859-1", True, True),
        ("iso8859.1", True, True),
    ],
)
def test_charsets(charset: str, known: bool, compatible: bool) -> None:
    assert (text_codec(charset) is not None) is known
    assert (ascii_compatible(charset) is not None) is compatible


def test_unknown_names_are_not_remembered() -> None:
    """Python's own look-up keeps every name that it was asked for in vain: 10,000 requests would be 10,000 entries."""
    before = len(encodings._cache)  # type: ignore[attr-defined]
    for number in range(100):
        assert text_codec(f"no-such-charset-{number}") is None
        assert text_codec(f"utf-8-{number}") is None
    assert len(encodings._cache) == before  # type: ignore[attr-defined]
