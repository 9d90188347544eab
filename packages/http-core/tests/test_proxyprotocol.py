"""The PROXY protocol: every header whole and byte by byte, never a byte more than it."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http.errors import LimitExceeded, RemoteProtocolError
from levante.http.limits import MAX_PROXY_HEADER
from levante.http.proxyprotocol import (
    TLV_ALPN,
    TLV_AUTHORITY,
    TLV_CRC32C,
    TLV_SSL,
    ProxyHeader,
    ProxyHeaderReader,
    crc32c,
)

pytestmark = pytest.mark.parity("U16")

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
TCP4 = bytes([192, 0, 2, 1, 198, 51, 100, 2]) + struct.pack("!HH", 4000, 443)
TCP6 = bytes.fromhex("20010db800000000000000000000000120010db8000000000000000000000002") + struct.pack("!HH", 1, 2)


def v2(body: bytes = b"", *, command: int = 0x21, family: int = 0x11, length: int | None = None) -> bytes:
    return SIGNATURE + bytes([command, family]) + struct.pack("!H", len(body) if length is None else length) + body


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def checked(body: bytes, *, error: int = 0) -> bytes:
    whole = v2(body + tlv(TLV_CRC32C, bytes(4)))
    return whole[:-4] + struct.pack("!I", crc32c(whole) ^ error)


def feed(data: bytes, *, cut: int) -> tuple[ProxyHeader | None, bytes]:
    """Give `data` in pieces of `cut` bytes, each with what the reader did not take before; the header and the rest."""
    reader = ProxyHeaderReader()
    waiting = b""
    for start in range(0, len(data), cut):
        waiting += data[start : start + cut]
        waiting = waiting[reader.receive(waiting) :]
    return reader.header, waiting


GOOD = [
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 4000 443\r\n", ("192.0.2.1", 4000), ("198.51.100.2", 443)),
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 0 65535\r\n", ("192.0.2.1", 0), ("198.51.100.2", 65535)),
    (b"PROXY TCP6 2001:db8::1 2001:DB8::2 1 2\r\n", ("2001:db8::1", 1), ("2001:db8::2", 2)),
    (b"PROXY UNKNOWN\r\n", None, None),
    (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", None, None),
    (v2(TCP4), ("192.0.2.1", 4000), ("198.51.100.2", 443)),
    (v2(TCP6, family=0x21), ("2001:db8::1", 1), ("2001:db8::2", 2)),
    (v2(b"/run/a".ljust(108, b"\0") + b"/run/b\xff".ljust(108, b"\0"), family=0x31), "/run/a", "/run/b\\xff"),
    (v2(family=0), None, None),
    (v2(b"whatever", family=0), None, None),
    (v2(TCP4, command=0x20), None, None),
    (v2(b"x", command=0x20, family=0x77), None, None),
    (checked(TCP4), ("192.0.2.1", 4000), ("198.51.100.2", 443)),
    (v2(TCP4 + tlv(0x04, bytes(MAX_PROXY_HEADER - 31))), ("192.0.2.1", 4000), ("198.51.100.2", 443)),
]


@pytest.mark.parametrize("cut", [1, 2, 7, 16, 10_000])
@pytest.mark.parametrize("rest", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\r\n", SIGNATURE])
@pytest.mark.parametrize(("data", "source", "destination"), GOOD)
def test_headers(data: bytes, source: object, destination: object, rest: bytes, cut: int) -> None:
    header, left = feed(data + rest, cut=cut)
    assert header is not None
    assert (header.source, header.destination, left) == (source, destination, rest)
    assert header.version == (1 if data.startswith(b"P") else 2)


@pytest.mark.parametrize(("data", "_source", "_destination"), GOOD)
def test_nothing_is_decided_before_the_end(data: bytes, _source: object, _destination: object) -> None:
    reader = ProxyHeaderReader()
    assert reader.receive(data[:-1]) == len(data) - 1
    assert reader.header is None


BAD = [
    b"GET / HTTP/1.1\r\n",
    b"PROXX ",
    b"proxy ",
    b"\x16\x03\x01",
    b"\r\nGET",
    b"PROXY \r\n",
    b"PROXY TCP4\r\n",
    b"PROXY TCP5 192.0.2.1 198.51.100.2 4000 443\r\n",
    b"PROXY tcp4 192.0.2.1 198.51.100.2 4000 443\r\n",
    b"PROXY  TCP4 192.0.2.1 198.51.100.2 4000 443\r\n",
    b"PROXY TCP4 192.0.2.1  198.51.100.2 4000 443\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 4000 443 \r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 4000\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 4000 443\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 4000 0443\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n",
    b"PROXY TCP4 192.0.2.01 198.51.100.2 1 443\r\n",
    b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
    b"PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
    b"PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n",
    b"PROXY TCP4 \xd9\xa1.0.2.1 198.51.100.2 1 2\r\n",
    b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n",
    b"PROXY UNKNOWN " + b"f" * 5000,
    v2(TCP4, command=0x22),
    v2(TCP4, command=0x11),
    v2(TCP4, family=0x12),
    v2(TCP4, family=0x41),
    v2(TCP4[:-1]),
    v2(TCP6[:-1], family=0x21),
    v2(b"x" * 215, family=0x31),
    v2(TCP4 + b"\x01"),
    v2(TCP4 + b"\x01\x00\x05abcd"),
    v2(TCP4 + tlv(TLV_SSL, b"\x01\x00\x00\x00")),
    v2(TCP4 + tlv(TLV_CRC32C, b"abc")),
    checked(TCP4, error=1),
]


@pytest.mark.parametrize("cut", [1, 5, 10_000])
@pytest.mark.parametrize("data", BAD)
def test_whatever_else(data: bytes, cut: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        feed(data, cut=cut)
    assert caught.value.status == 400


@pytest.mark.parametrize(("size", "fits"), [(0, True), (1, False), (9 * MAX_PROXY_HEADER, False)])
def test_the_limit(size: int, fits: bool) -> None:
    """It is known from the length, before anything of that comes."""
    head = v2(length=MAX_PROXY_HEADER - 16 + size)
    reader = ProxyHeaderReader()
    if fits:
        assert reader.receive(head) == 16
    else:
        with pytest.raises(LimitExceeded, match="max_proxy_header"):
            reader.receive(head)


def test_tlvs() -> None:
    data = v2(
        TCP4
        + tlv(TLV_ALPN, b"h2")
        + tlv(TLV_AUTHORITY, b"shop.example")
        + tlv(TLV_SSL, b"\x01\x00\x00\x00\x00" + tlv(0x21, b"TLSv1.3"))
        + tlv(TLV_ALPN, b"x")
    )
    header, _ = feed(data, cut=1)
    assert header is not None
    assert [kind for kind, _ in header.tlvs] == [TLV_ALPN, TLV_AUTHORITY, TLV_SSL, TLV_ALPN]
    assert (header.tlv(TLV_ALPN), header.tlv(TLV_AUTHORITY), header.tlv(0x30)) == (b"h2", b"shop.example", None)
    assert header.secure is True
    plain, _ = feed(v2(TCP4 + tlv(TLV_SSL, bytes(5))), cut=99)
    assert plain is not None
    assert plain.secure is False
    assert ProxyHeader(1).secure is None


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


@given(
    st.binary(max_size=60), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\0\x0c"])
)
def test_any_bytes_in_any_cut(data: bytes, start: bytes) -> None:
    outcomes = []
    for cut in (1, 3, 1000):
        try:
            outcomes.append(feed(start + data, cut=cut))
        except RemoteProtocolError as exc:
            outcomes.append((type(exc).__name__,))  # type: ignore[arg-type]
    assert outcomes[0] == outcomes[1] == outcomes[2]
