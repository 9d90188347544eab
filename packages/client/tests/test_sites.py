"""Public suffixes and sites, and the cookies that they keep apart."""

import json
import sys
from pathlib import Path

import pytest
from yarl import URL

from levante.client import CookieJar, PublicSuffixes
from levante.client.sites import Site

SUFFIXES = PublicSuffixes()


def names(jar: CookieJar, url: str) -> set[str]:
    return set(jar.filter_cookies(URL(url)))


@pytest.mark.parity("U24")
@pytest.mark.parametrize(
    ("domain", "public", "site"),
    [
        ("com", True, "com"), ("co.uk", True, "co.uk"), ("github.io", True, "github.io"),
        ("shop.co.uk", False, "shop.co.uk"), ("www.shop.co.uk", False, "shop.co.uk"),
        ("me.github.io", False, "me.github.io"), ("city.kawasaki.jp", False, "city.kawasaki.jp"),
        ("a.b.kawasaki.jp", False, "a.b.kawasaki.jp"), ("b.kawasaki.jp", True, "b.kawasaki.jp"),
        ("xn--55qx5d.cn", True, "xn--55qx5d.cn"), ("one.test", False, "one.test"),
    ],
)  # fmt: skip
def test_the_list(domain: str, public: bool, site: str) -> None:
    assert SUFFIXES.is_public(domain) is public
    assert SUFFIXES.site_of(domain) == site


@pytest.mark.parity("U24")
def test_the_registries_alone() -> None:
    registries = PublicSuffixes(private=False)
    assert registries.is_public("co.uk")
    assert not registries.is_public("github.io")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "publicsuffixlist", None)
    with pytest.raises(ImportError, match=r"levante-client\[psl\]"):
        PublicSuffixes()


@pytest.mark.parity("U24")
def test_no_cookie_is_for_a_public_suffix() -> None:
    fields = ["wide=1; Domain=co.uk", "own=1; Domain=shop.co.uk", "host=1", "tld=1; Domain=uk"]
    jar = CookieJar(public_suffixes=SUFFIXES)
    jar.update_cookies_from_headers(fields, URL("https://www.shop.co.uk/"))
    assert names(jar, "https://www.shop.co.uk/") == {"own", "host"}
    assert names(jar, "https://shop.co.uk/") == {"own"}
    assert names(jar, "https://other.co.uk/") == set()
    careless = CookieJar()
    careless.update_cookies_from_headers(fields, URL("https://www.shop.co.uk/"))
    assert "wide" in names(careless, "https://other.co.uk/"), "what the list is for"


@pytest.mark.parity("U24")
def test_a_suffix_may_have_cookies_of_its_own() -> None:
    jar = CookieJar(public_suffixes=SUFFIXES)
    jar.update_cookies_from_headers(["a=1; Domain=github.io"], URL("https://github.io/"))
    assert names(jar, "https://github.io/") == {"a"}
    assert names(jar, "https://me.github.io/") == set()
    jar.update_cookies_from_headers(["a=1; Domain=local"], URL("https://x.local/"))
    assert names(jar, "https://x.local/") == set()


@pytest.mark.parity("U24")
def test_nor_does_one_come_from_a_file(tmp_path: Path) -> None:
    careless = CookieJar()
    careless.update_cookies_from_headers(
        ["wide=1; Domain=co.uk", "own=1; Domain=shop.co.uk"], URL("https://shop.co.uk/")
    )
    careless.save(tmp_path / "jar")
    assert "co.uk" in (tmp_path / "jar").read_text()
    jar = CookieJar(public_suffixes=SUFFIXES)
    jar.load(tmp_path / "jar")
    assert [morsel.key for morsel in jar] == ["own"]
    assert len(json.loads((tmp_path / "jar").read_text())["cookies"]) == 2


SAMESITE = ["strict=1; SameSite=Strict", "lax=1; SameSite=lax", "none=1; SameSite=None; Secure", "silent=1"]
EVERYTHING = {"strict", "lax", "none", "silent"}
ABROAD = {"none", "silent"}


@pytest.mark.parity("U24")
@pytest.mark.parametrize(
    ("site", "url", "expected"),
    [
        (None, "https://api.shop.co.uk/", EVERYTHING),
        ("https://www.shop.co.uk/cart", "https://api.shop.co.uk/", EVERYTHING),
        ("https://shop.co.uk", "wss://api.shop.co.uk/", EVERYTHING),
        ("https://other.co.uk/", "https://api.shop.co.uk/", ABROAD),
        ("http://www.shop.co.uk/", "https://api.shop.co.uk/", ABROAD),
    ],
)
def test_samesite(site: str | None, url: str, expected: set[str]) -> None:
    jar = CookieJar(public_suffixes=SUFFIXES, site=site)
    jar.update_cookies_from_headers(SAMESITE, URL(url))
    assert {morsel.key for morsel in jar} == expected, "what comes from abroad is not taken either"
    everything = CookieJar(public_suffixes=SUFFIXES)
    everything.update_cookies_from_headers(SAMESITE, URL(url))
    jar._domains, jar._count = everything._domains, everything._count
    assert names(jar, url) == expected


@pytest.mark.parity("U24")
def test_without_a_list_a_site_is_a_host() -> None:
    site = Site("https://shop.test", None)
    assert not site.keeps_from(URL("https://SHOP.test./x"), "Strict")
    assert site.keeps_from(URL("https://api.shop.test/"), "Strict")
    assert not site.keeps_from(URL("https://api.shop.test/"), "")
    assert not Site("https://127.0.0.1", SUFFIXES).keeps_from(URL("https://127.0.0.1:8443/"), "Lax")
    with pytest.raises(ValueError, match="scheme and a host"):
        CookieJar(site="shop.test")


def test_shared_cookies_go_everywhere() -> None:
    jar = CookieJar(site="https://shop.test")
    jar.update_cookies({"mine": "1"})
    assert names(jar, "https://elsewhere.test/") == {"mine"}
