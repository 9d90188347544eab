"""Every size, count and time of the engines: its default, its reason, its precedent.

A parameter that aiohttp has keeps aiohttp's default; what it lacks takes the default of the peers that bound it.
Everything here holds for incomplete data too: a line is refused at its first byte too many, not at its end.
"""

import sys
from dataclasses import dataclass, replace
from typing import Final

# RFC 9110 has no method longer than 17 letters (UPDATEREDIRECTREF); a longer token is an attack on tables keyed by
# method.
MAX_METHOD_LENGTH: Final = 32

# 18 digits are an exabyte; more of them only serve to overflow somebody's integer (RFC 9110 8.6).
MAX_LENGTH_DIGITS: Final = 18

# 15 hexadecimal digits fit a signed 64-bit size with room to spare; leading zeros count (RFC 9112 7.1).
MAX_CHUNK_SIZE_DIGITS: Final = 15

# How much of a request body that nobody read is swallowed to save the connection; beyond it, closing is cheaper for
# both ends.
MAX_DRAINED_BODY: Final = 64 * 1024

# Bytes that are thrown away while a connection lingers: what can be in flight, in the buffers of both kernels and on a
# long fast line. Closing before it has all come resets the connection, and the reset destroys the last answer.
MAX_LINGERED: Final = 4 * 1024 * 1024

# Seconds of lingering at most, once the server is closing: enough for an answer to be read, and no peer may hold up the
# end of the process.
MAX_LINGERING_AT_CLOSE: Final = 1.0

# Bytes of further requests kept while one is being answered; beyond it reading stops (CVE-2026-54273 kept all of them).
MAX_UNPARSED: Final = 64 * 1024

# Requests of one connection that are answered in a row before the event loop gets its turn, so that a pipelining peer
# cannot starve others.
MAX_BACK_TO_BACK: Final = 32

# Larger bodies are written beside their head instead of being copied behind it.
MAX_JOINED_BODY: Final = 256 * 1024

