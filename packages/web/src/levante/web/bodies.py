"""Reading a whole request body: the content codings are undone as it arrives, and the limit holds for what comes out,
so that a small body can never become a large one in memory.
"""

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from levante.http.limits import MAX_CODING_RATIO
from levante.http.textcodecs import text_codec

from .exceptions import HTTPBadRequest, HTTPRequestEntityTooLarge, HTTPUnsupportedMediaType

if TYPE_CHECKING:
    from .types import BaseRequest, JSONDecoder


class JSONBodyError(HTTPBadRequest, json.JSONDecodeError):
    """A body that is no JSON: a 400 where nobody catches it, and the error that handlers know from `json`."""

    def __init__(self, msg: str, doc: str, pos: int) -> None:
        json.JSONDecodeError.__init__(self, msg, doc, pos)
        what = self.args
        where = f" at line {self.lineno}, column {self.colno}" if doc else ""
        HTTPBadRequest.__init__(self, text=f"the body is no JSON: {msg}{where}")
        self.args = what


async def read_body(request: "BaseRequest", *, limit: int) -> bytes:
    """The whole decoded body. Raises as `iter_body`."""
    if not request.head.has_body:
        return b""
    parts = [part async for part in iter_body(request, limit=limit)]
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def iter_body(request: "BaseRequest", *, limit: int) -> AsyncIterator[bytes]:
    """The decoded body, piece by piece as it arrives.

    Raises HTTPRequestEntityTooLarge beyond `limit` bytes (0 is no limit), at once when Content-Length says so;
    HTTPUnsupportedMediaType for an unknown coding, RemoteProtocolError for a malformed body.
    """
    coding = request.head.field(b"content-encoding")
    declared = request.content_length
    if limit and coding is None and declared is not None and declared > limit:
        raise HTTPRequestEntityTooLarge(limit, declared)
    pieces = _raw(request) if coding is None else _decoded(request, coding.decode("latin-1"))
    size = 0
    async for piece in pieces:
        size += len(piece)
        if limit and size > limit:
            raise HTTPRequestEntityTooLarge(limit, size)
        yield piece


async def _raw(request: "BaseRequest") -> AsyncIterator[bytes]:
    body = request.exchange.body
    while piece := await body.readany():
        yield piece


async def _decoded(request: "BaseRequest", content_encoding: str) -> AsyncIterator[bytes]:
    # Imported here: coded request bodies are rare, and the codings bring optional libraries.
    from levante.http.codings import body_decoder

    decoder = body_decoder(content_encoding, max_ratio=MAX_CODING_RATIO)
    async for piece in _raw(request):
        if decoder is None:
            yield piece
            continue
        output = decoder.decompress(piece)
        while output:
            yield output
            output = decoder.decompress(b"") if decoder.has_more else b""
    if decoder is not None:
        decoder.finish()


def decode_text(body: bytes, charset: str, *, what: str = "the body") -> str:
    """The text of `body`; HTTPUnsupportedMediaType for an unknown charset, HTTPBadRequest where the bytes do not fit
    it.
    """
    codec = text_codec(charset)
    if codec is None:
        raise HTTPUnsupportedMediaType(text=f"unknown charset {charset!r}")
    try:
        return body.decode(codec)
    except UnicodeError as exc:
        raise HTTPBadRequest(text=f"{what} is not valid {charset}") from exc


def decode_json(text: str, loads: "JSONDecoder") -> Any:  # Any: JSON of whatever shape
    """What `loads` makes of `text`; JSONBodyError where that is no JSON, nested too deeply or has too long a number."""
    try:
        return loads(text)
    except json.JSONDecodeError as exc:
        raise JSONBodyError(exc.msg, exc.doc, exc.pos) from exc
    except RecursionError as exc:
        raise JSONBodyError("it is nested too deeply", "", 0) from exc
    except ValueError as exc:
        raise JSONBodyError(str(exc), "", 0) from exc
