"""Payloads in memory, and the registry."""

import io
import json
from contextlib import aclosing

import pytest
from multidict import CIMultiDict

from levante.http import (
    BytesPayload,
    JsonBytesPayload,
    JsonPayload,
    Order,
    Payload,
    PayloadRegistry,
    PayloadWriter,
    StringIOPayload,
    StringPayload,
    get_payload,
    payload_type,
    register_payload,
)
from levante.http.payloadbase import PAYLOAD_REGISTRY


class Sink:
    """What a payload writes itself to, in tests."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        assert data
        self.pieces.append(data)


async def written(payload: Payload, length: int | None = None) -> bytes:
    sink = Sink()
    await payload.write_with_length(sink, length)
    return b"".join(sink.pieces)


@pytest.mark.parity("C31")
@pytest.mark.parametrize(
    ("value", "kind", "content_type", "data"),
    [
        (b"abc", BytesPayload, "application/octet-stream", b"abc"),
        (bytearray(b"abc"), BytesPayload, "application/octet-stream", b"abc"),
        (memoryview(b"abc"), BytesPayload, "application/octet-stream", b"abc"),
        ("é", StringPayload, "text/plain; charset=utf-8", b"\xc3\xa9"),
        (io.StringIO("é"), StringIOPayload, "text/plain; charset=utf-8", b"\xc3\xa9"),
        (b"", BytesPayload, "application/octet-stream", b""),
    ],
)
async def test_values_in_memory(value: object, kind: type, content_type: str, data: bytes) -> None:
    payload = get_payload(value)
    assert type(payload) is kind
    assert payload.content_type == content_type
    assert payload.size == len(data)
    assert payload.autoclose
    for _ in range(2):  # can be sent again
        assert not payload.consumed
        assert await written(payload) == data
    assert await payload.as_bytes() == data
    assert payload.decode() == data.decode()
    await payload.close()


def test_memoryview_of_wide_items_counts_bytes() -> None:
    assert BytesPayload(memoryview(b"abcd").cast("I")).size == 4


@pytest.mark.parity("C31")
async def test_write_with_length() -> None:
    payload = get_payload(b"abcdef")
    assert await written(payload, 4) == b"abcd"
    assert await written(payload, 0) == b""
    assert await written(payload, 100) == b"abcdef"


@pytest.mark.parity("C31")
async def test_charsets_of_text() -> None:
    assert await get_payload("é", encoding="latin-1").as_bytes() == b"\xe9"
    assert get_payload("é", encoding="latin-1").content_type == "text/plain; charset=latin-1"
    by_type = get_payload("é", content_type="text/html; charset=latin-1")
    assert await by_type.as_bytes() == b"\xe9"
    by_header = get_payload("é", headers={"content-type": "text/html; charset=latin-1"})
    assert await by_header.as_bytes() == b"\xe9"
    assert by_header.content_type == "text/html; charset=latin-1"
    plain = get_payload("é", content_type="text/html")
    assert (plain.content_type, plain.encoding) == ("text/html", "utf-8")


@pytest.mark.parity("C31")
def test_types_and_headers() -> None:
    assert get_payload(b"", filename="a.png").content_type == "image/png"
    assert get_payload(b"", filename="a.unknowable").content_type == "application/octet-stream"
    assert get_payload(b"", headers={"Content-Type": "a/b"}, content_type="c/d").content_type == "c/d"
    payload = get_payload(b"", headers=[("X-A", "1"), ("X-A", "2")], filename="f")
    assert payload.headers.getall("x-a") == ["1", "2"]
    assert payload.filename == "f"
    assert payload.value == b""
    payload.set_content_disposition("form-data", name="é", filename="a b")
    assert payload.headers["Content-Disposition"] == "form-data; name*=utf-8''%C3%A9; filename=\"a%20b\""


@pytest.mark.parity("V27", "V37", "V32")
@pytest.mark.hardening("M21", "H87")
@pytest.mark.parametrize("control", ["\r\nX: y", "\n", "\0"])
def test_control_characters_are_refused(control: str) -> None:
    with pytest.raises(ValueError, match="control"):
        get_payload(b"", content_type=f"text/plain{control}")
    with pytest.raises(ValueError, match="control"):
        get_payload(b"", headers={"X-A": f"a{control}"})
    with pytest.raises(ValueError, match="token"):
        get_payload(b"", headers={f"X{control}": "a"})
    payload = get_payload(b"")
    with pytest.raises(ValueError, match="control"):
        payload.set_content_disposition("form-data", name=f"a{control}")
    payload.headers["X-Late"] = control
    with pytest.raises(ValueError, match="control"):
        payload.header_items()


@pytest.mark.parity("C31")
def test_large_bytes_warn() -> None:
    BytesPayload(b"x" * 1024 * 1024)
    with pytest.warns(ResourceWarning, match="1048577 bytes"):
        BytesPayload(b"x" * (1024 * 1024 + 1))


def test_bytes_payload_takes_bytes_only() -> None:
    with pytest.raises(TypeError, match="str"):
        BytesPayload("a")  # type: ignore[arg-type]


@pytest.mark.parity("C31")
async def test_json() -> None:
    payload = JsonPayload({"a": "é"}, {"X-A": "1"})
    assert json.loads(await payload.as_bytes()) == {"a": "é"}
    assert payload.content_type == "application/json"
    assert payload.headers["X-A"] == "1"
    assert await JsonPayload(None).as_bytes() == b"null"
    assert await JsonPayload(1, dumps=lambda _value: "2", content_type="a/x+json").as_bytes() == b"2"
    made = JsonBytesPayload(1, lambda value: b"<%d>" % value)
    assert await made.as_bytes() == b"<1>"
    assert made.content_type == "application/json"


class Thing:
    pass


class ThingPayload(Payload):
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return "thing"

    async def chunks(self):  # type: ignore[no-untyped-def]
        yield b"thi"
        yield b""
        yield b"ng"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> PayloadRegistry:
    """The process's own registry, put back afterwards."""
    copied = {order: list(items) for order, items in PAYLOAD_REGISTRY._factories.items()}
    monkeypatch.setattr(PAYLOAD_REGISTRY, "_factories", copied)
    return PAYLOAD_REGISTRY


