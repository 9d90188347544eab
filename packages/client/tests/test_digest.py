"""The arithmetic of digest authentication, against the examples of RFC 7616 and RFC 2617 and a second computation."""

import hashlib

import pytest
from yarl import URL

from levante.client import ClientError
from levante.client.challenges import parse_challenges
from levante.client.digest import Credentials, DigestSession, choose_challenge

ORIGIN = URL("http://www.example.org")
MUFASA = Credentials("Mufasa", "Circle of Life")
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"


def session(
    text: str, *, credentials: Credentials = MUFASA, cnonce: str = CNONCE, origin: URL = ORIGIN
) -> DigestSession:
    challenge = choose_challenge(parse_challenges([text]))
    assert challenge is not None
    return DigestSession(challenge, origin, credentials, cnonce=cnonce)


def answer(session: DigestSession, method: str = "GET", target: str = "/", body: str | None = None) -> dict[str, str]:
    (found,) = parse_challenges([session.authorization(method, target, body)])
    assert found.scheme == "digest"
    return found.parameters


@pytest.mark.parity("C25")
@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616(algorithm: str, response: str) -> None:
    fields = f'realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, nonce="{NONCE}"'
    challenge = f'Digest {fields}, opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    found = answer(session(challenge), target="/dir/index.html")
    assert found == {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "algorithm": algorithm,
        "nonce": NONCE,
        "nc": "00000001",
        "cnonce": CNONCE,
        "qop": "auth",
        "response": response,
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }


@pytest.mark.parity("C25")
def test_the_example_of_rfc_2617() -> None:
    challenge = 'Digest realm="testrealm@host.com", qop="auth", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    found = answer(
        session(challenge, credentials=Credentials("Mufasa", "Circle Of Life"), cnonce="0a4f113b"),
        target="/dir/index.html",
    )
    assert found["response"] == "6629fae49393a05397450978507c4ef1"
    assert "algorithm" not in found
    assert "opaque" not in found


@pytest.mark.parity("C25")
@pytest.mark.parametrize("name", ["MD5", "SHA", "SHA-256", "SHA-512", "SHA-512-256", "sha-256"])
@pytest.mark.parametrize("suffix", ["", "-SESS", "-sess"])
@pytest.mark.parametrize("qop", ["", "auth", "auth-int"])
def test_every_form(name: str, suffix: str, qop: str) -> None:
    kinds = {"MD5": "md5", "SHA": "sha1", "SHA-256": "sha256", "SHA-512": "sha512", "SHA-512-256": "sha512_256"}

    def h(text: str) -> str:
        return hashlib.new(kinds[name.upper()], text.encode()).hexdigest()

    offered = f', qop="{qop}"' if qop else ""
    one = session(f'Digest realm="r", nonce="n", algorithm={name}{suffix}{offered}')
    for count in ("00000001", "00000002"):
        found = answer(one, "POST", "/p?q=%20", h("body"))
        secret = h("Mufasa:r:Circle of Life")
        secret = h(f"{secret}:n:{CNONCE}") if suffix else secret
        asked = h("POST:/p?q=%20" + (f":{h('body')}" if qop == "auth-int" else ""))
        middle = f"{count}:{CNONCE}:{qop}:" if qop else ""
        assert found["response"] == h(f"{secret}:n:{middle}{asked}")
        assert found["algorithm"] == name + suffix
        assert found.get("nc") == (count if qop else None)
        assert found.get("cnonce") == (CNONCE if qop or suffix else None)


@pytest.mark.parity("C25")
def test_the_body_is_protected_where_it_can_be() -> None:
    both = session('Digest realm=r, nonce=n, qop="auth,auth-int"')
    assert answer(both, body="00")["qop"] == "auth-int"
    assert answer(both, body=None)["qop"] == "auth"
    only = session('Digest realm=r, nonce=n, qop="auth-int"')
    with pytest.raises(ClientError, match="auth-int"):
        only.authorization("GET", "/", None)
    assert answer(session('Digest realm=r, nonce=n, qop="token, AUTH"'))["qop"] == "auth"


@pytest.mark.parity("C25")
def test_names_that_are_not_ascii() -> None:
    doe = Credentials("J\u00e4s\u00f8n Doe", "Secret, or not?")
    plain = answer(session("Digest realm=r, nonce=n, algorithm=SHA-256, charset=UTF-8", credentials=doe))
    assert plain["username*"] == "UTF-8''J%C3%A4s%C3%B8n%20Doe"
    assert "username" not in plain
    key = hashlib.sha256("J\u00e4s\u00f8n Doe:r:Secret, or not?".encode()).hexdigest()
    asked = hashlib.sha256(b"GET:/").hexdigest()
    assert plain["response"] == hashlib.sha256(f"{key}:n:{asked}".encode()).hexdigest()
    hashed = answer(session("Digest realm=r, nonce=n, algorithm=SHA-256, userhash=true", credentials=doe))
    assert hashed["username"] == hashlib.sha256("J\u00e4s\u00f8n Doe:r".encode()).hexdigest()
    assert hashed["userhash"] == "true"


