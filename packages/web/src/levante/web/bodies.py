"""Reading request bodies: content codings are undone as they are read, and the limit holds for what comes out, so that
a small body can never become a large one in memory.
"""

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from levante.http.errors import ContentCodingError
from levante.http.limits import MAX_CODING_RATIO
from levante.http.streams import StreamReader
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


def decoded_content(request: "BaseRequest") -> StreamReader:
    """The body of a request with a Content-Encoding, decoded as it is read; as it was sent where the server was told
    `auto_decompress=False`.

    A coding that nobody here knows makes every read fail with ContentCodingError (415).
    """
    server = request.server
    raw = request.exchange.body
    if server is not None and not server.auto_decompress:
        return raw
    # Imported here: coded request bodies are rare, and the codings bring optional libraries.
    from levante.http.codings import body_decoder
    from levante.http.decodedstream import DecodedStream

    limit = request.exchange.connection.limits.read_bufsize
    codings = ", ".join(request.head.headers.getall("Content-Encoding"))
    try:
        decoder = body_decoder(codings, max_ratio=MAX_CODING_RATIO if server is None else server.max_coding_ratio)
    except ContentCodingError as exc:
        unreadable = StreamReader(None, limit)
        unreadable.set_exception(exc)
        return unreadable
    return raw if decoder is None else DecodedStream(raw, decoder, limit=limit)


async def read_body(request: "BaseRequest", *, limit: int) -> bytes:
    """The whole decoded body. Raises as `iter_body`."""
    if not request.head.has_body:
        return b""
    content = request.content
    declared = request.head.content_length
    if declared is not None and content is request.exchange.body:
        _check_size(declared, limit)
        return await content.read()  # the engine lets no more than what was declared through
    parts = [part async for part in iter_body(request, limit=limit)]
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def iter_body(request: "BaseRequest", *, limit: int) -> AsyncIterator[bytes]:
    """The decoded body, piece by piece as it arrives.

    Raises HTTPRequestEntityTooLarge beyond `limit` bytes (0 is no limit), at once when Content-Length says so;
    RemoteProtocolError for a malformed body, ContentCodingError among them: 415 for an unknown coding, 400 for a
    broken one, 413 for one that inflates too much.
    """
    content = request.content
    declared = request.head.content_length
    if declared is not None and content is request.exchange.body:
        _check_size(declared, limit)
    size = 0
    while piece := await content.readany():
        size += len(piece)
        _check_size(size, limit)
        yield piece


def _check_size(size: int, limit: int) -> None:
    if limit and size > limit:
        raise HTTPRequestEntityTooLarge(limit, size)


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
