"""WWW-Authenticate, read (RFC 9110 section 11.6.1): a list of challenges, each a scheme with either parameters or one
opaque token. Several may stand in one field, several fields may come, and commas separate both challenges and
parameters. Linear in the text. What follows something that is not to be understood is ignored."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from levante.http.parameters import TOKEN, scan_value, skip_space, unescape

_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]++=*+(?=[ \t]*+(?:,|$))")
_BETWEEN = re.compile(r"[ \t,]*+")


class Challenge(NamedTuple):
    """`scheme` in lower case, `parameters` by name in lower case (the first of each counts), `token` or ""."""

    scheme: str
    parameters: dict[str, str]
    token: str = ""


def parse_challenges(fields: Iterable[str]) -> list[Challenge]:
    """The challenges of all WWW-Authenticate (or Proxy-Authenticate) `fields`, in their order."""
    return [challenge for field in fields for challenge in _parse_field(field)]


def _parse_field(text: str) -> list[Challenge]:
    found: list[Challenge] = []
    position = _skip(text, 0)
    while position < len(text):
        try:
            parameter = _parameter(text, position) if found else None
        except ValueError:
            break
        if parameter is not None:
            name, value, position = parameter
            found[-1].parameters.setdefault(name, value)
        else:
            scheme = TOKEN.match(text, position)
            if scheme is None:
                break
            position = skip_space(text, scheme.end())
            opaque = _TOKEN68.match(text, position) if position > scheme.end() else None
            found.append(Challenge(scheme[0].lower(), {}, "" if opaque is None else opaque[0]))
            position = position if opaque is None else opaque.end()
        position = _skip(text, position)
    return found


def _parameter(text: str, position: int) -> tuple[str, str, int] | None:
    """The name, the value and the end of a parameter, None where there is none. ValueError for one without a value."""
    name = TOKEN.match(text, position)
    if name is None:
        return None
    position = skip_space(text, name.end())
    if text[position : position + 1] != "=":
        return None
    value, end, quoted = scan_value(text, skip_space(text, position + 1))
    return name[0].lower(), unescape(value) if quoted else value, end


def _skip(text: str, position: int) -> int:
    match = _BETWEEN.match(text, position)
    return position if match is None else match.end()
