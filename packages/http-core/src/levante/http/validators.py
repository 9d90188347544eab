"""Validators and conditions (RFC 9110 8.8, 13, 14): entity tags, If-Match and its kin, Range and If-Range.
Everything is a pure function of header values and of what is known about the representation; who serves a file or
a computed answer asks `evaluate_preconditions` once, which walks the conditions in the order of 13.2.2."""

import enum
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from .dates import parse_date
from .limits import MAX_ETAGS, MAX_RANGE_DIGITS, MAX_RANGES

ETAG_ANY: Final = "*"

_ETAG: Final = re.compile(r'(W/)?"([!\x23-\x7e\x80-\xff]*+)"')
_ETAG_SEPARATOR: Final = re.compile(r"[ \t]*+(?:,[ \t]*+)+")
_RANGE: Final = re.compile(r"([0-9]*+)-([0-9]*+)")


@dataclass(frozen=True, slots=True)
class ETag:
    """An entity tag: the text between the quotes, and whether it is weak (`W/"..."`). The value `*` stands for any
    tag in If-Match."""

    value: str
    is_weak: bool = False

    def __str__(self) -> str:
        """The tag as a header value. Raises ValueError where the value has characters that an entity tag cannot
        have."""
        if self.value == ETAG_ANY and not self.is_weak:
            return ETAG_ANY
        text = f'"{self.value}"'
        if _ETAG.fullmatch(text) is None:
            raise ValueError(f"entity tag {self.value!r} has a quote, a space, a control or a character beyond latin-1")
        return f"W/{text}" if self.is_weak else text

    def matches(self, other: "ETag", *, weakly: bool) -> bool:
        """Whether two tags are equal by the weak comparison, or by the strong one, which no weak tag passes (RFC
        9110 8.8.3.2)."""
        return self.value == other.value and (weakly or not (self.is_weak or other.is_weak))


def parse_etags(text: str | None) -> tuple[ETag, ...] | None:
    """The entity tags of an If-Match or If-None-Match value; None where the header is absent.

    `*` gives a single tag with that value. Reading stops at the first thing that is no entity tag, or after MAX_ETAGS.
    """
    if text is None:
        return None
    if text.strip(" \t") == ETAG_ANY:
        return (ETag(ETAG_ANY),)
    found: list[ETag] = []
    position = 0
    while len(found) < MAX_ETAGS and (match := _ETAG.match(text, position)) is not None:
        if match[2] != ETAG_ANY:  # a quoted star is an ordinary tag, which must not pass for the bare one
            found.append(ETag(match[2], is_weak=match[1] is not None))
        separator = _ETAG_SEPARATOR.match(text, match.end())
        if separator is None:
            break
        position = separator.end()
    return tuple(found)


class Verdict(enum.Enum):
    """What the conditions of a request ask for."""

    PROCEED = enum.auto()  # answer as if there were no conditions
    NOT_MODIFIED = enum.auto()  # answer 304
    FAILED = enum.auto()  # answer 412, and do nothing


def evaluate_preconditions(
    method: str,
    headers: Mapping[str, str],
    *,
    etag: ETag | None,
    last_modified: datetime | None,
    exists: bool = True,
) -> Verdict:
    """What the conditional headers of a request come to, in the order of RFC 9110 13.2.2.

    `headers` maps names without regard to case. `etag` and `last_modified` (aware) describe the current
    representation, where `exists` says that there is one. Ask only where the answer without conditions would be 2xx.
    """
    if_match = parse_etags(headers.get("If-Match"))
    if if_match is not None:
        if not _any_match(if_match, etag, exists=exists, weakly=False):
            return Verdict.FAILED
    else:
        unmodified_since = parse_date(headers.get("If-Unmodified-Since"))
        if unmodified_since is not None and last_modified is not None and _seconds(last_modified) > unmodified_since:
            return Verdict.FAILED
    if_none_match = parse_etags(headers.get("If-None-Match"))
    reads = method in ("GET", "HEAD")
    if if_none_match is not None:
        if _any_match(if_none_match, etag, exists=exists, weakly=True):
            return Verdict.NOT_MODIFIED if reads else Verdict.FAILED
    elif reads and last_modified is not None:
        modified_since = parse_date(headers.get("If-Modified-Since"))
        if modified_since is not None and _seconds(last_modified) <= modified_since:
            return Verdict.NOT_MODIFIED
    return Verdict.PROCEED


