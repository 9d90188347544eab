"""Cookies (RFC 6265bis). Reading is lenient, linear and capped: a Cookie header is cut at its semicolons and nowhere
else, a bad pair is dropped and the others are kept. Writing is strict: what a browser could read in two ways raises
ValueError before it is sent.

Three rules are about safety. Only space and tab are trimmed, since other whitespace would let `\\xa0__Host-x` pass
for `__Host-x`. A pair without a name is dropped, so that `=__Host-x=v` never becomes a cookie of that name. A quoted
value never reaches across a semicolon, so that no cookie can swallow its neighbours."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from .dates import MONTHS, format_date
from .errors import LimitExceeded
from .limits import (
    MAX_COOKIE_ATTRIBUTE,
    MAX_COOKIE_HEADER,
    MAX_COOKIE_PAIRS,
    MAX_COOKIE_SECONDS,
    MAX_COOKIE_SIZE,
)

logger = logging.getLogger("levante.http.cookies")

_ESCAPE: Final = re.compile(r"\\(?:([0-3][0-7]{2})|(.))")
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r'[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*|"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"')
_PATH: Final = re.compile(r"/[\x21-\x3a\x3c-\x7e]*")
_DOMAIN: Final = re.compile(r"\.?[A-Za-z0-9_](?:[A-Za-z0-9\-_.:]*[A-Za-z0-9_])?")
_SAMESITE: Final = {"lax": "Lax", "strict": "Strict", "none": "None"}

# Some servers leave the semicolon before an attribute out.
_LOST_SEMICOLON: Final = re.compile(
    r"(?<![;\s])[ \t]+(?=(?:path|domain|max-age|samesite|expires)=|(?:secure|httponly|partitioned)(?:[ \t;]|$))",
    re.IGNORECASE,
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# A value in quotes is no place for attributes.
_QUOTED_VALUE: Final = re.compile(r'[^=;]*+=[ \t]*+"[^";]*+"')
_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MAX_AGE: Final = re.compile(r"-?[0-9]+")

_DATE_TOKENS: Final = re.compile(r"[^\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_DATE_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DATE_DAY: Final = re.compile(r"([0-9]{1,2})(?![0-9])")
_DATE_YEAR: Final = re.compile(r"([0-9]{2,4})(?![0-9])")
_DATE_ZONE: Final = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})[ \t]*$")
_MONTH_NUMBER: Final = {name.lower(): number for number, name in enumerate(MONTHS, 1)}


def parse_cookie_pairs(
    text: str, *, max_cookies: int = MAX_COOKIE_PAIRS, max_cookie_size: int = MAX_COOKIE_HEADER
) -> list[tuple[str, str]]:
    """Every (name, value) of a Cookie header in the order sent, duplicates included; values unquoted.

    Pairs without a name, or with control or non-ASCII characters, are dropped, and said so once at debug level. Raises
    LimitExceeded (431) for more than `max_cookies` pairs, empty ones included, or `max_cookie_size` characters.
    """
    if len(text) > max_cookie_size:
        raise LimitExceeded("max_cookie_size", maximum=max_cookie_size, actual=len(text))
    pieces = text.rstrip("; \t").split(";", max_cookies)
    if len(pieces) > max_cookies:
        raise LimitExceeded("max_cookies", maximum=max_cookies)
    pairs = []
    dropped = 0
    for piece in pieces:
        name, equals, value = piece.partition("=")
        name = name.strip(" \t")
        if equals and name and piece.isascii() and (piece.isprintable() or _is_clean(name, value)):
            pairs.append((name, _unquote(value.strip(" \t"))))
        elif piece.strip(" \t"):
            dropped += 1
    if dropped:
        logger.debug("dropped %d malformed of %d cookies in a request", dropped, len(pieces))
    return pairs


def parse_cookie(
    text: str, *, max_cookies: int = MAX_COOKIE_PAIRS, max_cookie_size: int = MAX_COOKIE_HEADER
) -> dict[str, str]:
    """The cookies of a Cookie header by name; see parse_cookie_pairs().

    Of several with one name the first holds: browsers send the one with the longest, most specific path first (RFC
    6265bis 5.8.3).
    """
    cookies: dict[str, str] = {}
    for name, value in parse_cookie_pairs(text, max_cookies=max_cookies, max_cookie_size=max_cookie_size):
        cookies.setdefault(name, value)
    return cookies


def format_cookie(cookies: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """The value of a Cookie header: `a=1; b=2`.

    Raises ValueError for a name or value that would become another cookie, or another header, on the way.
    """
    pairs = cookies.items() if isinstance(cookies, Mapping) else cookies
    return "; ".join(f"{_sendable(name, what='name')}={_sendable(value, what='value')}" for name, value in pairs)


@dataclass(frozen=True, slots=True)
class SetCookie:
    """One Set-Cookie: its name, value and attributes.

    `max_age` is in seconds, `expires` an aware datetime; `samesite` is `Lax`, `Strict`, `None` (a string) or absent.
    `host_only` says that no Domain was given, so that the cookie belongs to the very host that set it. `raw_value` is
    a received value before its quotes were taken off, which is what has to be sent back.
    """

    name: str
    value: str
    path: str | None = None
    domain: str | None = None
    max_age: int | None = None
    expires: datetime | None = None
    secure: bool = False
    httponly: bool = False
    samesite: str | None = None
    partitioned: bool = False
    host_only: bool = True
    raw_value: str | None = None

    def header(self) -> str:
        """The value of the Set-Cookie header.

        Raises ValueError where RFC 6265bis 4.1 does not allow it: characters that would end the name, value, path or
        domain; a `__Host-` or `__Secure-` name without what it promises; SameSite=None or Partitioned without Secure;
        more than 4,096 bytes.
        """
        self._check_characters()
        self._check_promises()
        text = f"{self.name}={self.value}"
        if self.domain is not None:
            text += f"; Domain={self.domain}"
        if self.path is not None:
            text += f"; Path={self.path}"
        if self.max_age is not None:
            text += f"; Max-Age={int(self.max_age)}"
        if self.expires is not None:
            text += f"; Expires={format_date(self.expires)}"
        if self.secure:
            text += "; Secure"
        if self.httponly:
            text += "; HttpOnly"
        if self.partitioned:
            text += "; Partitioned"
        if self.samesite is not None:
            text += f"; SameSite={_SAMESITE[self.samesite.lower()]}"
        if len(text) > MAX_COOKIE_SIZE:
            raise ValueError(f"cookie {self.name!r} takes {len(text)} bytes; browsers keep at most {MAX_COOKIE_SIZE}")
        return text

    def _check_characters(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(f"cookie name {self.name!r} is not a token; use letters, digits, '-', '_' or '.'")
        if _VALUE.fullmatch(self.value) is None:
            raise ValueError(
                f"the value of cookie {self.name!r} has a space, quote, comma, semicolon, backslash, control or"
                " non-ASCII character; encode it, for example with urllib.parse.quote or base64"
            )
        if self.path is not None and _PATH.fullmatch(self.path) is None:
            raise ValueError(f"cookie path {self.path!r} is not '/...' without spaces, semicolons and controls")
        if self.domain is not None and _DOMAIN.fullmatch(self.domain) is None:
            raise ValueError(f"cookie domain {self.domain!r} is not a host name")
        if self.samesite is not None and self.samesite.lower() not in _SAMESITE:
            raise ValueError(f"samesite is {self.samesite!r}; expected 'Lax', 'Strict' or 'None'")

    def _check_promises(self) -> None:
        name = self.name.lower()  # browsers compare the prefixes without regard to case
        if name.startswith("__host-") and not (self.secure and self.path == "/" and self.domain is None):
            raise ValueError(f"cookie {self.name!r} needs secure=True, path='/' and no domain, or browsers refuse it")
        if name.startswith("__secure-") and not self.secure:
            raise ValueError(f"cookie {self.name!r} needs secure=True, or browsers refuse it")
        if self.samesite is not None and self.samesite.lower() == "none" and not self.secure:
            raise ValueError(f"cookie {self.name!r} with samesite='None' needs secure=True, or browsers refuse it")
        if self.partitioned and not self.secure:
            raise ValueError(f"partitioned cookie {self.name!r} needs secure=True, or browsers refuse it")


def parse_set_cookie(values: Iterable[str]) -> list[SetCookie]:
    """The cookies of Set-Cookie header values, one each, in order; duplicates stay (RFC 6265bis 5.6, read leniently).

    A value without a name, with control characters, or with name and value above 4,096 characters is left out; an
    attribute that cannot be read is passed over. Lost semicolons before attributes, dates in any old form and a
    leading dot of the domain are taken.
    """
    found = (_parse_one(value) for value in values)
    return [cookie for cookie in found if cookie is not None]


def parse_cookie_date(text: str) -> datetime | None:
    """The moment (aware, UTC) of an Expires attribute, in whatever order its parts stand (RFC 6265bis 5.1.1); None
    where it has none.

    A numeric zone at the end, which the RFC ignores, is honoured.
    """
    zone = _DATE_ZONE.search(text[:MAX_COOKIE_ATTRIBUTE])
    parts: dict[str, tuple[int, ...]] = {}
    for token in _DATE_TOKENS.findall((text[: zone.start()] if zone else text)[:MAX_COOKIE_ATTRIBUTE]):
        _take_date_token(token, parts)
    if len(parts) != 4:
        return None
    year = parts["year"][0]
    if year < 100:
        year += 1900 if year >= 70 else 2000
    try:
        hour, minute, second = parts["time"]
        moment = datetime(year, parts["month"][0], parts["day"][0], hour, minute, second, tzinfo=UTC)
        if zone is not None and year > 1600:
            offset = timedelta(hours=int(zone[2]), minutes=int(zone[3]))
            moment = moment - offset if zone[1] == "+" else moment + offset
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= 1601 else None


def _is_clean(name: str, value: str) -> bool:
    return name.isprintable() and value.strip(" \t").isprintable()


def _unquote(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    value = value[1:-1]
    return _ESCAPE.sub(_unescape, value) if "\\" in value else value


def _unescape(match: re.Match[str]) -> str:
    """A control character stays escaped: a value that was dropped for a line end must not get in with `\\012`."""
    character = chr(int(match[1], 8)) if match[1] else match[2]
    return match[0] if _CONTROL.match(character) else character


def _sendable(text: str, *, what: str) -> str:
    if (
        not text.isascii()
        or not text.isprintable()
        or ";" in text
        or (what == "name" and ("=" in text or not text.strip()))
    ):
        raise ValueError(
            f"cookie {what} {text!r} is empty or has a semicolon, control or non-ASCII character; encode it"
        )
    return text


def _parse_one(text: str) -> SetCookie | None:
    if _FORBIDDEN.search(text) is not None:
        return None
    quoted = _QUOTED_VALUE.match(text)
    start = quoted.end() if quoted is not None else 0
    first, *attributes = (text[:start] + _LOST_SEMICOLON.sub(";", text[start:])).split(";")
    name, equals, raw_value = (part.strip(" \t") for part in first.partition("="))
    if not equals or not name or len(name) + len(raw_value) > MAX_COOKIE_SIZE:
        return None
    facts: dict[str, str] = {}
    for attribute in attributes:
        key, _, value = attribute.partition("=")
        if len(value) <= MAX_COOKIE_ATTRIBUTE:
            facts[key.strip(" \t").lower()] = value.strip(" \t")  # the last of several holds
    domain = facts.get("domain", "").lower() or None
    if domain is not None and not domain.startswith(".."):  # which matches no host, and must not come to match one
        domain = domain.removeprefix(".") or None
    path = facts.get("path", "")
    return SetCookie(
        name,
        _unquote(raw_value),
        path=path if path.startswith("/") else None,
        domain=domain,
        max_age=_max_age(facts.get("max-age", "")),
        expires=parse_cookie_date(facts["expires"]) if "expires" in facts else None,
        secure="secure" in facts,
        httponly="httponly" in facts,
        samesite=_SAMESITE.get(facts.get("samesite", "").lower()),
        partitioned="partitioned" in facts,
        host_only=domain is None,
        raw_value=raw_value,
    )


def _max_age(text: str) -> int | None:
    if _MAX_AGE.fullmatch(text) is None:
        return None
    if text[0] == "-":
        return 0
    return min(int(text[:20]), MAX_COOKIE_SECONDS)


def _take_date_token(token: str, parts: dict[str, tuple[int, ...]]) -> None:
    """Gives a token of a date to the first part that is still missing and that it can be, in the order of RFC
    6265bis 5.1.1."""
    if "time" not in parts and (match := _DATE_TIME.match(token)) is not None:
        parts["time"] = (int(match[1]), int(match[2]), int(match[3]))
    elif "day" not in parts and (match := _DATE_DAY.match(token)) is not None:
        parts["day"] = (int(match[1]),)
    elif "month" not in parts and token[:3].lower() in _MONTH_NUMBER:
        parts["month"] = (_MONTH_NUMBER[token[:3].lower()],)
    elif "year" not in parts and (match := _DATE_YEAR.match(token)) is not None:
        parts["year"] = (int(match[1]),)
