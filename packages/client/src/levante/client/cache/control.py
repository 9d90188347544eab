"""Cache-Control (RFC 9111 section 5.2): the directives of a message, read so that a doubt leads to less caching."""

import re
from collections.abc import Iterable, Mapping

# Seconds that a cache must be able to count to (RFC 9111 section 1.2.2); longer is as good as for ever.
MAX_DELTA = 2**31
_MAX_DIGITS = 10
# Those that keep a cache from something: they count even where what stands around them is not to be understood.
_RESTRICTING = frozenset({"max-age", "must-revalidate", "must-understand", "no-cache", "no-store", "private"})
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DIRECTIVE = re.compile(r'([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)(?:[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^ \t,"]*))?[ \t]*(?:,|$)')


class Directives:
    """The directives of a message by name, in lower case. One that occurs twice with different values has none that
    can be believed."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def is_bare(self, name: str) -> bool:
        """Whether `name` is there without a value."""
        return self._values.get(name) == ""

    def seconds(self, name: str) -> int | None:
        """The number of seconds that `name` says; None where it is absent, 0 where it says something else."""
        text = self._values.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal()):
            return 0
        return min(int(text), MAX_DELTA) if len(text) <= _MAX_DIGITS else MAX_DELTA


def parse_cache_control(fields: Iterable[str]) -> Directives:
    """The directives of the Cache-Control `fields` of a message. What does not keep to the grammar, up to the next
    comma, is only good for names that mean less caching (`no-store; max-age=60` is one that servers write)."""
    values: dict[str, str] = {}
    for field in fields:
        position = 0
        while position < len(field):
            if field[position] in ", \t":
                position += 1
                continue
            match = _DIRECTIVE.match(field, position)
            if match is None:
                broken = field[position:].partition(",")[0]
                position += len(broken) + 1
                values.update({name: "" for name in _TOKEN.findall(broken.lower()) if name in _RESTRICTING})
                continue
            position = match.end()
            name, value = match[1].lower(), _unquoted(match[2] or "")
            values[name] = "" if values.get(name, value) != value else value
    return Directives(values)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
