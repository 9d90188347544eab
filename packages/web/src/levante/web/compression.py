"""Which content coding a response is sent in (RFC 9110 section 8.4), and the headers that follow from it. The client
chooses by its weights (section 12.5.3), we between what it likes equally; caches are told that the choice exists
(Vary), and a strong entity tag becomes a weak one, for it would name two different byte sequences (section 8.8.3.3).
"""

import enum
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from levante.http.limits import EXECUTOR_THRESHOLD
from levante.http.mediatypes import negotiate_coding

from .vary import vary_by

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from concurrent.futures import Executor

    from multidict import CIMultiDict, CIMultiDictProxy

    from levante.http.codings import Encoder
    from levante.http.encodedwriter import EncodedWriter


class ContentCoding(enum.Enum):
    """The codings that `enable_compression` knows, the favourite first: of two that a client likes equally it is sent
    the first. zstd is by far the cheapest for what it saves; br and zstd need their libraries.
    """

    zstd = "zstd"
    br = "br"
    gzip = "gzip"
    deflate = "deflate"
    identity = "identity"


ZLIB_CODINGS = (ContentCoding.gzip, ContentCoding.deflate)
"""Those that a `strategy` of zlib means something to."""

EVENT_STREAM = "text/event-stream"
"""Server-sent events: each must reach the client when it is written."""


@cache
def available_codings() -> tuple[ContentCoding, ...]:
    """What can be encoded here, the favourite first, `identity` left out."""
    # Imported here: only responses that are compressed need a coder.
    from levante.http.codings import ACCEPTABLE

    return tuple(coding for coding in ContentCoding if coding.value in ACCEPTABLE)


def check_available(codings: "Collection[ContentCoding]") -> None:
    """ValueError for a coding whose library is not installed."""
    for coding in codings:
        if coding is not ContentCoding.identity and coding not in available_codings():
            raise ValueError(
                f"{coding.value} needs a library that is not installed; available: "
                f"{', '.join(each.value for each in available_codings())}"
            )


@dataclass(frozen=True, slots=True)
class Compression:
    """How a response is to be compressed: with `force`, or with one of `codings` (None: all) that the client takes.
    `level` is the library's own scale, `strategy` zlib's. `flush` brings out every piece that is written, None where
    the type of the response says so.
    """

    force: ContentCoding | None = None
    codings: tuple[ContentCoding, ...] | None = None
    level: int | None = None
    strategy: int | None = None
    flush: bool | None = None

    def choose(self, accept_encoding: str | None) -> ContentCoding:
        """The coding for a client with this Accept-Encoding. A client that takes nothing of what there is, not even
        the plain form, gets that: a body it may be able to use is worth more than a 406.
        """
        if self.force is not None:
            return self.force
        codings = self.codings
        if codings is None:
            codings = available_codings() if self.strategy is None else ZLIB_CODINGS
        name = negotiate_coding(accept_encoding, [coding.value for coding in codings])
        return ContentCoding.identity if name is None else ContentCoding(name)

    def settle(
        self, headers: "CIMultiDict[str]", asked: "CIMultiDictProxy[str]", *, has_body: bool = True
    ) -> ContentCoding:
        """Choose by the headers that were `asked` with, and set those of the response accordingly; `identity` changes
        nothing but Vary. A body that is coded already, or a part of one (Content-Range), is left alone.
        """
        if "Content-Encoding" in headers:
            return ContentCoding.identity
        if self.force is None:
            vary_by_coding(headers)  # of a part as well: the whole would vary (RFC 9110 section 15.3.7)
        if "Content-Range" in headers:
            return ContentCoding.identity
        accepts = asked.getall("Accept-Encoding", ())
        coding = self.choose(", ".join(accepts) if accepts else None)
        if coding is ContentCoding.identity:
            return coding
        tag = headers.get("ETag")
        if tag is not None and not tag.startswith("W/"):
            headers["ETag"] = f"W/{tag}"
        headers.pop("Accept-Ranges", None)  # ranges would be of the plain form
        if has_body:
            headers["Content-Encoding"] = coding.value
            headers.pop("Content-Length", None)
        return coding

    def encoder(self, coding: ContentCoding) -> "Encoder":
        """A new encoder."""
        # Imported here: see available_codings().
        from levante.http.codings import encoder

        return encoder(coding.value, level=self.level, strategy=self.strategy)

    def open(
        self,
        coding: ContentCoding,
        write: "Callable[[bytes], Awaitable[None]]",
        *,
        content_type: str,
        threshold: int = EXECUTOR_THRESHOLD,
        executor: "Executor | None" = None,
    ) -> "EncodedWriter":
        """What puts a body into `coding` piece by piece, and hands it to `write`; pieces above `threshold` bytes are
        encoded in a thread.
        """
        # Imported here: see available_codings().
        from levante.http.encodedwriter import EncodedWriter

        flushes = content_type == EVENT_STREAM if self.flush is None else self.flush
        return EncodedWriter(write, self.encoder(coding), threshold=threshold, executor=executor, flushes=flushes)


def vary_by_coding(headers: "CIMultiDict[str]") -> None:
    """Tell caches that the body depends on Accept-Encoding."""
    vary_by(headers, "Accept-Encoding")