# One step of a file transfer: no byte of it passes through Python, so it only says how often that is looked after.
SENDFILE_STEP: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may make us keep, in bytes unless the name says otherwise."""

    max_line_size: int = 8190
    """The request line or the status line without its CRLF; 414. aiohttp 8,190, nginx 8 KiB."""
    max_field_size: int = 8190
    """One field line without its CRLF; 431. aiohttp 8,190."""
    max_headers: int = 128
    """Field lines in a head; 431. aiohttp 128, Envoy and hyper 100."""
    max_head_size: int = 64 * 1024
    """A whole head, start line included; 431. Node 16 KiB, nginx 32 KiB, Envoy 60 KiB."""
    max_empty_lines: int = 2
    """Empty lines before a start line, which RFC 9112 2.2 asks to forgive; 400 beyond."""
    max_trailers: int = 32
    """Field lines after a chunked body; 431 (CVE-2026-22815)."""
    max_trailer_size: int = 8 * 1024
    """All field lines after a chunked body; 431. hyper 16 KiB."""
    max_chunk_extensions: int = 16 * 1024
    """Chunk extensions of one message taken together; 400. hyper 16 KiB (CVE-2023-39326 is the attack)."""
    max_informational: int = 8
    """Interim (1xx) responses before the final one, client side; an error beyond."""
    read_bufsize: int = 256 * 1024
    """Low-water mark of a body that its reader has not fetched; reading pauses at twice this. aiohttp 256 KiB."""
    write_high: int = 64 * 1024
    """Unsent bytes at which a writer begins to wait. asyncio 64 KiB."""
    write_low: int = 16 * 1024
    """Unsent bytes at which it goes on. asyncio 16 KiB."""
    max_requests: int = 10_000
    """Requests of one connection, the last of which is answered with `Connection: close`; 0 for no limit. Bounds what a
    leak for each request can add up to, and lets load balancers spread old connections. nginx 1,000.
    """


@dataclass(frozen=True, slots=True)
class ServerTimeouts:
    """How long an accepted connection waits for its peer, in seconds; None switches a timeout off."""

    head: float | None = 10.0
    """From the first byte of a head (for the first request: from accepting) to its end. 408 if bytes came, else a
    silent close.
    """
    body_idle: float | None = 30.0
    """Between two reads of a body that the handler is ready to take; the handler gets ExchangeTimeout."""
    write: float | None = 30.0
    """Without any progress while a response waits to be sent; the connection is aborted. nginx 60."""
    keepalive: float | None = 75.0
    """Between two requests; a silent close. aiohttp and nginx 75."""
    lingering: float | None = 10.0
    """For swallowing what the peer still sends after its last response. aiohttp 10."""
    min_body_rate: float | None = 500.0
    """Bytes a second that a body must come with while the handler is ready to take it; 408 below. Told when data comes
    (silence is `body_idle`'s), so a drip is ended by its first byte that is too late. Apache's mod_reqtimeout 500.
    """
    body_grace: float = 10.0
    """How long a body may be slower than that at its beginning. What comes faster earns time: up to the longer of this
    and `body_idle`.
    """
    min_write_rate: float | None = 500.0
    """Bytes a second that the peer must take of a response that waits for it, on average over `write` seconds; the
    connection is aborted below. Without it a byte now and then holds a response for ever.
    """


# --- The content of messages: headers with a grammar of their own, forms, multipart, codings ---

# Parameters of one media type, disposition or weight; real ones have up to four (CVE-2024-24762 had 100,000
# semicolons).
MAX_PARAMETERS: Final = 32

# Items of an Accept-like header that are looked at; browsers send up to ten.
MAX_ACCEPT_ITEMS: Final = 64

# Entity tags of an If-Match or If-None-Match that are looked at; caches send a handful.
MAX_ETAGS: Final = 64

# Ranges of one request; beyond it the header is refused as a whole (CVE-2011-3192, CVE-2025-62727 had thousands that
# overlapped).
MAX_RANGES: Final = 16

# Digits of a position in a range: those of the largest number of 64 bits, which some clients send for "to the end".
MAX_RANGE_DIGITS: Final = 20

# Hops of Forwarded or X-Forwarded-For that are kept, the nearest ones; no chain of real proxies is longer.
MAX_FORWARDED_HOPS: Final = 32

# Bytes of a PROXY protocol header, version 2: addresses take 52, or 232 for Unix sockets; the rest is for TLVs, of
# which a client's certificate is the largest. HAProxy and nginx: a page of memory as well.
MAX_PROXY_HEADER: Final = 4096

# Pairs and characters of a Cookie header: browsers keep up to 150 to 180 cookies a host. 431 beyond.
MAX_COOKIE_PAIRS: Final = 150
MAX_COOKIE_HEADER: Final = 16 * 1024

# A Set-Cookie with name, value and attributes; browsers drop what is larger (RFC 6265bis 5.6).
MAX_COOKIE_SIZE: Final = 4096

# One attribute of a received Set-Cookie; a longer one is passed over (RFC 6265bis 5.6).
MAX_COOKIE_ATTRIBUTE: Final = 1024

# Max-Age of a received Set-Cookie is cut to 100 years, so that adding it to a clock never overflows.
MAX_COOKIE_SECONDS: Final = 100 * 365 * 24 * 3600

# Fields of a urlencoded form; django 1,000. 413 beyond.
MAX_FORM_FIELDS: Final = 1000

# Pairs of a query string; more are an attack on hash tables. django 1,000. 414 beyond.
MAX_QUERY_FIELDS: Final = 1000

# Codings of one Content-Encoding; curl 5, urllib3 5. Each layer multiplies what a bomb can inflate to.
MAX_CODINGS: Final = 4

# Concatenated gzip members or zstd frames in one body; each costs a fresh decompressor, so 1 MB of empty ones would
# be an attack.
MAX_CODED_MEMBERS: Final = 1024

# Decoded bytes for each coded one that a request body may have, and the output below which nobody asks. Real text
# stays below 30. Request bodies are decoded by default, as in aiohttp, though off would be the safer default: so the
# ratio holds for whoever streams them, and client_max_size besides for whoever reads them whole.
MAX_CODING_RATIO: Final = 100
CODING_RATIO_FLOOR: Final = 64 * 1024

# log2 of the largest zstd window that is accepted: 8 MiB, what RFC 9659 lets a sender use for Content-Encoding.
MAX_ZSTD_WINDOW_LOG: Final = 23

# Decoded bytes handed out at once: what a body in coded form costs in memory, whatever it inflates to.
DECODED_CHUNK: Final = 64 * 1024

# Coded bytes of a body that are decoded at once, without a thread: they give at most DECODED_CHUNK, which takes about
# 0.1 ms; a trip to a thread costs half of that.
INLINE_DECODING: Final = 16 * 1024

# Decoded bytes of one trip to a thread, where more is waiting than one chunk: enough to be worth the trip.
DECODED_STEP: Final = 256 * 1024

# log2 of the window that our own br and zstd encoders use: 512 KiB. The libraries' choice of 4 to 8 MiB for each
# response under way compresses web content hardly better, and a thousand slow clients would cost gigabytes.
ENCODER_WINDOW_LOG: Final = 19

# Characters of a multipart boundary (RFC 2046 5.1.1).
MAX_BOUNDARY: Final = 70

# Spaces behind a boundary before its line ends; RFC 2046 gives no limit, and senders put none there.
MAX_BOUNDARY_PADDING: Final = 64

# Multipart inside multipart, for readers that allow it; mail nests two or three deep.
MAX_MULTIPART_DEPTH: Final = 4

# Bytes of a file read at once, each read being one trip to a thread. aiohttp 256 KiB.
FILE_CHUNK: Final = 256 * 1024

# A body of bytes beyond this should have been a file or an iterator, and a ResourceWarning says so. aiohttp 1 MiB.
LARGE_BYTES: Final = 1024 * 1024

# Bytes beyond which compressing is worth a trip to a thread. aiohttp 4,096.
EXECUTOR_THRESHOLD: Final = 4096


@dataclass(frozen=True, slots=True)
class MultipartLimits:
    """What one multipart body may make us keep, in bytes unless the name says otherwise; every excess answers 413."""

    max_parts: int = 1000
    """Parts, nested ones apart (CVE-2023-25577). starlette 1,000 files and 1,000 fields."""
    max_headers: int = 16
    """Header lines of one part; python-multipart 8."""
    max_header_size: int = 4096
    """One header line of a part (CVE-2026-34516). python-multipart 4,224."""
    max_field_size: int = 1024 * 1024
    """One text field of a form (CVE-2024-49767). starlette 1 MiB."""
    max_text_size: int = 2 * 1024 * 1024
    """All text fields of a form, names included (CVE-2025-69228 counted each by itself)."""


@dataclass(frozen=True, slots=True)
class ContentLimits:
    """How much a request may say in what is taken apart only when a handler asks for it, in items unless the name says
    otherwise.
    """

    max_form_fields: int = MAX_FORM_FIELDS
    """Fields of a urlencoded form; 413."""
    max_query_fields: int = MAX_QUERY_FIELDS
    """Pairs of a query string; 414."""
    max_cookies: int = MAX_COOKIE_PAIRS
    """Pairs of the Cookie header; 431."""
    max_cookie_size: int = MAX_COOKIE_HEADER
    """Characters of the Cookie header, of several taken together; 431."""
    multipart: MultipartLimits = MultipartLimits()
    """Of forms as multipart/form-data; 413."""

    def with_form_fields(self, maximum: int) -> "ContentLimits":
        """These limits with another number of fields in a form, whichever way it is encoded; 0 is no limit."""
        most = maximum if maximum > 0 else sys.maxsize // 2  # to which one can be added
        return replace(self, max_form_fields=most, multipart=replace(self.multipart, max_parts=most))
