"""What a session's data may be, and its text: JSON of plain types, with capped depth, never pickle. The walk over the
data runs only when something changed, and says by path what cannot be kept, where JSON itself would turn an int key
into text without a word."""

import json
import math
import re
from typing import Any, Final

from .errors import SealRejected, SessionPayloadError

MAX_DEPTH: Final = 32  # far above any honest session; json's own recursion limit is far above this

_SURROGATE = re.compile("[\ud800-\udfff]")
_decoder = json.JSONDecoder()
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def dumps(data: Any) -> str:  # Any: the shape of json.dumps, which users may put in its place
    """Compact JSON. Raises SessionPayloadError for what JSON cannot carry (a NaN, a cycle, a type of one's own)."""
    try:
        return _encoder.encode(data)
    except (TypeError, ValueError, RecursionError) as error:
        check(data)
        raise SessionPayloadError(f"JSON encoder: {type(error).__name__}") from None


def loads(text: str) -> Any:  # Any: the shape of json.loads
    """The value of a JSON text without blanks around it. Raises ValueError."""
    value, end = _decoder.raw_decode(text)  # half of what json.loads() takes for a short text
    if end != len(text):
        raise ValueError(f"there is more behind the JSON value, at character {end}")
    return value


def check_text(data: Any, text: str) -> None:  # Any: what is being checked
    """Raise SessionPayloadError unless `text`, which was made of `data`, stands for all of it.

    What comes back equal is made of plain JSON types: an int key would have come back as text. So the walk that finds
    the place of a fault is needed only where something is wrong, for tuples, and for what is deep.
    """
    if (
        text.count("{") + text.count("[") > MAX_DEPTH
        or not (text.isascii() or _SURROGATE.search(text) is None)
        or not _comes_back(data, text)
    ):
        check(data)


def _comes_back(data: Any, text: str) -> bool:  # Any: as in check_text
    try:
        return bool(loads(text) == data)
    except ValueError:  # the text of somebody's own encoder, which is no JSON
        return False


def check(value: object, where: str = "session", *, depth: int = 0) -> None:
    """Raise SessionPayloadError, with the path and never the value, for anything but plain JSON types at most
    MAX_DEPTH deep."""
    if depth > MAX_DEPTH:
        raise SessionPayloadError(f"nested deeper than {MAX_DEPTH} (or it contains itself)", where=where)
    if isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            raise SessionPayloadError("a str with a lone surrogate, which UTF-8 cannot carry", where=where)
    elif value is None or isinstance(value, (int, float)):
        if isinstance(value, float) and not math.isfinite(value):
            raise SessionPayloadError("a float that is not a finite number", where=where)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise SessionPayloadError(f"a key of type {type(key).__name__}", where=where)
            check(item, f"{where}[{key!r}]", depth=depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            check(item, f"{where}[{index}]", depth=depth + 1)
    else:
        raise SessionPayloadError(f"a value of type {type(value).__name__}", where=where)


def check_loaded(data: object, text: str) -> dict[str, Any]:
    """The decoded data as a dict, or SealRejected: an authentic text can still come from another program that has the
    key."""
    if not isinstance(data, dict):
        raise SealRejected("bad payload")
    if text.count("{") + text.count("[") > MAX_DEPTH:  # fewer brackets than that cannot nest deeper
        try:
            check(data)
        except SessionPayloadError:
            raise SealRejected("bad payload") from None
    return data
