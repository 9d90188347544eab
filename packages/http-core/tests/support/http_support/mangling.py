"""Messages broken on purpose, deterministically: each operation takes a message apart at its lines and changes one
thing that parsers have been known to read in different ways.

An operation is (name, function of the message and a source of chance); it returns the mangled message, or None where it
does not apply. The chance is seeded with the names of message and operation, so the corpus is the same everywhere.
"""

import random
import re
from collections.abc import Callable, Iterator
from functools import partial

Operation = Callable[[bytes, random.Random], bytes | None]

# What random edits put in: bytes and words that mean something somewhere in a message.
TROUBLE = [bytes([octet]) for octet in (0, 1, 9, 10, 11, 12, 13, 32, 44, 47, 58, 59, 127, 128, 160, 255)] + [
    b"\r\n",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"\r\n ",
    b": ",
    b"chunked",
    b"GET / HTTP/1.1\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"5",
    b"A",
]

IN_NAME = [b"\0", b"\x01", b"\t", b" ", b"(", b"@", b"\x7f", b"\x80", b"\xff", b"/", b'"', b"_"]
IN_VALUE = [b"\0", b"\x01", b"\x08", b"\x0b", b"\x0c", b"\r", b"\n", b"\x1f", b"\x7f", b"\x80", b"\xa0", b"\xff", b"\t"]
IN_TARGET = [b"\0", b"\t", b" ", b"\x0b", b"\x7f", b"\x80", b"\xff", b"#f", b"%zz", b"\\", b"http://x/"]
VERSIONS = [
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"HTTP/1.10",
    b"HTTP/01.1",
    b"http/1.1",
    b"HTTP/1",
    b"HTTP/1.1x",
    b"HTTP /1.1",
    b"HTCPCP/1.0",
    b"HTTP/1,1",
    b"HTTP/9.9",
    b"HTTP/1.0",
]
METHODS = [b"get", b"GE(T", b"G\xe9T", b"", b"BREW", b"X" * 40, b"GE\0T", b"PRI", b"SOURCE", b"POST"]
STATUSES = [b"20", b"2000", b"abc", b"099", b"000", b"-200", b"+200", b"2 0", b"0x1", b"200x", b"999", b"204", b"100"]
LENGTHS = [
    b"",
    b"+%d",
    b"-%d",
    b"0x%d",
    b"%d_",
    b"%d.0",
    b"%d,%d",
    b"%d, %d",
    b"%d %d",
    b"0%d",
    b"%d;",
    b"%dx",
    b"'%d'",
    b"\x0b%d",
    b"\xa0%d",
    b"99999999999999999999%d",
    b"18446744073709551616",
    b"%d\t",
    b"00000000000000000000%d",
]
CODINGS = [
    b"",
    b"chunked",
    b"Chunked",
    b"xchunked",
    b"chunkedx",
    b"identity",
    b"gzip",
    b"gzip, chunked",
    b"chunked, gzip",
    b"chunked, chunked",
    b"chunked, identity",
    b",chunked",
    b"chunked,",
    b"chunked;q=1",
    b'"chunked"',
    b"\x0bchunked",
    b"\xa0chunked",
    b"chunked\x00",
    b"chunked chunked",
    b"\tchunked \t",
    b"ch\xc5\xbfunked",
]
HOSTS = [
    b"",
    b"a b",
    b"a/b",
    b"u@a",
    b"a:99x",
    b"a:",
    b"[::1",
    b"[zz]",
    b"a,b",
    b"a#b",
    b"\xff",
    b"a:80:80",
    b"*",
    b"a%20b",
]
SIZES = [
    b"0x%x",
    b"+%x",
    b"-%x",
    b"0_%x",
    b" %x",
    b"%x ",
    b"%x\t",
    b"\t%x",
    b"",
    b"g",
    b"00%X",
    b"0000000000000000000%x",
    b"1%016x",
    b"%x;a=b",
    b'%x;a="b\\"c"',
    b"%x ; a",
    b"%x;\xff",
    b"%x;a\rb",
    b"%x;a\nb",
    b"%x;\x00",
    b"%x;\x0b",
    b"%x\r",
    b"%x,",
    b"%x;" + b"e" * 20_000,
]
CHUNK_ENDS = [b"", b"\n", b"\r", b"XX\r\n", b"\r\r\n", b"\n\r\n", b" \r\n", b"\0\r\n"]
LINE_ENDS = [
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\n\r",
    b" \r\n",
    b"\t\r\n",
    b"\x0b\r\n",
    b"\r\n ",
    b"\r\n\t",
    b"\r\n\r\n",
    b"\0\r\n",
    b"",
]
FIELDS = [
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"Host: other.example",
    b"Content_Length: 5",
    b"Transfer_Encoding: chunked",
    b"Content-Length : 5",
    b"Content-Length\t: 5",
    b"Transfer-Encoding : chunked",
    b" Content-Length: 5",
    b"\tX: folded",
    b": no name",
    b"no colon",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: close, keep-alive",
    b"Connection: upgrade",
    b"Connection: Host, Content-Length",
    b"Upgrade: websocket",
    b"Upgrade: h2c, websocket",
    b"Expect: 100-continue",
    b"Content-Type: a/b",
    b"Content-Type: c/d",
    b"X:",
    b"X: " + b"v" * 9000,
    b"N" * 9000 + b": v",
    b"Cookie: a=b",
    b"Sec-WebSocket-Key1: x",
    b"Proxy-Connection: close",
    b"\0: x",
    b"\xff: x",
    b"TRANSFER-ENCODING: \tchunked",
    b"TE: chunked",
]
TRAILERS = [
    b"X-Trailer: 1\r\n",
    b"X-Trailer: 1\r\nX-Trailer: 2\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: other\r\n",
    b"Authorization: x\r\n",
    b"Set-Cookie: a=b\r\n",
    b"no colon\r\n",
    b": no name\r\n",
    b"X: a\r\n folded\r\n",
    b" X: a\r\n",
    b"X : a\r\n",
    b"X: a\n",
    b"X: \0\r\n",
    b"X: a\rb\r\n",
    b"X: " + b"v" * 9000 + b"\r\n",
    b"a:b\r\n" * 40,
]
BEHIND = [
    b"\r\n",
    b"\r\n\r\n\r\n",
    b"\n",
    b"\0",
    b"G",
    b"garbage\r\n\r\n",
    b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
]
BEFORE = [b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b"\xef\xbb\xbf", b"\x16\x03\x01"]

