"""Paths of routes. Everything is compared in one form, that of `levante.http.target.decode_path`: percent-encoding is
decoded, except `%2F` and `%25`, so that an encoded slash never becomes a segment border; in an extracted value these
two are decoded as well. Route paths may be written encoded or not; the literal parts of a pattern are decoded once,
when the route is added.
"""

import re
from typing import NamedTuple

from yarl import URL

from levante.http.target import decode_path, requote_path

_FIELD = re.compile(r"(\{[_a-zA-Z][^{}]*(?:\{[^{}]*\}[^{}]*)*\})")
_PLAIN_FIELD = re.compile(r"\{(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)\}")
_REGEX_FIELD = re.compile(r"\{(?P<name>[_a-zA-Z][_a-zA-Z0-9]*):(?P<regex>.+)\}")
_ANY_SEGMENT = r"[^{}/]+"


class PathPattern(NamedTuple):
    """A dynamic path: what it matches (on the decoded path), how to build it (`{name}` fields, literals encoded), and
    its literal beginning.
    """

    regex: re.Pattern[str]
    formatter: str
    literal_prefix: str


def quote_value(value: str) -> str:
    """Percent-encode a value that goes into a path; a `/` in it stays, a `%` does not. Raises ValueError for half of a
    surrogate pair, as in the name of a file whose bytes are no UTF-8: no URL can say it."""
    value.encode()  # raises UnicodeEncodeError, a ValueError; yarl would leave the character out
    return URL.build(path=value).raw_path


def is_dynamic(path: str) -> bool:
    """Whether `path` has (or tries to have) a `{field}`."""
    return "{" in path or "}" in path


def compile_path(path: str) -> PathPattern:
    """Compile a path with `{name}` and `{name:regex}` fields (one level of braces inside the regex).

    Raises ValueError for a stray brace, a field name that is no identifier, a name used twice, or a bad regex.
    """
    regex, formatter = "", ""
    for part in _FIELD.split(path):
        if plain := _PLAIN_FIELD.fullmatch(part):
            regex += f"(?P<{plain['name']}>{_ANY_SEGMENT})"
            formatter += f"{{{plain['name']}}}"
        elif custom := _REGEX_FIELD.fullmatch(part):
            regex += f"(?P<{custom['name']}>{custom['regex']})"
            formatter += f"{{{custom['name']}}}"
        elif "{" in part or "}" in part:
            raise ValueError(f"invalid path {path!r}: {part!r} is no field; write {{name}} or {{name:regex}}")
        else:
            literal = decode_path(part)
            regex += re.escape(literal)
            formatter += requote_path(part)
    try:
        compiled = re.compile(regex)
    except re.error as exc:
        raise ValueError(f"bad pattern {regex!r} made of path {path!r}: {exc}") from None
    return PathPattern(compiled, formatter, decode_path(path.partition("{")[0]))
