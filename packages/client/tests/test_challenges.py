"""WWW-Authenticate on text alone."""

import time

import pytest

from levante.client.challenges import Challenge, parse_challenges


@pytest.mark.parity("C25")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Digest realm="r", nonce=n', [Challenge("digest", {"realm": "r", "nonce": "n"})]),
        ('DIGEST Realm="a \\"b\\" , c",NONCE="x"', [Challenge("digest", {"realm": 'a "b" , c', "nonce": "x"})]),
        (
            'Basic realm="b", Digest realm="d", qop="auth,auth-int", Negotiate abc==, NTLM',
            [
                Challenge("basic", {"realm": "b"}),
                Challenge("digest", {"realm": "d", "qop": "auth,auth-int"}),
                Challenge("negotiate", {}, "abc=="),
                Challenge("ntlm", {}),
            ],
        ),
        ("Negotiate, , Basic realm=x", [Challenge("negotiate", {}), Challenge("basic", {"realm": "x"})]),
        ("Bearer", [Challenge("bearer", {})]),
        ("New a = b , c= d", [Challenge("new", {"a": "b", "c": "d"})]),
        ("Digest realm=a, realm=b", [Challenge("digest", {"realm": "a"})]),
        ('Digest realm="open', [Challenge("digest", {})]),
        ('Digest realm="r", nonce=, opaque=o', [Challenge("digest", {"realm": "r"})]),
        ('Digest realm="r" @ nonce=n', [Challenge("digest", {"realm": "r"})]),
        ("=", []),
        ("", []),
        (" , ,", []),
    ],
)
def test_challenges(text: str, expected: list[Challenge]) -> None:
    assert parse_challenges([text]) == expected


@pytest.mark.parity("C25")
def test_several_fields() -> None:
    assert [challenge.scheme for challenge in parse_challenges(["Basic realm=a", "Digest realm=b"])] == [
        "basic",
        "digest",
    ]


@pytest.mark.parametrize(
    "text", ["a " * 30_000, "," * 60_000, "a=" * 30_000, 'x y="' + "\\a" * 30_000, "a" * 60_000, "x " + "=" * 60_000]
)
def test_hostile_text_is_linear(text: str) -> None:
    started = time.perf_counter()
    parse_challenges([text])
    assert time.perf_counter() - started < 2
