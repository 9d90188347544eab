"""Tokens, quoted strings and `;`-separated parameters (RFC 9110 5.6), the grammar that Content-Type, Accept,
Content-Disposition and Forwarded share. Everything matches at a fixed position with possessive patterns, so the
work is linear in the text whatever the text is."""

import re
from typing import Final

from .limits import MAX_PARAMETERS

TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++")
CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f]")

# Any text but controls (HTAB is none here) between double quotes; a backslash takes the next character with it.
_QUOTED: Final = re.compile(r'"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]++|\\[^\x00-\x08\x0a-\x1f\x7f])*+)"')
_OWS: Final = re.compile(r"[ \t]*+")
_SEPARATOR: Final = re.compile(r"[ \t]*+;[ \t]*+")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


def is_token(text: str) -> bool:
    """Whether the text is a token: one or more of the characters that RFC 9110 5.6.2 allows in names."""
    return TOKEN.fullmatch(text) is not None


def skip_space(text: str, position: int) -> int:
    """The position of the next character that is neither space nor tab, which are the only whitespace of HTTP."""
    match = _OWS.match(text, position)
    return match.end() if match is not None else position


def unescape(text: str) -> str:
    """The inside of a quoted string without its backslashes."""
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def scan_value(text: str, position: int) -> tuple[str, int, bool]:
    """The token or quoted string at a position: its text (a quoted string still escaped), where it ends, and whether
    it was quoted.

    Raises ValueError where there is neither, or where the quoted string does not end.
    """
    if text[position : position + 1] == '"':
        match = _QUOTED.match(text, position)
        if match is None:
            raise ValueError(f"unterminated or invalid quoted string at position {position} of {text[:200]!r}")
        return match[1], match.end(), True
    match = TOKEN.match(text, position)
    if match is None:
        raise ValueError(f"expected a token or a quoted string at position {position} of {text[:200]!r}")
    return match[0], match.end(), False


def scan_parameters(text: str, position: int) -> tuple[list[tuple[str, str, bool]], int]:
    """The parameters that begin at a position (`; name=value; ...`), and the position behind them.

    Each is (name in lower case, value, whether the value was a quoted string, then still escaped). Empty parameters
    are passed over. Raises ValueError for a name without value, a malformed value, or more than MAX_PARAMETERS.
    """
    found: list[tuple[str, str, bool]] = []
    seen = 0
    while (separator := _SEPARATOR.match(text, position)) is not None:
        position = separator.end()
        seen += 1
        if seen > MAX_PARAMETERS:
            raise ValueError(f"more than {MAX_PARAMETERS} parameters in {text[:200]!r}")
        if position == len(text) or text[position] in ";,":
            continue
        name = TOKEN.match(text, position)
        if name is None or text[name.end() : name.end() + 1] != "=":
            raise ValueError(f"expected name=value at position {position} of {text[:200]!r}")
        value, position, quoted = scan_value(text, name.end() + 1)
        found.append((name[0].lower(), value, quoted))
    return found, position


def quote_value(text: str) -> str:
    """The text as a parameter value: as it is where it is a token, else as a quoted string.

    Raises ValueError for a control character (HTAB included), which no quoting makes safe in a header.
    """
    if is_token(text):
        return text
    refuse_controls(text, what="parameter value")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def refuse_controls(text: str, *, what: str) -> None:
    """Raise ValueError where the text has a control character, above all CR, LF or NUL, which would start a header
    of their own."""
    found = CONTROL_CHARACTER.search(text)
    if found is not None:
        raise ValueError(
            f"{what} {text[:200]!r} has the control character {found[0]!r}; remove it before it goes into a header"
        )
