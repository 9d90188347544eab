"""Media types and the choice between alternatives: Content-Type (RFC 9110 8.3), Accept and Accept-Encoding with
their weights (12.4, 12.5). A header of the peer's wishes is read leniently, for a wish that cannot be read is only
not granted; a Content-Type is read strictly, for what cannot be read must not be guessed at."""

import re
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from .limits import MAX_ACCEPT_ITEMS
from .parameters import TOKEN, quote_value, scan_parameters, skip_space, unescape

# RFC 9110 12.4.2 asks for a digit before the point and at most three behind it, and programs that format a float, or
# write `.2` as the URL connections of Java, do not know that.
_WEIGHT: Final = re.compile(r"0(?:\.[0-9]*+)?|\.[0-9]++|1(?:\.0*+)?")
_MEDIA_RANGE: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]++)/([!#$%&'*+\-.^_`|~0-9A-Za-z]++)")
_OTHER_NAMES: Final = {"x-gzip": "gzip", "x-compress": "compress"}  # RFC 9110 8.4.1: recipients treat them as the same
_NO_PARAMETERS: Final[MappingProxyType[str, str]] = MappingProxyType({})


class MediaType(NamedTuple):
    """A media type: `type` and `subtype` in lower case, and its parameters (names in lower case, values unquoted)."""

    type: str
    subtype: str
    parameters: MappingProxyType[str, str] = _NO_PARAMETERS

    @property
    def essence(self) -> str:
        """`type/subtype`, without the parameters."""
        return f"{self.type}/{self.subtype}"

    @property
    def suffix(self) -> str:
        """The structured syntax after the last plus, as `json` of `application/problem+json`; "" without one (RFC
        6839)."""
        return self.subtype.rpartition("+")[2] if "+" in self.subtype else ""

    @property
    def charset(self) -> str | None:
        """The charset parameter, in lower case."""
        charset = self.parameters.get("charset")
        return charset.lower() if charset is not None else None

    def is_json(self) -> bool:
        """Whether this is `application/json` or any type with the suffix `+json`."""
        return self.essence == "application/json" or self.suffix == "json"

    def __str__(self) -> str:
        return self.essence + "".join(f"; {name}={quote_value(value)}" for name, value in self.parameters.items())


def parse_media_type(text: str) -> MediaType:
    """The media type of a Content-Type value.

    Raises ValueError where the value is not `type/subtype` with well-formed parameters, or names one parameter twice:
    two readers could then disagree on which boundary or charset holds.
    """
    match = _MEDIA_RANGE.match(text, skip_space(text, 0))
    if match is None:
        raise ValueError(f"expected a media type such as 'text/html; charset=utf-8', got {text[:200]!r}")
    found, end = scan_parameters(text, match.end())
    if skip_space(text, end) != len(text):
        raise ValueError(f"unexpected text at position {end} of the media type {text[:200]!r}")
    parameters = {name: unescape(value) if quoted else value for name, value, quoted in found}
    if len(parameters) != len(found):
        raise ValueError(f"a parameter is given twice in the media type {text[:200]!r}")
    return MediaType(match[1].lower(), match[2].lower(), MappingProxyType(parameters) if parameters else _NO_PARAMETERS)


class Preference(NamedTuple):
    """One item of an Accept-like header: its value in lower case, its weight from 0 to 1, and parameters other
    than the weight."""

    value: str
    weight: float
    parameters: MappingProxyType[str, str] = _NO_PARAMETERS


def parse_preferences(text: str) -> list[Preference]:
    """The items of an Accept, Accept-Encoding, Accept-Language or Accept-Charset value, in the order given.

    An item that is malformed is left out, as is everything after MAX_ACCEPT_ITEMS.
    """
    found = []
    for item in _split_list(text):
        preference = _preference(item)
        if preference is not None:
            found.append(preference)
    return found


def parse_accept(text: str) -> list[Preference]:
    """The media ranges of an Accept value, best first: by weight, then by how specific they are, then in the order
    given. `*` alone, which some clients send, is `*/*`; a range such as `*/html` has no meaning and is left out."""
    items = (item._replace(value="*/*") if item.value == "*" else item for item in parse_preferences(text))
    ranges = [item for item in items if "/" in item.value and (item.value[0] != "*" or item.value == "*/*")]
    return sorted(ranges, key=lambda item: (-item.weight, -_specificity(item)))


def quality(media_type: str, accept: str | Sequence[Preference] | None) -> float:
    """The weight from 0 to 1 that an Accept value gives to a media type: that of the most specific range that matches
    it.

    Without an Accept header (None, an empty one, or one of which nothing can be read) everything is acceptable with
    weight 1.
    """
    ranges = parse_accept(accept) if isinstance(accept, str) else accept
    return _quality(parse_media_type(media_type), ranges) if ranges else 1.0


def best_match(available: Iterable[str], accept: str | None) -> str | None:
    """The media type of those on offer (the server's favourite first) that the Accept value likes best, or None
    where it takes none."""
    ranges = parse_accept(accept) if accept is not None else []
    best: str | None = None
    best_weight = 0.0
    for offer in available:
        weight = _quality(parse_media_type(offer), ranges) if ranges else 1.0
        if weight > best_weight:
            best, best_weight = offer, weight
    return best


def negotiate_coding(accept_encoding: str | None, available: Sequence[str]) -> str | None:
    """The content coding to answer with (RFC 9110 12.5.3): one of those on offer, or "identity" for none at all.

    `available` has the server's favourite first, which decides between equal weights; `identity` need not be in it.
    Without the header no coding is applied, for such clients seldom decode. None means that the client refuses even
    the plain form (`identity;q=0`).
    """
    if accept_encoding is None:
        return "identity"
    weights = {_OTHER_NAMES.get(item.value, item.value): item.weight for item in parse_preferences(accept_encoding)}
    others = weights.get("*", 0.0)
    best: str | None = None
    best_weight = 0.0
    for offer in available:
        weight = weights.get(offer, others)
        if offer != "identity" and weight > best_weight:
            best, best_weight = offer, weight
    if "identity" in weights:
        plain = weights["identity"]
    elif weights.get("*") == 0.0:
        plain = 0.0
    else:
        return (
            best or "identity"
        )  # unnamed, the plain form is acceptable, but any coding that the client takes is preferred
    return "identity" if plain > best_weight else best


def split_codings(text: str) -> list[str]:
    """The codings of a Content-Encoding value in the order they were applied, in lower case, `identity` and old
    aliases resolved."""
    names = (item.strip(" \t").lower() for item in text.split(","))
    return [_OTHER_NAMES.get(name, name) for name in names if name and name != "identity"]


def _split_list(text: str) -> Iterable[str]:
    """The elements of a comma-separated list; a comma inside a quoted string does not end an element."""
    if '"' not in text:
        return text.split(",", MAX_ACCEPT_ITEMS)[:MAX_ACCEPT_ITEMS]
    return (match[0] for match, _ in zip(_ELEMENT.finditer(text), range(MAX_ACCEPT_ITEMS), strict=False) if match[0])


# A quoted string that does not end takes all the rest with it, lest every quote begin another search for an end.
_ELEMENT: Final = re.compile(r'(?:[^,"]++|"(?:[^"\\]++|\\.)*+"?+)*+', re.DOTALL)


def _preference(item: str) -> Preference | None:
    start = skip_space(item, 0)
    match = _MEDIA_RANGE.match(item, start) or TOKEN.match(item, start)
    if match is None:
        return None
    try:
        found, end = scan_parameters(item, match.end())
    except ValueError:
        return None
    if skip_space(item, end) != len(item):
        return None
    weight = 1.0
    parameters = {}
    for name, value, quoted in found:
        if name == "q":
            if _WEIGHT.fullmatch(value) is None:
                return None
            weight = float(value)
            break  # what follows the weight are extensions of Accept, which RFC 9110 has dropped
        parameters[name] = unescape(value) if quoted else value
    return Preference(match[0].lower(), weight, MappingProxyType(parameters) if parameters else _NO_PARAMETERS)


def _specificity(item: Preference) -> int:
    main, _, sub = item.value.partition("/")
    return (main != "*") * 1000 + (sub != "*") * 100 + len(item.parameters)


def _quality(media: MediaType, ranges: Sequence[Preference]) -> float:
    best = -1
    weight = 0.0
    for item in ranges:
        main, _, sub = item.value.partition("/")
        if main not in ("*", media.type) or sub not in ("*", media.subtype):
            continue
        if not all(_has_parameter(media, name, value) for name, value in item.parameters.items()):
            continue
        specificity = _specificity(item)
        if specificity > best:
            best, weight = specificity, item.weight
    return weight


def _has_parameter(media: MediaType, name: str, value: str) -> bool:
    found = media.parameters.get(name)
    return found == value or (name == "charset" and found is not None and found.lower() == value.lower())
