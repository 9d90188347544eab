"""Forwarded, X-Forwarded-*, and whom to believe."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http.forwarded import Client, TrustedPeers, node_address, parse_forwarded, resolve_client, x_forwarded


def parsed(*values: str) -> list[dict[str, str]]:
    return [dict(hop) for hop in parse_forwarded(values)]


@pytest.mark.parity("S20")
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([""], [{}]),
        (["For=1.2.3.4;Proto=https"], [{"for": "1.2.3.4", "proto": "https"}]),
        (['for="[2001:db8::1]:80" ; by=b , for=c'], [{"for": "[2001:db8::1]:80", "by": "b"}, {"for": "c"}]),
        ([r'host="a\"b\\"'], [{"host": 'a"b\\'}]),
        (["for=a", "for=b"], [{"for": "a"}, {"for": "b"}]),
        (["for=1.2.3.4:80"], [{"for": "1.2.3.4:80"}]),
        (["for=a;for=b"], [{"for": "a"}]),
        # a client's garbage does not hide what our proxy appended
        (['for=_injected;by=", for=_real'], [{"for": "_injected"}, {"for": "_real"}]),
        (["very bad syntax, for=_real"], [{}, {"for": "_real"}]),
        (["for=a b;proto=x"], [{}]),
        (["for=a;b;proto=x"], [{"for": "a"}]),
        (["for=é"], [{}]),
        ([";;for=a;;"], [{"for": "a"}]),
    ],
)
def test_parse(values: list[str], expected: list[dict[str, str]]) -> None:
    assert parsed(*values) == expected


@pytest.mark.parity("S20")
def test_hops_are_immutable_and_capped() -> None:
    hops = parse_forwarded([",".join(f"for=h{n}" for n in range(1000))])
    assert len(hops) == 32
    assert hops[-1]["for"] == "h999"
    with pytest.raises(TypeError):
        hops[0]["for"] = "x"  # type: ignore[index]


def test_hostile_fields_are_linear() -> None:
    start = time.process_time()
    for text in ('a="' * 30_000, 'a="\\' * 30_000, "a=b;" * 30_000, ";" * 100_000):
        parse_forwarded([text])
    assert time.process_time() - start < 5  # CPU seconds; quadratic work would take minutes


@given(st.text(alphabet='for=;,"\\[]: ab1', max_size=80))
def test_any_text_parses(text: str) -> None:
    parse_forwarded([text])


@pytest.mark.parametrize(
    ("node", "address"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.4:80", "1.2.3.4"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("_hidden", "_hidden"),
        ("_a.b-c_1:80", "_a.b-c_1"),
        ("_hidden:_port", "_hidden"),
        ("1.2.3.4:_port", "1.2.3.4"),
        ("[2001:DB8::1]:65535", "2001:DB8::1"),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("unknown", "unknown"),
        ("Unknown:80", "Unknown"),
        # anything else is no node
        ("a:b:c", ""),
        ("", ""),
        ("name.example", ""),
        ("_", ""),
        ("_a b", ""),
        ("<script>", ""),
        ("1.2.3.4<script>", ""),
        ("1.2.3.4%<script>", ""),
        ("fe80::1%eth0", ""),
        ("[1.2.3.4]", "1.2.3.4"),
        ("[]", ""),
        ("[zz]", ""),
        ("[::1", ""),
        ("[::1]x", ""),
        ("1.2.3", ""),
        ("1.2.3.256", ""),
        ("01.2.3.4", ""),
        ("\u0661.2.3.4", ""),
        ("1.2.3.4:123456", ""),
        ("1.2.3.4:\u0661", ""),
        ("1.2.3.4:", ""),
    ],
)
def test_node_address(node: str, address: str) -> None:
    assert node_address(node) == address


def test_trusted_peers() -> None:
    trusted = TrustedPeers(["10.0.0.0/8", "::1"])
    assert trusted.trusts("10.1.2.3")
    assert trusted.trusts("::ffff:10.1.2.3")
    assert trusted.trusts("::1")
    assert not trusted.trusts("11.0.0.1")
    assert not trusted.trusts("name")
    assert not trusted.trusts("")
    assert not trusted.trusts(None)
    assert TrustedPeers(["unix"]).trusts(None)
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        TrustedPeers(["10.0.0.1/8"])


@pytest.mark.hardening("S20")
def test_only_trusted_hops_are_believed() -> None:
    trusted = TrustedPeers(["10.0.0.0/8"])
    hops = parse_forwarded(
        ["for=6.6.6.6;host=evil;proto=https, for=1.2.3.4;host=shop.example;proto=https, for=10.0.0.2"]
    )
    assert resolve_client("10.0.0.1", hops, trusted) == Client("1.2.3.4", "https", "shop.example")
    assert resolve_client("9.9.9.9", hops, trusted) == Client("9.9.9.9", None, None)
    assert resolve_client("10.0.0.1", (), trusted) == Client("10.0.0.1", None, None)


@pytest.mark.hardening("S20")
def test_a_bad_scheme_or_address_is_not_taken_over() -> None:
    trusted = TrustedPeers(["10.0.0.0/8"])
    assert resolve_client("10.0.0.1", parse_forwarded(["for=a:b:c;proto=javascript"]), trusted) == Client(
        "10.0.0.1", None, None
    )
    assert resolve_client("10.0.0.1", parse_forwarded(["for=_hidden;proto=HTTPS"]), trusted) == Client(
        "_hidden", "https", None
    )


@pytest.mark.hardening("S20")
@pytest.mark.parametrize("host", ["a b", "u@a", "a/b", "a\r\nX: y", "[::1", ":80", "a:99999", "<a>"])
def test_a_host_that_cannot_be_is_not_taken_over(host: str) -> None:
    trusted = TrustedPeers(["10.0.0.0/8"])
    hops = x_forwarded(for_=["1.2.3.4"], host=[host])
    assert resolve_client("10.0.0.1", hops, trusted) == Client("1.2.3.4", None, None)
    hops = x_forwarded(for_=["1.2.3.4"], host=["[::1]:8080"])
    assert resolve_client("10.0.0.1", hops, trusted).host == "[::1]:8080"


@pytest.mark.hardening("S20")
@pytest.mark.parametrize(
    ("peer", "forwarded", "remote"),
    [
        # the rightmost that is not ours, whatever stands before it
        ("10.0.0.1", "for=10.9.9.9, for=6.6.6.6, for=10.0.0.3, for=10.0.0.2", "6.6.6.6"),
        ("10.0.0.1", "for=10.0.0.3, for=10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "for=6.6.6.6, for=_proxy, for=10.0.0.2", "_proxy"),
        ("10.0.0.1", "for=6.6.6.6, for=unknown", "unknown"),
        ("10.0.0.1", "for=6.6.6.6, by=10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", 'for=6.6.6.6, for="[2001:db8::2]:4711"', "6.6.6.6"),
        ("10.0.0.1", 'for=6.6.6.6, for="[2001:db9::2]:4711"', "2001:db9::2"),
        ("::ffff:10.0.0.1", "for=6.6.6.6", "6.6.6.6"),
        ("2001:db8::1", "for=6.6.6.6:1234", "6.6.6.6"),
        ("", "for=6.6.6.6", ""),
        (None, "for=6.6.6.6", None),
    ],
)
def test_the_nearest_that_is_not_ours(peer: str | None, forwarded: str, remote: str | None) -> None:
    trusted = TrustedPeers(["10.0.0.0/8", "2001:db8::/32"])
    assert resolve_client(peer, parse_forwarded([forwarded]), trusted).remote == remote


def test_x_forwarded() -> None:
    trusted = TrustedPeers(["10.0.0.0/8"])
    hops = x_forwarded(for_=["6.6.6.6, 1.2.3.4", "10.0.0.2"], proto=["https"], host=["shop.example"])
    assert [dict(hop) for hop in hops][-1] == {"for": "10.0.0.2", "proto": "https", "host": "shop.example"}
    assert resolve_client("10.0.0.1", hops, trusted) == Client("1.2.3.4", "https", "shop.example")
    assert resolve_client("10.0.0.1", x_forwarded(for_=[], proto=["https"]), trusted) == Client(
        "10.0.0.1", "https", None
    )
    assert x_forwarded(for_=[" , "]) == ()


@pytest.mark.parity("U16")
def test_the_port_that_the_client_connected_to() -> None:
    trusted = TrustedPeers(["10.0.0.0/8"])

    def port(*values: str) -> int | None:
        return resolve_client("10.0.0.1", x_forwarded(for_=["1.2.3.4, 10.0.0.2"], port=values), trusted).port

    assert [port("8443"), port("8443, 80"), port(), port("0"), port("65536"), port("x"), port("\u0661")] == [
        8443, 8443, None, None, None, None, None,
    ]  # fmt: skip
    assert resolve_client("1.2.3.4", x_forwarded(for_=["5.6.7.8"], port=["1"]), trusted).port is None
