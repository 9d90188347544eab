"""The PROXY protocol, versions 1 and 2: what a load balancer writes in front of everything else on a connection to say
whose connection it is (HAProxy's proxy-protocol.txt, revision 2020/03/05). Sans-I/O, and strict: bytes are taken one
by one into a small buffer up to the end of the header, of which the first ones say how long it may become; whoever
deviates is refused at the first byte that shows it. Bytes behind the header are never taken: they are the next
protocol's.
"""

import re
import struct
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from .errors import LimitExceeded, RemoteProtocolError, shown
from .limits import MAX_PROXY_HEADER

Address = tuple[str, int]

TLV_ALPN: Final = 0x01
TLV_AUTHORITY: Final = 0x02
TLV_CRC32C: Final = 0x03
TLV_SSL: Final = 0x20

_CLIENT_SSL: Final = 0x01

_V1_START: Final = b"PROXY "
_V1_LONGEST: Final = 107  # section 2.1: "so a 108-byte buffer is always enough", the NUL of C included
_V2_START: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_HEAD: Final = 16

_PORT: Final = re.compile(r"0|[1-9][0-9]{0,4}")
_V1_FAMILIES: Final = {"TCP4": IPv4Address, "TCP6": IPv6Address}

_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_UNSPECIFIED: Final = 0x00
_TCP4: Final = 0x11
_TCP6: Final = 0x21
_UNIX: Final = 0x31
_ADDRESS_SIZE: Final = {_UNSPECIFIED: 0, _TCP4: 12, _TCP6: 36, _UNIX: 216}
_UNIX_PATH: Final = 108


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What the proxy says: the client's address and the one that it connected to, as (host, port), or the path of a
    Unix socket; both None where the connection is the proxy's own (a health check), or its origin is not known.

    `tlvs` are the pairs of type and value that version 2 may add, in their order.
    """

    version: int
    source: Address | str | None = None
    destination: Address | str | None = None
    tlvs: tuple[tuple[int, bytes], ...] = ()

    def tlv(self, kind: int) -> bytes | None:
        """The value of the first pair of that type."""
        return next((value for found, value in self.tlvs if found == kind), None)

    @property
    def secure(self) -> bool | None:
        """Whether the client spoke TLS to the proxy; None where the proxy does not say."""
        value = self.tlv(TLV_SSL)
        return None if value is None else bool(value[0] & _CLIENT_SSL)


class ProxyHeaderReader:
    """Takes bytes until `header` is there. Raises RemoteProtocolError for anything that is no such header, and
    LimitExceeded for one beyond MAX_PROXY_HEADER."""

    __slots__ = ("_buffer", "header")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.header: ProxyHeader | None = None

    def receive(self, data: bytes) -> int:
        """Take from the beginning of `data` what belongs to the header; how many bytes that were. The rest is not
        ours: give it to the next protocol."""
        taken = 0
        while self.header is None and taken < len(data):
            piece = data[taken : taken + self._wanted(data, taken)]
            taken += len(piece)
            self._buffer += piece
            self._check()
        return taken

    def _wanted(self, data: bytes, start: int) -> int:
        """How many bytes from `start` on are the header's for certain."""
        have = len(self._buffer)
        if self._buffer[:1] == b"\r" or not have:
            if have < _V2_HEAD:
                return 1 if have < len(_V2_START) else _V2_HEAD - have
            return _V2_HEAD + self._length() - have
        end = data.find(b"\n", start)
        return 1 if end < 0 or have < len(_V1_START) else min(end + 1 - start, _V1_LONGEST - have)

    def _length(self) -> int:
        return int.from_bytes(self._buffer[14:16], "big")

    def _check(self) -> None:
        data = self._buffer
        if data[:1] != b"\r":
            if data[: len(_V1_START)] != _V1_START[: len(data)]:
                raise _malformed(data)
            if data.endswith(b"\n"):
                self.header = _parse_v1(bytes(data))
            elif len(data) >= _V1_LONGEST:
                raise RemoteProtocolError(f"a PROXY line of more than {_V1_LONGEST} bytes: {shown(bytes(data))}")
        elif data[: len(_V2_START)] != _V2_START[: len(data)]:
            raise _malformed(data)
        elif len(data) >= _V2_HEAD:
            size = _V2_HEAD + self._length()
            if size > MAX_PROXY_HEADER:
                raise LimitExceeded("max_proxy_header", maximum=MAX_PROXY_HEADER, actual=size, status=400)
            if len(data) == size:
                self.header = _parse_v2(bytes(data))


