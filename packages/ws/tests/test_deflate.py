"""permessage-deflate: the four parameters negotiated, context takeover, and inflating that is bounded."""

import itertools
import zlib
from types import ModuleType

import pytest

from levante.http import Role
from levante.ws.deflate import (
    DeflateParams,
    Deflater,
    Inflater,
    accept_offer,
    accept_response,
    client_wishes,
    deflater,
    inflater,
    offer,
)
from levante.ws.errors import WebSocketError
from levante.ws.extensions import parse_extensions


def answer(value: str, *, wishes: DeflateParams | None = None) -> str | None:
    agreed = accept_offer(parse_extensions([value]), wishes=wishes or DeflateParams())
    return None if agreed is None else agreed[1]


@pytest.mark.parity("W3")
@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        ("permessage-deflate", "permessage-deflate"),
        ("Permessage-Deflate", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10"),
        ('permessage-deflate; client_max_window_bits="8"', "permessage-deflate; client_max_window_bits=8"),
        ("permessage-deflate; server_max_window_bits=9", "permessage-deflate; server_max_window_bits=9"),
        ("permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"),
        ("permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"),
        ("x-other; a=b, permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", "permessage-deflate"),
        ("x-webkit-deflate-frame", None),
    ],
)
def test_offers_that_a_server_takes(offered: str, answered: str | None) -> None:
    assert answer(offered) == answered


@pytest.mark.hardening("W29")
@pytest.mark.parametrize(
    "parameters",
    [
        "server_max_window_bits=7",
        "server_max_window_bits=8",  # zlib cannot write it
        "server_max_window_bits=16",
        "server_max_window_bits=015",
        "server_max_window_bits",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "server_no_context_takeover=1",
        "client_no_context_takeover; client_no_context_takeover",
        "unknown",
    ],
)
def test_offers_that_a_server_declines(parameters: str) -> None:
    assert answer(f"permessage-deflate; {parameters}") is None


def test_a_server_has_its_own_limits() -> None:
    wishes = DeflateParams(True, True, server_max_window_bits=11, client_max_window_bits=10)
    both = "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11"
    assert answer("permessage-deflate", wishes=wishes) == f"permessage-deflate{both}"
    asked = "permessage-deflate; client_max_window_bits; server_max_window_bits=9"
    assert answer(asked, wishes=wishes) == (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=9; client_max_window_bits=10"
    )


def test_parameters_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="server_max_window_bits=16"):
        DeflateParams(server_max_window_bits=16)
    for bits in (1, 8, 16):
        with pytest.raises(ValueError, match=f"compress={bits}"):
            client_wishes(bits)


@pytest.mark.parity("C38")
def test_what_a_client_offers() -> None:
    assert client_wishes(0) is None
    for bits in range(9, 16):
        assert client_wishes(bits) == DeflateParams(server_max_window_bits=bits, client_max_window_bits=bits)
    assert offer(DeflateParams()) == "permessage-deflate; client_max_window_bits"
    assert offer(DeflateParams(True, True, 12, 10)) == (
        "permessage-deflate; client_max_window_bits=10; server_max_window_bits=12; server_no_context_takeover; "
        "client_no_context_takeover"
    )
    assert client_wishes(DeflateParams(server_max_window_bits=8)) == DeflateParams(server_max_window_bits=8)
    with pytest.raises(ValueError, match="client_max_window_bits of at least 9"):
        client_wishes(DeflateParams(client_max_window_bits=8))


@pytest.mark.parametrize(
    ("parameters", "agreed"),
    [
        ("", DeflateParams()),
        ("; server_max_window_bits=10", DeflateParams(server_max_window_bits=10)),
        ("; client_max_window_bits=9", DeflateParams(client_max_window_bits=9)),
        ("; client_no_context_takeover; server_no_context_takeover", DeflateParams(True, True)),
    ],
)
def test_answers_that_a_client_takes(parameters: str, agreed: DeflateParams) -> None:
    assert accept_response(parse_extensions([f"permessage-deflate{parameters}"])[0], wishes=DeflateParams()) == agreed


@pytest.mark.hardening("W34")
@pytest.mark.parity("W3")
@pytest.mark.parametrize(
    "parameters",
    [
        "; unknown",
        "; server_max_window_bits=13",
        "; client_max_window_bits",
        "; client_max_window_bits=8",
        "; server_no_context_takeover; server_no_context_takeover",
    ],
)
def test_answers_that_a_client_refuses(parameters: str) -> None:
    with pytest.raises(ValueError, match="got"):
        accept_response(
            parse_extensions([f"permessage-deflate{parameters}"])[0], wishes=DeflateParams(False, False, 12, 12)
        )


PARAMS = [DeflateParams(*each) for each in itertools.product((False, True), (False, True), (9, 12, 15), (9, 12, 15))]


