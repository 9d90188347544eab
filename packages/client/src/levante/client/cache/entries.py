"""A response as it is stored: its head with what it was an answer to, and its body. Heads survive a trip through JSON,
which is how they lie on a disk."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from multidict import CIMultiDict

Fields = tuple[tuple[str, str], ...]

# Bytes that an entry costs beyond its contents, in memory or on a disk: a million empty ones are not for nothing.
OVERHEAD = 1024
# Seconds that a clock can say; what is beyond (JSON knows Infinity, NaN and numbers of any length) is no time.
_END_OF_TIME = 2**40


@dataclass(frozen=True, slots=True)
class StoredHead:
    """The head of a stored response.

    `url` is what was asked, without fragment; `fields` the header fields that may be stored; `selecting` the request
    fields that it was chosen by, their values hashed, for credentials can be among them; `decoded` whether the body is
    without its content coding. Times are POSIX seconds: when the request was sent and when the answer came.
    """

    url: str
    status: int
    reason: str
    fields: Fields
    selecting: Fields
    decoded: bool
    requested_at: float
    received_at: float

    @property
    def headers(self) -> CIMultiDict[str]:
        """The header fields, a copy."""
        return CIMultiDict(self.fields)

    @property
    def variant(self) -> str:
        """What tells it from other answers to the same URL, as 32 hexadecimal digits."""
        return fingerprint(json.dumps([self.selecting, self.decoded]))

    def to_json(self) -> str:
        """As text in one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "StoredHead":
        """What `to_json` wrote; ValueError for anything else."""
        try:
            record: dict[str, Any] = json.loads(text)
            head = cls(**{**record, "fields": _pairs(record["fields"]), "selecting": _pairs(record["selecting"])})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the head of a stored response: {error}") from error
        texts, times = (head.url, head.reason), (head.requested_at, head.received_at)
        if not (
            all(isinstance(text, str) for text in texts)
            and all(isinstance(moment, (int, float)) for moment in times)
            and all(abs(moment) < _END_OF_TIME for moment in times)
            and type(head.status) is int
            and type(head.decoded) is bool
        ):
            raise ValueError("not the head of a stored response: a field has the wrong type")
        return head


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored response."""

    head: StoredHead
    body: bytes

    @property
    def size(self) -> int:
        """Bytes that it is counted as: body, fields, URL, and what keeping anything costs."""
        head = self.head
        pairs = (*head.fields, *head.selecting)
        return OVERHEAD + len(self.body) + len(head.url) + sum(len(name) + len(value) for name, value in pairs)


def fingerprint(text: str) -> str:
    """32 hexadecimal digits of SHA-256: a name that is safe in every file system, and does not tell the text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _pairs(value: Any) -> Fields:  # Any: what JSON holds
    pairs = tuple((name, text) for name, text in value)
    if not all(isinstance(name, str) and isinstance(text, str) for name, text in pairs):
        raise ValueError("not the head of a stored response: a field is no text")
    return pairs