def _malformed(data: bytes | bytearray) -> RemoteProtocolError:
    return RemoteProtocolError(f"expected a PROXY protocol header, got {shown(bytes(data))}")


def _parse_v1(line: bytes) -> ProxyHeader:
    if not line.endswith(b"\r\n") or not line.isascii():
        raise _malformed(line)
    _, family, *rest = line[:-2].decode("ascii").split(" ")
    if family == "UNKNOWN":
        return ProxyHeader(1)  # what follows is to be ignored (section 2.1)
    kind = _V1_FAMILIES.get(family)
    if kind is None or len(rest) != 4:
        raise _malformed(line)
    try:
        source, destination = (str(kind(text)) for text in rest[:2])
    except ValueError as exc:
        raise _malformed(line) from exc
    if any("%" in text for text in rest) or not all(_is_port(text) for text in rest[2:]):
        raise _malformed(line)
    return ProxyHeader(1, (source, int(rest[2])), (destination, int(rest[3])))


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and int(text) <= 65535


def _parse_v2(data: bytes) -> ProxyHeader:
    command, family = data[12], data[13]
    if command not in (_LOCAL, _PROXY):
        raise RemoteProtocolError(
            f"expected version and command 0x20 or 0x21 of the PROXY protocol, got {command:#04x}"
        )
    if command == _LOCAL:
        return ProxyHeader(2)  # what follows is to be ignored (section 2.2)
    size = _ADDRESS_SIZE.get(family)
    if size is None:
        raise RemoteProtocolError(f"expected a stream over IPv4, IPv6 or Unix in a PROXY header, got {family:#04x}")
    if len(data) < _V2_HEAD + size:
        raise RemoteProtocolError(f"a PROXY header of family {family:#04x} has {size} bytes of addresses, got fewer")
    source, destination = _addresses(family, data[_V2_HEAD : _V2_HEAD + size])
    tlvs = () if family == _UNSPECIFIED else _tlvs(data, _V2_HEAD + size)
    return ProxyHeader(2, source, destination, tlvs)


def _addresses(family: int, data: bytes) -> tuple[Address | str | None, Address | str | None]:
    if family == _UNSPECIFIED:
        return None, None
    if family == _UNIX:
        return _path(data[:_UNIX_PATH]), _path(data[_UNIX_PATH:])
    if family == _TCP4:
        one, other, port, other_port = struct.unpack("!4s4sHH", data)
        return (str(IPv4Address(one)), port), (str(IPv4Address(other)), other_port)
    one, other, port, other_port = struct.unpack("!16s16sHH", data)
    return (str(IPv6Address(one)), port), (str(IPv6Address(other)), other_port)


def _path(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "backslashreplace")


def _tlvs(data: bytes, position: int) -> tuple[tuple[int, bytes], ...]:
    found = []
    while position < len(data):
        if position + 3 > len(data):
            raise RemoteProtocolError("a PROXY header ends inside a TLV")
        kind, size = struct.unpack_from("!BH", data, position)
        position += 3
        value = data[position : position + size]
        if len(value) < size:
            raise RemoteProtocolError(
                f"a TLV of type {kind:#04x} goes {size - len(value)} bytes beyond its PROXY header"
            )
        if kind == TLV_CRC32C:
            _verify(data, position, value)
        elif kind == TLV_SSL and size < 5:
            raise RemoteProtocolError(f"a PP2_TYPE_SSL has at least 5 bytes, got {size}")
        found.append((kind, value))
        position += size
    return tuple(found)


def _verify(data: bytes, position: int, value: bytes) -> None:
    """Compare the checksum at `position` with that of the header in which it is zero (section 2.2.3)."""
    if len(value) != 4:
        raise RemoteProtocolError(f"a PP2_TYPE_CRC32C has 4 bytes, got {len(value)}")
    actual = crc32c(data[:position] + bytes(4) + data[position + 4 :])
    if actual != int.from_bytes(value, "big"):
        raise RemoteProtocolError(f"the checksum of a PROXY header is {actual:#010x}, the header says 0x{value.hex()}")


def crc32c(data: bytes) -> int:
    """The CRC of RFC 3720 B.4, whose polynomial is not zlib's."""
    table = _crc_table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for index in range(256):
        crc = index
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)