_CHUNK = re.compile(rb"\r\n([0-9a-fA-F]+)([^\r\n]*)\r\n")


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """The lines of the head without their ends, and what stands behind the empty line."""
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), rest


def _join(lines: list[bytes], rest: bytes) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n" + rest


def _start_word(word: bytes, data: bytes, chance: random.Random, *, index: int) -> bytes | None:
    """Another word at a place of the start line."""
    lines, rest = _split(data)
    words = lines[0].split(b" ", 2)
    if len(words) < 3:
        return None
    words[index] = word
    return _join([b" ".join(words), *lines[1:]], rest)


def _start_insert(octet: bytes, data: bytes, chance: random.Random, *, index: int) -> bytes | None:
    """A byte somewhere in a word of the start line."""
    words = _split(data)[0][0].split(b" ", 2)
    if len(words) < 3:
        return None
    at = chance.randrange(len(words[index]) + 1)
    return _start_word(words[index][:at] + octet + words[index][at:], data, chance, index=index)


def _start_separator(separator: bytes, data: bytes, chance: random.Random, *, index: int) -> bytes | None:
    """Another separator between two words of the start line."""
    lines, rest = _split(data)
    words = lines[0].split(b" ", 2)
    if len(words) < 3:
        return None
    return _join([b" ".join(words[: index + 1]) + separator + b" ".join(words[index + 1 :]), *lines[1:]], rest)


def _line_end(end: bytes, data: bytes, chance: random.Random, *, first: bool) -> bytes:
    """Another end of the start line, or of one field line."""
    lines, rest = _split(data)
    at = 0 if first or len(lines) == 1 else chance.randrange(1, len(lines))
    return b"\r\n".join(lines[: at + 1]) + end + _join(lines[at + 1 :], rest)


def _all_ends(end: bytes, data: bytes, chance: random.Random) -> bytes:
    lines, rest = _split(data)
    return end.join(lines) + end + end + rest


def _insert_field(field: bytes, data: bytes, chance: random.Random) -> bytes:
    lines, rest = _split(data)
    at = chance.randrange(1, len(lines) + 1)
    return _join([*lines[:at], field, *lines[at:]], rest)


def _double_field(data: bytes, chance: random.Random) -> bytes | None:
    lines, rest = _split(data)
    return _join([*lines, chance.choice(lines[1:]).swapcase()], rest) if len(lines) > 1 else None


