"""Tokens, quoted strings and parameters."""

import time

import pytest

from levante.http import parameters


def test_tokens() -> None:
    assert parameters.is_token("a!#$%&'*+-.^_`|~0")
    for bad in ("", "a b", "a:", "é", "a\n", "a\0", "\u212a"):
        assert not parameters.is_token(bad)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("; a=b", [("a", "b", False)]),
        (';A="b c" ;\td=e', [("a", "b c", True), ("d", "e", False)]),
        (r';a="b\"c\\"', [("a", r"b\"c\\", True)]),
        (";;; a=b;", [("a", "b", False)]),
        (';a=""', [("a", "", True)]),
    ],
)
def test_parameters(text: str, expected: list[tuple[str, str, bool]]) -> None:
    found, end = parameters.scan_parameters(text, 0)
    assert found == expected
    assert end == len(text)


@pytest.mark.hardening("M14")
@pytest.mark.parametrize("text", [';a="b', ';a="b\\"', ";a", ";a=", "; =b", ';a="\0"', ";é=b", '; a ="b"'])
def test_malformed_parameters(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|unterminated"):
        parameters.scan_parameters(text, 0)


@pytest.mark.hardening("M14")
def test_many_semicolons_and_long_strings_are_linear() -> None:
    start = time.process_time()
    with pytest.raises(ValueError, match="more than 32"):
        parameters.scan_parameters(";" * 100_000, 0)
    with pytest.raises(ValueError, match="unterminated"):
        parameters.scan_parameters(';a="' + "\\x" * 500_000, 0)
    assert time.process_time() - start < 2.5  # CPU seconds; quadratic work would take minutes


def test_quote_value() -> None:
    assert parameters.quote_value("plain") == "plain"
    assert parameters.quote_value('a "b" \\') == '"a \\"b\\" \\\\"'
    assert parameters.quote_value("") == '""'
    for control in ("\r", "\n", "\0", "\x7f", "\t"):
        with pytest.raises(ValueError, match="control character"):
            parameters.quote_value(f"a{control}b")


def test_unescape() -> None:
    assert parameters.unescape(r"a\"b\\") == 'a"b\\'
    assert parameters.unescape("ab") == "ab"


def test_skip_space_knows_only_space_and_tab() -> None:
    assert parameters.skip_space(" \t\xa0x", 0) == 2
