"""Which content codings of a response are undone (RFC 9110 section 8.4), and how its body comes to the reader: as it
is where nothing happens to it on the way, else through a DecodedStream, which is pulled by whoever reads. What
happens can be decoding, and showing the pieces to a trace. A coded body that ends early is an error, not a short
success."""

from levante.http import (
    ACCEPTABLE,
    ContentCodingError,
    DecodedStream,
    Decoder,
    StreamReader,
    body_decoder,
    split_codings,
)
from levante.http.decodedstream import PieceSeen

from .errors import ClientPayloadError
from .translation import body_error


def response_decoder(field: bytes | None) -> Decoder | None:
    """What undoes the Content-Encoding `field`; None where there is nothing to undo, or a coding that nobody here
    knows: such a body is handed out as it came. ClientPayloadError for more nested codings than `levante.http`
    undoes (hardening C50)."""
    if not field:
        return None
    text = field.decode("latin-1")
    if not all(name in ACCEPTABLE for name in split_codings(text)):
        return None
    try:
        return body_decoder(text)
    except ContentCodingError as exc:
        raise ClientPayloadError(f"the response body is not usable: {exc.message}") from exc


def readable_body(
    raw: StreamReader, decoder: Decoder | None, *, limit: int, seen: PieceSeen | None = None
) -> StreamReader:
    """The body that the caller reads: `raw` itself where it is empty, or is neither decoded nor shown. `limit`: as
    for StreamReader."""
    if (decoder is None and seen is None) or (raw.is_eof() and not raw.total_bytes):
        return raw
    return DecodedStream(raw, decoder, limit=limit, translate=body_error, seen=seen)
