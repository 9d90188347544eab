"""The grammar of Sec-WebSocket-Extensions."""

import pytest

from levante.ws.extensions import parse_extensions


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([""], []),
        (["a"], [("a", ())]),
        (["A ; B = C"], [("a", (("b", "C"),))]),
        (['a;b="c";d'], [("a", (("b", "c"), ("d", None)))]),
        (["a, ,b;x=1", "c"], [("a", ()), ("b", (("x", "1"),)), ("c", ())]),
    ],
)
def test_values(values: list[str], expected: list[object]) -> None:
    assert parse_extensions(values) == expected


@pytest.mark.hardening("W29")
@pytest.mark.parametrize(
    "value",
    ["a b", "a;", "a;=1", 'a;b="c', "a;b=", 'a;b="c d"', ";a", "a=b", "ä", ",".join("a" * 17), "a" + ";b" * 9],
)
def test_values_that_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="got"):
        parse_extensions([value])


@pytest.mark.hardening("W29")
def test_a_long_field_is_parsed_in_linear_time() -> None:
    with pytest.raises(ValueError, match="got"):
        parse_extensions(["a; " * 20_000])
    assert parse_extensions(["," * 100_000]) == []
