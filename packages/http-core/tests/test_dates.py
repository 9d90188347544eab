"""HTTP dates: written, read in three forms, cached for the Date header."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http import dates

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_the_three_forms(text: str) -> None:
    assert dates.parse_date(text) == MOMENT


@pytest.mark.parity("S22", "V18", "V19")
@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "yesterday",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 0\u0666 Nov 1994 08:49:37 GMT",  # an Arabic digit
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 006 Nov 1994 08:49:37 GMT",
    ],
)
def test_anything_else_is_none(text: str | None) -> None:
    assert dates.parse_date(text) is None


def test_a_day_of_one_digit() -> None:
    assert dates.parse_date("Sun, 6 Nov 1994 08:49:37 GMT") == MOMENT


def test_leap_second_is_the_second_before() -> None:
    assert dates.parse_date("Sat, 31 Dec 2016 23:59:60 GMT") == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_two_digit_year_is_at_most_fifty_years_ahead() -> None:
    ahead = (datetime.now(UTC).year + 60) % 100
    parsed = dates.parse_date(f"Sunday, 06-Nov-{ahead:02d} 08:49:37 GMT")
    assert parsed is not None
    assert parsed.year <= datetime.now(UTC).year + 50


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_round_trip(moment: datetime) -> None:
    assert dates.parse_date(dates.format_date(moment)) == moment.replace(microsecond=0, tzinfo=UTC)


def test_format_takes_seconds_and_zones() -> None:
    assert dates.format_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert dates.format_date(784111777.9) == "Sun, 06 Nov 1994 08:49:37 GMT"
    east = timezone(timedelta(hours=2))
    assert dates.format_date(MOMENT.astimezone(east)) == "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parity("S30")
def test_date_header_is_formatted_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 784111777.2
    monkeypatch.setattr(time, "time", lambda: now)
    first = dates.date_header()
    assert first == "Sun, 06 Nov 1994 08:49:37 GMT"
    now = 784111777.9
    assert dates.date_header() is first
    assert dates.date_header_bytes() == first.encode()
    now = 784111778.0
    assert dates.date_header_bytes() == b"Sun, 06 Nov 1994 08:49:38 GMT"
