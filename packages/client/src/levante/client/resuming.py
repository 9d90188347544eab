"""What makes an interrupted download go on where it stopped (RFC 9110 sections 13.1.5 and 14): which validator proves
that the bytes that are here belong to the same representation, what to ask for, and what an answer means. No I/O."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from yarl import URL

from levante.http import hdrs
from levante.http.dates import parse_date

PARTIAL = 206
UNSATISFIABLE = 416

# A Last-Modified that is so much older than its answer cannot hide a second change (RFC 9110 section 8.8.2.2).
_SETTLED = timedelta(seconds=60)
_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of an earlier attempt: `size` bytes of the representation that `validator` names."""

    size: int
    validator: str

    def headers(self) -> dict[str, str]:
        """The fields that ask for the rest, or for all of it when it is another one by now."""
        return {hdrs.RANGE: f"bytes={self.size}-", hdrs.IF_RANGE: self.validator}


class Span(NamedTuple):
    """A Content-Range: from `start` to `end`, both included (None: the range cannot be satisfied), of `total` bytes
    (None: not known)."""

    start: int | None
    end: int | None
    total: int | None


def strong_validator(headers: Mapping[str, str]) -> str | None:
    """What names a representation byte by byte: a strong ETag, or a Last-Modified long before Date; None without."""
    if headers.get(hdrs.CONTENT_ENCODING):
        return None  # what is kept is decoded: its offsets are not those of the server
    etag = headers.get(hdrs.ETAG, "")
    if etag.startswith('"') and etag.endswith('"') and len(etag) > 1:
        return etag
    modified = headers.get(hdrs.LAST_MODIFIED)
    changed, answered = parse_date(modified or ""), parse_date(headers.get(hdrs.DATE, ""))
    if etag or changed is None or answered is None or answered - changed < _SETTLED:
        return None
    return modified


def parse_content_range(field: str | None) -> Span | None:
    """The Content-Range `field`; None for none, or one that makes no sense."""
    match = _RANGE.fullmatch(field or "")
    if match is None:
        return None
    first, last, size = match.groups()
    total = None if size == "*" else int(size)
    if first is None:
        return None if total is None else Span(None, None, total)
    start, end = int(first), int(last)
    if start > end or (total is not None and end >= total):
        return None
    return Span(start, end, total)


def goes_on(kept: Kept, status: int, headers: Mapping[str, str]) -> int | None:
    """The size of the whole, if the body of this answer is the rest that `kept` lacks; None if it is not."""
    span = parse_content_range(headers.get(hdrs.CONTENT_RANGE))
    if status != PARTIAL or span is None or span.start != kept.size or headers.get(hdrs.CONTENT_ENCODING):
        return None
    if span.total is None or span.end is None or span.end + 1 != span.total:
        return None
    etag = headers.get(hdrs.ETAG)
    is_same = etag is None or not kept.validator.startswith('"') or etag == kept.validator
    return span.total if is_same else None


def is_all_there(kept: Kept, status: int, headers: Mapping[str, str]) -> bool:
    """Whether this answer says that nothing is missing. A changed representation would have come as a 200."""
    span = parse_content_range(headers.get(hdrs.CONTENT_RANGE))
    return status == UNSATISFIABLE and span is not None and span.start is None and span.total == kept.size


def address_digest(url: URL) -> str:
    """A name for `url` that tells nothing of what is in it."""
    return hashlib.sha256(str(url.with_user(None).with_fragment(None)).encode()).hexdigest()
