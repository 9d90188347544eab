"""Compression of what is worth it: responses of a type that shrinks, large enough to gain, in a coding that the client
takes. It decides when a response is about to be sent, so errors and streams are compressed as well, and leaves alone
what somebody has decided about already.

Where a page holds a secret and repeats what an attacker can send, the length of the compressed page tells the secret
(BREACH). Pages with CSRF tokens are such; those of `levante.sessions` are masked and differ in each page, as they have
to. For what cannot be masked, `skip=` leaves responses out.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from levante.http.mediatypes import negotiate_coding
from levante.web.compression import ContentCoding, check_available, vary_by_coding
from levante.web.request import Request

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, StreamResponse

MINIMUM_SIZE = 1024
"""Bytes below which a body stays as it is: it fits one packet either way. nginx: 20, Caddy: 512, Express: 1,024."""

COMPRESSIBLE = (
    "text/*",
    "application/javascript",
    "application/json",
    "application/manifest+json",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/xml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/svg+xml",
    "*/*+json",
    "*/*+xml",
)
"""Media types that shrink: text in all its forms. Images, video, archives and woff fonts are compressed already."""

UNCOMPRESSED = frozenset({"text/event-stream"})
"""Types left alone although `types` names them: an event stream lives for hours, and a coder of its own would cost
some 250 KiB for each; a handler can still `enable_compression()`.
"""

DIGESTS = ("Content-Digest", "Content-MD5", "Digest", "Repr-Digest")
"""Headers with a checksum of the bytes as they are (RFC 9530)."""

STANDING_FOR_THE_WHOLE = frozenset({206, 304})
"""Of what is left out here, these vary as the whole response does that they stand for (RFC 9110, sections 15.3.7 and
15.4.5)."""

Skip = Callable[[Request, "StreamResponse"], bool]


def compress_middleware(
    *,
    minimum_size: int = MINIMUM_SIZE,
    types: Iterable[str] = COMPRESSIBLE,
    codings: Iterable[ContentCoding] | None = None,
    level: int | None = None,
    skip: Skip | None = None,
) -> "Middleware":
    """A middleware that compresses responses of `types` (`main/sub`, `main/*`, `*/*+suffix`) whose body has at least
    `minimum_size` bytes, or a length that is not known; pieces of such a stream reach the client as they are written.

    The client's favourite among `codings` (None: all that are installed) is taken; `level` is the coding's own. What
    has a Content-Encoding, Content-Range, a checksum or `Cache-Control: no-transform`, and what the handler has
    called `enable_compression()` on, is left alone, as is what `skip(request, response)` says. A client that refuses
    the plain form (`identity;q=0`) gets small bodies compressed, too. To see what other middlewares add to a
    response, put it last. Raises ValueError for a coding whose library is not installed.
    """
    wanted = frozenset(name.lower() for name in types)
    offered = None if codings is None else tuple(codings)
    check_available(offered or ())

    def wants(request: Request, response: "StreamResponse") -> bool:
        return (
            not response.compression
            and _may_change(response)
            and _shrinks(response.content_type, wanted)
            and not (skip is not None and skip(request, response))
        )

    async def compress(request: Request, handler: "Handler") -> "StreamResponse":
        def decide(response: "StreamResponse") -> None:
            if response.status in STANDING_FOR_THE_WHOLE:
                vary_by_coding(response.headers)
            elif wants(request, response):
                length = response.content_length
                if length is None or length >= minimum_size or _refuses_plain(request):
                    response.enable_compression(codings=offered, level=level, flush=True if length is None else None)

        request.add_prepare_hook(decide)
        return await handler(request)

    return compress


def sets_cookies(_: Request, response: "StreamResponse") -> bool:
    """For `skip=`: leave out what sets cookies, which is what is made for one user alone."""
    return bool(response.cookies) or "Set-Cookie" in response.headers


def _may_change(response: "StreamResponse") -> bool:
    headers = response.headers
    if response.status < 200 or "Content-Encoding" in headers or "Content-Range" in headers:
        return False
    if "no-transform" in headers.get("Cache-Control", "").lower():
        return False
    return not any(name in headers for name in DIGESTS)


def _shrinks(content_type: str, wanted: frozenset[str]) -> bool:
    main, _, sub = content_type.partition("/")
    suffix = sub.rpartition("+")[2]
    names = {content_type, f"{main}/*", f"*/*+{suffix}"} if "+" in sub else {content_type, f"{main}/*"}
    return content_type not in UNCOMPRESSED and not wanted.isdisjoint(names)


def _refuses_plain(request: Request) -> bool:
    """Whether the client asks not to get the plain form (RFC 9110 section 12.5.3)."""
    accepts = request.headers.get("Accept-Encoding", "")
    return "identity" in accepts.lower() and negotiate_coding(accepts, ()) is None