def _drop_field(data: bytes, chance: random.Random) -> bytes | None:
    lines, rest = _split(data)
    if len(lines) == 1:
        return None
    del lines[chance.randrange(1, len(lines))]
    return _join(lines, rest)


def _shuffle_fields(data: bytes, chance: random.Random) -> bytes | None:
    lines, rest = _split(data)
    fields = lines[1:]
    chance.shuffle(fields)
    return _join([lines[0], *fields], rest)


def _many_fields(data: bytes, chance: random.Random) -> bytes:
    lines, rest = _split(data)
    return _join([*lines, *(b"M-%d: x" % index for index in range(150))], rest)


def _in_field(octet: bytes, data: bytes, chance: random.Random, *, value: bool) -> bytes | None:
    """A byte in the middle of a name, or of a value."""
    lines, rest = _split(data)
    if len(lines) == 1:
        return None
    at = chance.randrange(1, len(lines))
    name, colon, text = lines[at].partition(b":")
    if value:
        place = chance.randrange(1, len(text)) if len(text) > 1 else 0
        text = text[:place] + octet + text[place:]
    else:
        place = chance.randrange(1, len(name)) if len(name) > 1 else 0
        name = name[:place] + octet + name[place:]
    lines[at] = name + colon + text
    return _join(lines, rest)


def _field_value(name: bytes, value: bytes, data: bytes, chance: random.Random) -> bytes | None:
    """Another value of a field, which is added where it is missing; "%d" stands for the number that was there."""
    lines, rest = _split(data)
    number = len(rest)
    kept = [lines[0]]
    for line in lines[1:]:
        if line.lower().startswith(name.lower() + b":"):
            digits = re.search(rb"[0-9]+", line)
            number = int(digits[0]) if digits else number
        else:
            kept.append(line)
    return _join([*kept, name + b": " + value.replace(b"%d", b"%d" % number)], rest)


def _length_off(by: int, data: bytes, chance: random.Random) -> bytes | None:
    found = re.search(rb"(?i)content-length: *([0-9]+)", data)
    if found is None or int(found[1]) + by < 0:
        return None
    return data[: found.start(1)] + b"%d" % (int(found[1]) + by) + data[found.end(1) :]


def _body_start(data: bytes) -> int:
    """Where a chunked body begins, less the CRLF before it; -1 for other messages."""
    end = data.find(b"\r\n\r\n")
    return end + 2 if re.search(rb"(?i)\r\ntransfer-encoding: *chunked\r\n", data[: end + 2]) else -1


def _chunks(data: bytes) -> list[re.Match[bytes]]:
    """The lines that look like the size of a chunk."""
    start = _body_start(data)
    return [] if start < 0 else list(_CHUNK.finditer(data, start))


def _chunk_size(pattern: bytes, data: bytes, chance: random.Random) -> bytes | None:
    found = _chunks(data)
    if not found:
        return None
    one = chance.choice(found)
    size = pattern % int(one[1], 16) if b"%" in pattern else pattern
    return data[: one.start(1)] + size + data[one.end(1) :]


def _chunk_off(by: int, data: bytes, chance: random.Random) -> bytes | None:
    found = _chunks(data)
    return None if not found else _resized(data, found[0], int(found[0][1], 16) + by)


def _resized(data: bytes, one: re.Match[bytes], size: int) -> bytes | None:
    return None if size < 0 else data[: one.start(1)] + b"%x" % size + data[one.end(1) :]


def _chunk_end(end: bytes, data: bytes, chance: random.Random, *, size_line: bool) -> bytes | None:
    """Another end of a size line, or of the content before it."""
    found = _chunks(data)
    if not found or (not size_line and len(found) == 1):
        return None
    one = chance.choice(found if size_line else found[1:])
    if size_line:
        return data[: one.end() - 2] + end + data[one.end() :]
    return data[: one.start()] + end + data[one.start() + 2 :]


def _trailer(lines: bytes, data: bytes, chance: random.Random) -> bytes | None:
    found = _chunks(data)
    return None if not found else data[: found[-1].end()] + lines + data[found[-1].end() :]


def _no_last_chunk(data: bytes, chance: random.Random) -> bytes | None:
    found = _chunks(data)
    return None if not found else data[: found[-1].start() + 2]


def _put(octets: bytes, data: bytes, chance: random.Random, *, behind: bool) -> bytes:
    return data + octets if behind else octets + data


def _truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(1, len(data))]


