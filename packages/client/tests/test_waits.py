"""How long to wait: the sequences, and what Retry-After asks for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.client import fibonacci_waits, listed_waits, random_waits
from levante.client.waits import parse_retry_after
from levante.http import format_date

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parity("L22")
def test_the_sequences() -> None:
    assert [fibonacci_waits()(failures) for failures in range(6)] == [1, 1, 2, 3, 5, 8]
    assert fibonacci_waits(0.5, last=2)(10**6) == 2
    assert [listed_waits([1, 5])(failures) for failures in range(3)] == [1, 5, 5]
    seen = {random_waits(1, 2)(0) for _ in range(50)}
    assert len(seen) > 10
    assert all(1 <= wait <= 2 for wait in seen)


@pytest.mark.parity("L22")
def test_sequences_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="low <= high"):
        random_waits(3, 2)
    with pytest.raises(ValueError, match="at least one"):
        listed_waits([])
    with pytest.raises(ValueError, match="negative"):
        listed_waits([1, -1])
    with pytest.raises(ValueError, match="unit"):
        fibonacci_waits(0)


@pytest.mark.parity("U6")
@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        (None, None), ("", None), ("soon", None), ("-1", None), ("1.5", None), ("²", None), ("0", 0), (" 7 ", 7),
        ("9" * 5000, 999_999_999), ("Fri, 01 May 2026 12:00:30 GMT", 30), ("Fri, 01 May 2026 11:00:00 GMT", 0),
        ("Friday, 01-May-26 12:01:00 GMT", 60), ("Fri, 31 Dec 1999", None),
    ],
)  # fmt: skip
def test_retry_after(field: str | None, seconds: float | None) -> None:
    assert parse_retry_after(field, NOW) == seconds


@given(st.integers(min_value=0, max_value=10**6))
def test_a_date_asks_for_what_a_number_does(seconds: int) -> None:
    date = format_date(NOW + timedelta(seconds=seconds))
    assert parse_retry_after(date, NOW) == parse_retry_after(str(seconds), NOW) == seconds


@given(st.text())
def test_whatever_it_says_it_is_no_error_and_never_negative(field: str) -> None:
    asked = parse_retry_after(field, NOW)
    assert asked is None or asked >= 0
