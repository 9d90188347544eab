"""HTTP dates (RFC 9110 5.6.7): written as IMF-fixdate, read in the three forms that recipients must accept. Digits
are ASCII digits only, for `\\d` and int() also take those of other scripts. The Date header changes once a second,
so it is formatted once a second and kept."""

import re
import time
from datetime import UTC, datetime
from typing import Final

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_MONTH_NUMBER: Final = {name: number for number, name in enumerate(MONTHS, 1)}
_DAY: Final = "(?:" + "|".join(DAYS) + ")"
_LONG_DAY: Final = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTH: Final = "(?P<month>" + "|".join(MONTHS) + ")"
_TIME: Final = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS: Final = tuple(
    re.compile(form)
    for form in (
        rf"{_DAY}, (?P<day>[0-9]{{1,2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",  # IMF-fixdate
        rf"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",  # RFC 850
        rf"{_DAY} {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})",  # asctime
    )
)


def format_date(moment: datetime | float) -> str:
    """A moment as IMF-fixdate, for example `Sun, 06 Nov 1994 08:49:37 GMT`.

    `moment` is seconds since the epoch, or a datetime; a naive datetime is taken as UTC. Fractions of a second are
    cut off.
    """
    if not isinstance(moment, datetime):
        moment = datetime.fromtimestamp(int(moment), UTC)
    elif moment.tzinfo is not None and moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return (
        f"{DAYS[moment.weekday()]}, {moment.day:02d} {MONTHS[moment.month - 1]} {moment.year:04d} "
        f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} GMT"
    )


def parse_date(text: str | None) -> datetime | None:
    """The moment (aware, UTC) of an HTTP date in any of the three forms, or None where the text is absent or is none
    of them.

    A two-digit year that seems to lie more than 50 years ahead is one of the past century. The name of the day is not
    checked against the date. A day of one digit, which many write, is understood. A leap second counts as the second
    before it.
    """
    if text is None:
        return None
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            return _moment(match)
    return None


def _moment(match: re.Match[str]) -> datetime | None:
    year = int(match["year"])
    if len(match["year"]) == 2:
        now = time.gmtime().tm_year
        year += now - now % 100
        if year > now + 50:
            year -= 100
    second = 59 if match["second"] == "60" else int(match["second"])
    try:
        return datetime(
            year,
            _MONTH_NUMBER[match["month"]],
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            second,
            tzinfo=UTC,
        )
    except ValueError:
        return None


_date_second = -1
_date_text = ""
_date_bytes = b""


def date_header() -> str:
    """The value of the Date header for now; formatted once a second."""
    _refresh()
    return _date_text


def date_header_bytes() -> bytes:
    """date_header() as ASCII bytes, kept for writers that assemble a head from bytes."""
    _refresh()
    return _date_bytes


def _refresh() -> None:
    global _date_second, _date_text, _date_bytes  # noqa: PLW0603 - the cache of one value is the point of these functions
    now = int(time.time())
    if now != _date_second:
        _date_text = format_date(now)
        _date_bytes = _date_text.encode("ascii")
        _date_second = now
