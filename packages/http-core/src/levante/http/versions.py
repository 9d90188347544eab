"""The HTTP versions that the engines speak, and the name by which they introduce themselves."""

from typing import Final, NamedTuple


class HttpVersion(NamedTuple):
    """A protocol version as in the start line (RFC 9112 2.3)."""

    major: int
    minor: int


HttpVersion10: Final = HttpVersion(1, 0)
HttpVersion11: Final = HttpVersion(1, 1)

# Without numbers on purpose: a version in every response helps nobody but a scanner.
SERVER_SOFTWARE: Final = "levante"