@pytest.mark.parity("C31")
async def test_registering(registry: PayloadRegistry) -> None:
    with pytest.raises(LookupError, match="Thing"):
        get_payload(Thing())
    assert payload_type(Thing)(ThingPayload) is ThingPayload
    payload = get_payload(Thing())
    assert isinstance(payload, ThingPayload)
    assert payload.size is None
    assert not payload.autoclose
    assert await payload.as_bytes() == b"thing"
    sink = Sink()
    await payload.write(sink)
    assert sink.pieces == [b"thi", b"ng"]
    assert await written(payload, 4) == b"thin"
    await payload.close()
    assert get_payload(payload) is payload


@pytest.mark.parity("C31")
def test_order_of_trying(registry: PayloadRegistry) -> None:
    class Last(ThingPayload):
        pass

    class First(ThingPayload):
        pass

    register_payload(Last, (Thing, str), order=Order.try_last)
    assert type(get_payload("x")) is StringPayload
    assert type(get_payload(Thing())) is Last
    register_payload(First, str, order=Order.try_first)
    assert type(get_payload("x")) is First
    assert Order.normal is Order.NORMAL


def test_headers_are_copied() -> None:
    headers = CIMultiDict({"X-A": "1"})
    payload = get_payload(b"", headers=headers)
    payload.headers["X-A"] = "2"
    assert headers["X-A"] == "1"


class Countdown(Payload):
    """A payload as aiohttp's users write them: with `write` and `decode` alone."""

    ended = False

    async def write(self, writer: PayloadWriter) -> None:
        try:
            for number in range(self.value, 0, -1):
                await writer.write(b"%d" % number)
            await writer.write(b"")
        finally:
            self.ended = True
        if self.value > 5:
            raise ValueError("a long way down")

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("not before it was counted")


@pytest.mark.parity("C31")
async def test_a_payload_that_only_knows_how_to_write() -> None:
    assert await written(Countdown(3)) == b"321"
    assert await written(Countdown(3), 2) == b"32"
    assert await Countdown(4).as_bytes() == b"4321"
    assert [piece async for piece in Countdown(2).chunks()] == [b"2", b"1"]
    with pytest.raises(ValueError, match="long way"):
        await Countdown(6).as_bytes()


@pytest.mark.parity("C31")
async def test_a_write_that_nobody_takes_on_is_ended() -> None:
    payload = Countdown(5)
    async with aclosing(payload.chunks()) as chunks:
        assert await anext(chunks) == b"5"
        assert not payload.ended
    assert payload.ended


async def test_a_payload_has_chunks_or_write() -> None:
    class Nothing(Payload):
        def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
            return ""

    with pytest.raises(TypeError, match="Nothing has neither"):
        await Nothing(1).as_bytes()