def range_still_holds(if_range: str | None, *, etag: ETag | None, last_modified: datetime | None) -> bool:
    """Whether a Range may be honoured, given the If-Range value (RFC 9110 13.1.5); without If-Range it may.

    An entity tag must be strong and equal. A date holds where the representation is not younger than it.
    """
    if if_range is None:
        return True
    match = _ETAG.fullmatch(if_range.strip(" \t"))
    if match is not None:
        return etag is not None and ETag(match[2], is_weak=match[1] is not None).matches(etag, weakly=False)
    date = parse_date(if_range)
    return date is not None and last_modified is not None and _seconds(last_modified) <= date


@dataclass(frozen=True, slots=True)
class ByteRange:
    """One range as asked for: `first` to `last`, both inclusive; `last` None is up to the end; `first` None is the
    last `last` bytes."""

    first: int | None
    last: int | None

    def resolve(self, size: int) -> tuple[int, int] | None:
        """The half-open interval (start, stop) within a representation of `size` bytes, or None where the range
        lies outside of it."""
        if self.first is None:
            start, stop = max(0, size - (self.last or 0)), size
        else:
            start, stop = self.first, size if self.last is None else min(self.last + 1, size)
        return (start, stop) if start < stop else None


def parse_ranges(text: str) -> tuple[ByteRange, ...]:
    """The ranges of a `Range: bytes=...` value.

    Empty elements of the list are passed over (RFC 9110 5.6.1). Raises ValueError for another unit, no range at all,
    malformed or backward ranges, digits that are not ASCII, or more than MAX_RANGES.
    """
    unit, equals, rest = text.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes":
        raise ValueError(f"expected a range in bytes such as 'bytes=0-499', got {text[:200]!r}")
    items = rest.split(",", MAX_RANGES)
    if len(items) > MAX_RANGES:
        raise ValueError(f"more than {MAX_RANGES} ranges in one request")
    ranges = tuple(_byte_range(item, text) for part in items if (item := part.strip(" \t")))
    if not ranges:
        raise ValueError(f"expected a range such as 'bytes=0-499', got {text[:200]!r}")
    return ranges


def parse_range(text: str | None) -> slice:
    """The one range of a Range value as a slice: a suffix gives a negative start, an absent header the whole.

    Raises ValueError where the value is malformed or asks for several ranges.
    """
    if text is None:
        return slice(None, None, 1)
    ranges = parse_ranges(text)
    if len(ranges) != 1:
        raise ValueError(f"expected a single range, got {text[:200]!r}")
    only = ranges[0]
    if only.first is None:
        if not only.last:
            raise ValueError("the last 0 bytes are no range")  # slice(-0, None) would be the whole
        return slice(-only.last, None, 1)
    return slice(only.first, None if only.last is None else only.last + 1, 1)


def resolve_ranges(ranges: Sequence[ByteRange], size: int) -> list[tuple[int, int]]:
    """The half-open intervals to send of a representation of `size` bytes; none left means 416.

    Ranges outside are dropped. Where some overlap they are merged and sorted, so that no byte is ever sent twice;
    otherwise the order is the client's.
    """
    found = [interval for item in ranges if (interval := item.resolve(size)) is not None]
    ordered = sorted(found)
    if all(left[1] <= right[0] for left, right in itertools.pairwise(ordered)):
        return found
    merged = [ordered[0]]
    for start, stop in ordered[1:]:
        if start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _any_match(tags: Iterable[ETag], current: ETag | None, *, exists: bool, weakly: bool) -> bool:
    for tag in tags:
        if tag.value == ETAG_ANY and not tag.is_weak:
            return exists
        if current is not None and tag.matches(current, weakly=weakly):
            return True
    return False


def _byte_range(item: str, whole: str) -> ByteRange:
    match = _RANGE.fullmatch(item)
    if match is None or item == "-" or max(len(match[1]), len(match[2])) > MAX_RANGE_DIGITS:
        raise ValueError(f"malformed range {item[:100]!r} in {whole[:200]!r}")
    first = int(match[1]) if match[1] else None
    last = int(match[2]) if match[2] else None
    if first is not None and last is not None and first > last:
        raise ValueError(f"range {item!r} ends before it begins")
    return ByteRange(first, last)


def _seconds(moment: datetime) -> datetime:
    """The moment cut to whole seconds, which is all that an HTTP date can say."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(microsecond=0)