@pytest.mark.parity("C38", "W3")
@pytest.mark.parametrize("client", PARAMS)
def test_no_agreement_goes_further_than_either_side_wants(client: DeflateParams) -> None:
    for server in PARAMS:
        accepted = accept_offer(parse_extensions([offer(client)]), wishes=server)
        assert accepted is not None
        agreed, answer = accepted
        assert accept_response(parse_extensions([answer])[0], wishes=client) == agreed
        assert agreed == DeflateParams(
            client.server_no_context_takeover or server.server_no_context_takeover,
            client.client_no_context_takeover or server.client_no_context_takeover,
            min(client.server_max_window_bits, server.server_max_window_bits),
            min(client.client_max_window_bits, server.client_max_window_bits),
        )


@pytest.mark.hardening("W34")
def test_a_server_that_ignores_what_it_must_do_is_refused_and_a_client_does_its_part_anyhow() -> None:
    answer = parse_extensions(["permessage-deflate"])[0]
    agreed = accept_response(answer, wishes=DeflateParams(client_no_context_takeover=True, client_max_window_bits=10))
    assert agreed == DeflateParams(client_no_context_takeover=True, client_max_window_bits=10)
    with pytest.raises(ValueError, match="server_no_context_takeover"):
        accept_response(answer, wishes=DeflateParams(server_no_context_takeover=True))


@pytest.mark.parametrize("no_takeover", [False, True])
@pytest.mark.parametrize("bits", [9, 12, 15])
def test_both_directions_with_every_parameter(no_takeover: bool, bits: int) -> None:
    params = DeflateParams(no_takeover, not no_takeover, server_max_window_bits=bits, client_max_window_bits=24 - bits)
    for sender, receiver in ((Role.SERVER, Role.CLIENT), (Role.CLIENT, Role.SERVER)):
        out, into = deflater(params, sender), inflater(params, receiver)
        for payload in (b"first message " * 50, b"", b"first message " * 50, bytes(range(256)) * 300, b""):
            body = out.compress(payload)
            assert into.inflate(body, len(payload)) + into.finish(len(payload)) == payload


def test_context_takeover_makes_repeats_small_and_no_takeover_does_not() -> None:
    text = bytes(range(200))
    keeping = Deflater(window_bits=15, no_context_takeover=False)
    forgetting = Deflater(window_bits=15, no_context_takeover=True)
    assert len(keeping.compress(text)) > len(keeping.compress(text))
    assert forgetting.compress(text) == forgetting.compress(text)


@pytest.mark.parity("W3")
def test_a_compressor_for_one_message_does_not_spoil_the_stream() -> None:
    out = Deflater(window_bits=12, no_context_takeover=False)
    into = Inflater(window_bits=12, no_context_takeover=False)
    payload = bytes(range(256)) * 20
    for bits in (None, 9, None, 15, None, None):
        body = out.compress(payload, window_bits=bits)
        assert into.inflate(body, -1) + into.finish(-1) == payload


@pytest.mark.hardening("W28")
def test_final_blocks_and_what_follows_them() -> None:
    into = Inflater(window_bits=15, no_context_takeover=False)
    for payload in (b"one", b"two"):
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = compressor.compress(payload) + compressor.flush(zlib.Z_FINISH) + b"\x00"
        assert into.inflate(body, 10) + into.finish(10) == payload


@pytest.mark.hardening("W28")
@pytest.mark.parity("W2")
def test_too_many_members() -> None:
    final_empty_block = b"\x03\x00"
    into = Inflater(window_bits=15, no_context_takeover=False)
    with pytest.raises(WebSocketError, match="1024 DEFLATE streams") as caught:
        into.inflate(final_empty_block * 1025, 10)
    assert caught.value.code == 1009


@pytest.mark.hardening("W28")
def test_what_is_no_deflate_data() -> None:
    into = Inflater(window_bits=15, no_context_takeover=False)
    with pytest.raises(WebSocketError, match="cannot be inflated") as caught:
        into.inflate(b"\xff\xff\xff", 10)
    assert caught.value.code == 1007


@pytest.mark.hardening("W28")
def test_a_message_cut_inside_a_block_harms_nobody() -> None:
    body = Deflater(window_bits=15, no_context_takeover=True).compress(b"some text that is long enough " * 10)
    for end in range(len(body)):
        into = Inflater(window_bits=15, no_context_takeover=True)
        try:
            assert len(into.inflate(body[:end], 1000) + into.finish(1000)) <= 1000
        except WebSocketError as error:
            assert error.code == 1007


@pytest.mark.hardening("W27")
def test_room_is_kept_exactly(ws: ModuleType) -> None:
    out = ws.deflate.Deflater(window_bits=15, no_context_takeover=True)
    body = out.compress(bytes(70_000))
    into = ws.deflate.Inflater(window_bits=15, no_context_takeover=True)
    assert into.inflate(body, 70_000) + into.finish(0) == bytes(70_000)
    with pytest.raises(ws.WebSocketError, match="size limit"):
        into.inflate(body, 69_999)
    into = ws.deflate.Inflater(window_bits=15, no_context_takeover=True)
    with pytest.raises(ws.WebSocketError, match="size limit"):
        into.inflate(body, 0)