@pytest.mark.parity("C25")
def test_values_are_always_quoted_and_escaped() -> None:
    text = session('Digest realm="a \\"b\\" \\\\c", nonce=n', credentials=Credentials('q"', "")).authorization(
        "GET", "/", None
    )
    assert 'realm="a \\"b\\" \\\\c"' in text
    assert 'username="q\\""' in text
    assert 'nonce="n"' in text
    with pytest.raises(ValueError, match="control character"):
        session("Digest realm=r, nonce=n", credentials=Credentials("a\r\nEvil: b", "")).authorization("GET", "/", None)


@pytest.mark.parity("C25")
def test_which_challenge_is_answered() -> None:
    def chosen(*fields: str) -> str | None:
        found = choose_challenge(parse_challenges(fields))
        return None if found is None else found.algorithm

    assert chosen('Basic realm="b"') is None
    assert chosen() is None
    assert (
        chosen("Basic realm=b, Digest realm=r, nonce=n, algorithm=SHA-256, Digest realm=r, nonce=n, algorithm=MD5")
        == "SHA-256"
    )
    assert chosen("Digest realm=r, nonce=n, algorithm=SHA-3", "Digest realm=r, nonce=n, algorithm=MD5") == "MD5"
    assert chosen("Digest realm=r, nonce=n, qop=new, Digest realm=r, nonce=n") == ""


@pytest.mark.parity("C25")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Digest nonce=n", "realm"),
        ("Digest realm=r", "nonce"),
        ('Digest realm=r, nonce=""', "nonce"),
        ("Digest realm=r, nonce=n, algorithm=ROT13", "ROT13"),
        ("Digest realm=r, nonce=n, algorithm=md4", "md4"),
        ("Digest realm=r, nonce=n, qop=new", "qop"),
    ],
)
def test_challenges_that_cannot_be_answered(text: str, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        choose_challenge(parse_challenges([text]))


@pytest.mark.parity("C25", "V41")
@pytest.mark.parametrize(
    ("domain", "url", "covered"),
    [
        (None, "http://www.example.org/any", True),
        (None, "http://www.example.org:81/any", False),
        (None, "https://www.example.org/any", False),
        (None, "http://other/any", False),
        ("/a", "http://www.example.org/a", True),
        ("/a", "http://www.example.org/a/b", True),
        ("/a", "http://www.example.org/ab", False),
        ("/a/ /b", "http://www.example.org/b/c", True),
        ("/", "http://www.example.org/x", True),
        ("http://www.example.org/a", "http://www.example.org/a/b", True),
        ("http://other/a", "http://other/a", False),
        ("http://other/a", "http://www.example.org/a", False),
        ("http://[bad", "http://www.example.org/a", False),
    ],
)
def test_the_protection_space(domain: str | None, url: str, covered: bool) -> None:
    said = "" if domain is None else f', domain="{domain}"'
    assert session(f"Digest realm=r, nonce=n{said}").covers(URL(url)) is covered


@pytest.mark.parity("C25")
def test_the_next_nonce_begins_to_count_anew() -> None:
    one = session("Digest realm=r, nonce=n, qop=auth")
    assert [answer(one)["nc"], answer(one)["nc"]] == ["00000001", "00000002"]
    following = one.renew("m")
    assert (answer(following)["nonce"], following.count) == ("m", 1)


@pytest.mark.parity("C25")
def test_client_nonces_differ() -> None:
    challenge = choose_challenge(parse_challenges(["Digest realm=r, nonce=n, qop=auth"]))
    assert challenge is not None
    nonces = {answer(DigestSession(challenge, ORIGIN, MUFASA))["cnonce"] for _ in range(20)}
    assert len(nonces) == 20


@pytest.mark.parity("C25")
@pytest.mark.parametrize("field", ["Digest", "Digest ", "Digest =invalid, format"])
def test_a_digest_that_says_nothing_is_no_challenge(field: str) -> None:
    assert choose_challenge(parse_challenges([field])) is None
    assert choose_challenge(parse_challenges([field, "Digest realm=r, nonce=n"])) is not None
