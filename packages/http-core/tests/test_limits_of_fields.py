"""How much of a header field, a coding or a multipart body is looked at: each limit at it, one above it, and ten times
above it. Some are errors beyond, some are all that is kept; time that grows with the excess is for test_linear.py.
"""

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from levante.http import (
    ContentCodingError,
    LimitExceeded,
    MalformedContent,
    SetCookie,
    parse_etags,
    parse_forwarded,
    parse_media_type,
    parse_preferences,
    parse_ranges,
    parse_set_cookie,
)
from levante.http import limits as module
from levante.http.codings import body_decoder
from levante.http.h1 import Connection, Role
from levante.http.limits import Limits
from levante.http.multipart import MultipartDecoder
from levante.http.multipart_reader import MultipartReader
from levante.http.proxyprotocol import ProxyHeaderReader


def preferences(count: int) -> int:
    return len(parse_preferences(", ".join(f"t/{number}" for number in range(count))))


def etags(count: int) -> int:
    return len(parse_etags(", ".join(f'"{number}"' for number in range(count))) or ())


def ranges(count: int) -> int:
    return len(parse_ranges("bytes=" + ",".join(["0-1"] * count)) or ())


def range_digits(count: int) -> int:
    """A position is given with so many digits; those that would overflow are too many."""
    (first,) = parse_ranges("bytes=" + "0" * (count - 1) + "7-") or ()
    return count if first.first == 7 else -1


def hops(count: int) -> int:
    return len(parse_forwarded([", ".join(["for=192.0.2.1"] * count)]))


def parameters(count: int) -> int:
    return len(parse_media_type("a/b" + "".join(f"; p{number}=1" for number in range(count))).parameters)


def codings(count: int) -> int:
    assert body_decoder(", ".join(["gzip"] * count)) is not None
    return count


def members(count: int) -> int:
    decoder = body_decoder("gzip")
    assert decoder is not None
    data = gzip.compress(b"x") * count
    found = len(decoder.decompress(data, count + 1))
    while decoder.has_more:
        found += len(decoder.decompress(b"", count + 1))
    decoder.finish()
    return found


def padding(count: int) -> int:
    decoder = MultipartDecoder("b")
    decoder.feed(b"--b" + b" " * count + b"\r\n\r\nx\r\n--b--")
    if decoder.failure is not None:
        raise decoder.failure
    decoder.feed_eof()
    return count


def proxy_header(size: int) -> int:
    head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + (size - 16).to_bytes(2, "big")
    assert ProxyHeaderReader().receive(head) == 16
    return size


def sent_cookie(size: int) -> int:
    return len(SetCookie("a", "x" * (size - 2)).header())


def received_attribute(size: int) -> int:
    """An attribute that is too long is passed over."""
    (cookie,) = parse_set_cookie(["a=b; Path=/" + "x" * (size - 1)])
    return len(cookie.path or "")


def received_age(seconds: int) -> int:
    (cookie,) = parse_set_cookie([f"a=b; Max-Age={seconds}"])
    return cookie.max_age or 0


def interim_responses(count: int) -> int:
    connection = Connection(Role.CLIENT)
    connection.send_request("GET", "/", [("Host", "a")])
    connection.receive_data(b"HTTP/1.1 103 Early Hints\r\n\r\n" * count + b"HTTP/1.1 204 No Content\r\n\r\n")
    found = 0
    while getattr(connection.next_event(), "status", 0) == 103:
        found += 1
    return found


# name: how many are looked at beyond the limit, or what is said
BEYOND: dict[str, tuple[Callable[[int], int], Any]] = {
    "MAX_ACCEPT_ITEMS": (preferences, module.MAX_ACCEPT_ITEMS),
    "MAX_ETAGS": (etags, module.MAX_ETAGS),
    "MAX_RANGES": (ranges, ValueError),
    "MAX_RANGE_DIGITS": (range_digits, ValueError),
    "MAX_FORWARDED_HOPS": (hops, module.MAX_FORWARDED_HOPS),
    "MAX_PARAMETERS": (parameters, ValueError),
    "MAX_CODINGS": (codings, ContentCodingError),
    "MAX_CODED_MEMBERS": (members, ContentCodingError),
    "MAX_BOUNDARY_PADDING": (padding, MalformedContent),
    "MAX_PROXY_HEADER": (proxy_header, LimitExceeded),
    "MAX_COOKIE_SIZE": (sent_cookie, ValueError),
    "MAX_COOKIE_ATTRIBUTE": (received_attribute, 0),
    "MAX_COOKIE_SECONDS": (received_age, module.MAX_COOKIE_SECONDS),
    "Limits.max_informational": (interim_responses, LimitExceeded),
}


def maximum_of(name: str) -> int:
    return int(getattr(Limits(), name.split(".")[1]) if "." in name else getattr(module, name))


@pytest.mark.limit(*BEYOND)
@pytest.mark.parametrize(("factor", "more"), [(1, 0), (1, 1), (10, 0)], ids=["at", "above", "far"])
@pytest.mark.parametrize("name", BEYOND)
def test_what_is_looked_at(name: str, factor: int, more: int) -> None:
    look, beyond = BEYOND[name]
    maximum = maximum_of(name)
    size = maximum * factor + more
    if size == maximum:
        assert look(size) == maximum
    elif isinstance(beyond, int):
        assert look(size) == beyond
    else:
        with pytest.raises(beyond):
            look(size)


def nested(depth: int) -> bytes:
    body = b"text"
    for level in range(depth, 0, -1):
        kind = b"" if level == depth else b"Content-Type: multipart/mixed; boundary=b%d\r\n" % (level + 1)
        body = b"--b%d\r\n%s\r\n%s\r\n--b%d--\r\n" % (level, kind, body, level)
    return body


class Source:
    """What a reader reads from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def readany(self) -> bytes:
        data, self._data = self._data, b""
        return data


@pytest.mark.limit("MAX_MULTIPART_DEPTH")
@pytest.mark.parametrize("factor", [1, 1.25, 10], ids=["at", "above", "far"])
async def test_multipart_inside_multipart(factor: float) -> None:
    depth = int(module.MAX_MULTIPART_DEPTH * factor)
    part: Any = MultipartReader({"Content-Type": "multipart/mixed; boundary=b1"}, Source(nested(depth)))
    if depth > module.MAX_MULTIPART_DEPTH:
        with pytest.raises(MalformedContent, match="nested more than 4 deep"):
            while isinstance(part, MultipartReader):
                part = await part.next()
    else:
        while isinstance(part, MultipartReader):
            part = await part.next()
        assert await part.text() == "text"
