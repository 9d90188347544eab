"""The limit on how large a response body may become: `max_body_size` of a session or a request, in decoded bytes. A
Content-Length beyond it is refused before anything is read; a body that says nothing of its size, or inflates, is
refused where it passes the limit. A redirect that is followed has no body that anybody reads, and is not asked."""

from levante.http import Decoder, ResponseHead
from levante.http.decodedstream import PieceSeen
from levante.http.limits import DECODED_CHUNK

from .errors import ResponseTooLarge
from .response import ClientResponse


def check_max_body_size(value: int | None) -> int | None:
    """`value` if it is a limit: a number of bytes, or None. TypeError or ValueError otherwise."""
    given: object = value
    if value is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool):
        raise TypeError(f"max_body_size is a number of bytes, or None for no limit; got {value!r}")
    if value < 0:
        raise ValueError(f"max_body_size is a number of bytes from 0 on, or None for no limit; got {value!r}")
    return value


def refuse_announced(response: ClientResponse, maximum: int) -> None:
    """ResponseTooLarge, the connection closed, when the head announces more than `maximum` bytes. What a coded body
    becomes is not known yet, and where there is none (HEAD, 304) the field says nothing of it."""
    length = response.content_length
    has_body = response.method != "HEAD" and response.status not in (204, 304)
    if length is not None and length > maximum and has_body and response.content.total_compressed_bytes is None:
        response.close()
        raise ResponseTooLarge("body", maximum=maximum, actual=length)


def capped(
    head: ResponseHead, decoder: Decoder | None, seen: PieceSeen | None, *, maximum: int
) -> tuple[Decoder | None, PieceSeen | None]:
    """`decoder` and `seen` as they must be for a body of at most `maximum` bytes; the same where its framing sees to
    that."""
    if decoder is not None:
        return CappedDecoder(decoder, maximum), seen
    if head.content_length is not None and head.content_length <= maximum and not head.chunked:
        return None, seen
    return None, _counting(maximum, seen)


class CappedDecoder(Decoder):
    """Another decoder that gives at most `maximum` bytes. ResponseTooLarge for the piece beyond."""

    def __init__(self, inner: Decoder, maximum: int) -> None:
        super().__init__()
        self._inner = inner
        self._maximum = maximum

    def finish(self) -> None:
        self._inner.finish()

    @property
    def has_more(self) -> bool:
        return self._inner.has_more

    def _decompress(self, data: bytes, max_length: int = DECODED_CHUNK) -> bytes:
        output = self._inner.decompress(data, max_length)
        if self._inner.total_out > self._maximum:
            raise ResponseTooLarge("body", maximum=self._maximum)
        return output

    def _is_complete(self) -> bool:
        return True  # finish() asks the other one


def _counting(maximum: int, shown: PieceSeen | None) -> PieceSeen:
    total = 0

    async def seen(piece: bytes) -> None:
        nonlocal total
        total += len(piece)
        if total > maximum:
            raise ResponseTooLarge("body", maximum=maximum)
        if shown is not None:
            await shown(piece)

    return seen
