"""The decision about a request that changes something: every combination of it, written a second time."""

import itertools

import pytest

from levante.sessions import CsrfRules
from levante.sessions.csrf_rules import RULES, Fetch, Origin, Verdict, fetch_site, judge, own_origins

FETCH = dict(zip("-=nsx?", Fetch, strict=True))  # absent, same-origin, none, same-site, cross-site, unknown
ORIGIN = dict(zip("-oT0x", Origin, strict=True))  # absent, own, trusted, null, other
VERDICT = {".": Verdict.PASS, "t": Verdict.TOKEN, "X": Verdict.REFUSE}

# Rows: Sec-Fetch-Site. Columns: Origin absent, own, trusted, null, other; then the same with a cookie.
TABLE = """
    - o T 0 x    - o T 0 x
-   . . . t X    t . . t X
=   . . . . .    . . . . .
n   . . . . .    . . . . .
s   X X . X X    X X . X X
x   X X . X X    X X . X X
?   X X . X X    X X . X X
"""


def table():
    head, *rows = TABLE.strip("\n").splitlines()
    origins = head.split()
    for row in rows:
        fetch, *cells = row.split()
        for number, (origin, cell) in enumerate(zip(origins, cells, strict=True)):
            yield FETCH[fetch], ORIGIN[origin], number >= len(ORIGIN), VERDICT[cell]


@pytest.mark.hardening("S16")
@pytest.mark.parametrize(("fetch", "origin", "cookie", "verdict"), list(table()))
def test_every_row_of_the_decision(fetch, origin, cookie, verdict):
    assert judge(fetch, origin, cookie=cookie).verdict is verdict


@pytest.mark.hardening("S16")
def test_the_table_is_complete_and_every_rule_is_needed():
    cells = {(fetch, origin, cookie) for fetch, origin, cookie, _ in table()}
    assert cells == set(itertools.product(Fetch, Origin, (False, True)))
    used = {judge(fetch, origin, cookie=cookie) for fetch, origin, cookie in cells}
    assert used == set(RULES)
    assert all(rule.reason for rule in RULES)


OWN = (("https", "shop.example", 443), ("http", "127.0.0.1", 8000))


@pytest.mark.hardening("S16")
@pytest.mark.parametrize(
    ("text", "origin"),
    [
        (None, Origin.ABSENT),
        ("null", Origin.NULL),
        ("https://shop.example", Origin.OWN),
        ("https://SHOP.example", Origin.OWN),
        ("https://shop.example:443", Origin.OWN),
        ("http://127.0.0.1:8000", Origin.OWN),
        ("https://admin.example", Origin.TRUSTED),
        ("https://admin.example:8443", Origin.TRUSTED),
        ("http://shop.example", Origin.OTHER),
        ("https://shop.example:444", Origin.OTHER),
        ("https://sub.shop.example", Origin.OTHER),
        ("https://shop.example.evil", Origin.OTHER),
        ("https://evil-shop.example", Origin.OTHER),
        ("http://127.0.0.1:8001", Origin.OTHER),
        ("http://admin.example", Origin.OTHER),
        ("NULL", Origin.OTHER),
        ("", Origin.OTHER),
        ("shop.example", Origin.OTHER),
        ("//shop.example", Origin.OTHER),
        ("ftp://shop.example", Origin.OTHER),
        ("file://", Origin.OTHER),
        ("https://shop.example, https://evil", Origin.OTHER),
        ("https://shop.example/path", Origin.OTHER),
        ("https://user@shop.example", Origin.OTHER),
        ("https://[bad", Origin.OTHER),
        ("https://shop.example:port", Origin.OTHER),
        ("https://shop.example\udcff", Origin.OTHER),
    ],
)
def test_what_an_origin_is(text, origin):
    rules = CsrfRules(trusted_origins=("https://admin.example", "https://admin.example:8443/"))
    assert rules.classify(text, OWN) is origin


@pytest.mark.parametrize(
    "text", ["*", "null", "admin.example", "https://", "https://admin.example/path", "ftp://admin.example", ""]
)
def test_a_trusted_origin_is_an_origin(text):
    with pytest.raises(ValueError, match="trusted origin"):
        CsrfRules(trusted_origins=[text])


@pytest.mark.hardening("S16")
@pytest.mark.parametrize(
    ("text", "fetch"),
    [
        (None, Fetch.ABSENT),
        ("same-origin", Fetch.SAME_ORIGIN),
        ("none", Fetch.NONE),
        ("same-site", Fetch.SAME_SITE),
        ("cross-site", Fetch.CROSS_SITE),
        ("", Fetch.UNKNOWN),
        ("absent", Fetch.UNKNOWN),
        ("unknown", Fetch.UNKNOWN),
        ("Same-Origin", Fetch.UNKNOWN),
        ("same-origin, none", Fetch.UNKNOWN),
    ],
)
def test_what_sec_fetch_site_is(text, fetch):
    assert fetch_site(text) is fetch


HTTPS, HTTP = ("https", "shop.example", 443), ("http", "shop.example", 80)


@pytest.mark.hardening("S16")
@pytest.mark.parametrize(
    ("scheme", "host", "secure", "origins"),
    [
        ("https", "shop.example", True, {HTTPS}),
        ("http", "shop.example", True, {HTTPS}),  # a proxy ends TLS; plain HTTP to the same host is another origin
        ("http", "shop.example", False, {HTTPS, HTTP}),
        ("https", "shop.example", False, {HTTPS}),
        ("http", "127.0.0.1:8000", True, {("https", "127.0.0.1", 8000), ("http", "127.0.0.1", 8000)}),
        ("http", "[::1]:8000", True, {("https", "::1", 8000), ("http", "::1", 8000)}),
        ("http", "", False, set()),
        ("http", "a b/c", False, set()),
        ("http", "[", False, set()),
    ],
)
def test_our_own_origins(scheme, host, secure, origins):
    assert set(own_origins(scheme, host, secure=secure)) == origins
