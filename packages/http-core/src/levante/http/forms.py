"""Forms as application/x-www-form-urlencoded, read and written by the rules of the WHATWG URL standard: `&`
separates and `;` is data, `+` is a space, a `%` that begins no escape stands for itself, and bytes that are not
text become U+FFFD. The same grammar is a URL's query."""

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote_plus, unquote_to_bytes

from .errors import LimitExceeded, MalformedContent
from .limits import MAX_FORM_FIELDS
from .textcodecs import text_codec

_LEFT_AS_IT_IS: Final = "*"  # beside letters, digits, `-`, `.` and `_`, which quote_plus leaves as well


def parse_urlencoded(
    data: bytes | str, *, charset: str = "utf-8", max_fields: int = MAX_FORM_FIELDS
) -> list[tuple[str, str]]:
    """The (name, value) pairs of a urlencoded form or query, in order; blank values and names are kept, empty pieces
    are not.

    Line ends and spaces behind a body (bytes) are dropped. Raises LimitExceeded (413) for more than `max_fields`
    pairs, or twice as many empty pieces, and MalformedContent (415) for a charset that Python does not know.
    """
    codec = text_codec(charset)
    if codec is None:
        raise MalformedContent(f"unknown charset {charset[:100]!r}", status=415)
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data).rstrip(b" \t\r\n")
    pieces = raw.split(b"&", 2 * max_fields)  # bounded, while a stray `&` or two still passes
    cut_short = len(pieces) > 2 * max_fields  # the last one may be many
    pieces = [piece for piece in pieces if piece]
    if cut_short or len(pieces) > max_fields:
        raise LimitExceeded("max_fields", maximum=max_fields)
    pairs = []
    for piece in pieces:
        name, _, value = piece.partition(b"=")
        pairs.append((_decode(name, codec), _decode(value, codec)))
    return pairs


def encode_urlencoded(fields: Mapping[str, str] | Iterable[tuple[str, str]], *, charset: str = "utf-8") -> str:
    """The fields as a urlencoded form: ASCII text, ready to be a body or a query.

    Raises TypeError where a name or value is not a str, and UnicodeEncodeError where the charset cannot hold it.
    """
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    return "&".join(f"{_encode(name, charset)}={_encode(value, charset)}" for name, value in pairs)


def _decode(text: bytes, codec: str) -> str:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    if b"%" in text:
        text = unquote_to_bytes(text)
    return text.decode(codec, "replace")


def _encode(text: str, charset: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"a form field is a str, got {type(text).__name__}: {text!r}")
    return quote_plus(text, safe=_LEFT_AS_IT_IS, encoding=charset).replace("~", "%7E")