def _cut_a_line(data: bytes, chance: random.Random) -> bytes:
    ends = [found.start() for found in re.finditer(rb"\r\n", data)]
    return data[: chance.choice(ends) + chance.randrange(3)]


def _edit(data: bytes, chance: random.Random) -> bytes:
    """A byte replaced, trouble put in, some bytes taken out or doubled: somewhere."""
    at = chance.randrange(len(data))
    kind = chance.randrange(4)
    length = chance.randrange(1, 9)
    trouble = chance.choice(TROUBLE)
    middle = (trouble, trouble + data[at : at + 1], b"", data[at : at + length] * 2)[kind]
    return data[:at] + middle + data[at + (1 if kind < 2 else length) :]


def _edit_twice(data: bytes, chance: random.Random) -> bytes:
    return _edit(_edit(data, chance) or b"\r\n", chance)


def _many(
    name: str, values: list[bytes], function: Callable[..., bytes | None], **fixed: object
) -> Iterator[tuple[str, Operation]]:
    for index, value in enumerate(values):
        yield f"{name} {index} {value[:24]!r}", partial(function, value, **fixed)


def _start_line_operations(*, request: bool) -> Iterator[tuple[str, Operation]]:
    yield from _many("version", VERSIONS, _start_word, index=2 if request else 0)
    if request:
        yield from _many("method", METHODS, _start_word, index=0)
        yield from _many("in the target", IN_TARGET, _start_insert, index=1)
        yield from _many("target", [b"", b"*", b"a:80", b"x/y", b"//x", b"http://o/", b"?q"], _start_word, index=1)
        yield from _many("Host", HOSTS, partial(_field_value, b"Host"))
    else:
        yield from _many("status", STATUSES, _start_word, index=1)
        yield from _many("in the reason", IN_VALUE, _start_insert, index=2)
    for index in (0, 1):
        yield from _many(
            f"separator {index}", [b"  ", b"\t", b"", b"\x0b", b"\xa0", b"\r\n"], _start_separator, index=index
        )
    yield from _many("end of the start line", LINE_ENDS, _line_end, first=True)


def operations(*, request: bool) -> list[tuple[str, Operation]]:
    """Everything that is done to a message, by name."""
    numbers: list[tuple[str, Operation]] = [
        *((f"length {by:+}", partial(_length_off, by)) for by in (-1, 1, 3)),
        *((f"chunk {by:+}", partial(_chunk_off, by)) for by in (-1, 1, 2)),
        *((f"cut {turn}", _truncate) for turn in range(4)),
        *((f"cut at a line {turn}", _cut_a_line) for turn in range(4)),
        *((f"edit {turn}", _edit) for turn in range(8)),
        *((f"edit twice {turn}", _edit_twice) for turn in range(4)),
        *((f"double a field {turn}", _double_field) for turn in range(2)),
        *((f"drop a field {turn}", _drop_field) for turn in range(2)),
        ("shuffle the fields", _shuffle_fields),
        ("150 fields", _many_fields),
        ("no last chunk", _no_last_chunk),
    ]
    return [
        *_start_line_operations(request=request),
        *_many("end of a line", LINE_ENDS, _line_end, first=False),
        *_many("all ends", [b"\n", b"\r", b"\r\r\n"], _all_ends),
        *_many("field", FIELDS, _insert_field),
        *_many("in a name", IN_NAME, _in_field, value=False),
        *_many("in a value", IN_VALUE, _in_field, value=True),
        *_many("Content-Length", LENGTHS, partial(_field_value, b"Content-Length")),
        *_many("Transfer-Encoding", CODINGS, partial(_field_value, b"Transfer-Encoding")),
        *_many("size of a chunk", SIZES, _chunk_size),
        *_many("end of a size", CHUNK_ENDS, _chunk_end, size_line=True),
        *_many("end of a chunk", CHUNK_ENDS, _chunk_end, size_line=False),
        *_many("trailer", TRAILERS, _trailer),
        *_many("behind", BEHIND, _put, behind=True),
        *_many("before", BEFORE, _put, behind=False),
        *numbers,
    ]


def mangled(name: str, data: bytes, *, request: bool, share: int) -> Iterator[tuple[str, bytes]]:
    """The message itself, then what becomes of it: one in `share` of the operations, other ones for each message."""
    yield name, data
    for position, (operation, function) in enumerate(operations(request=request)):
        if (position + len(name)) % share:
            continue
        result = function(data, random.Random(f"{name} {operation}"))
        if result is not None and result != data:
            yield f"{name}; {operation}", result
