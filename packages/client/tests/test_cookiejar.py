"""The jar: what it takes, what it gives, its bounds, its file."""

import json
import pickle
import stat
import time
from http.cookies import Morsel, SimpleCookie
from pathlib import Path

import pytest
from yarl import URL

from levante.client import AbstractCookieJar, CookieJar, DummyCookieJar
from levante.client.cookiejar import MAX_COOKIES, MAX_COOKIES_PER_HOST

HOST = URL("http://www.example.com/a/b")


def filled(*headers: str, url: URL = HOST, **options: object) -> CookieJar:
    jar = CookieJar(**options)  # type: ignore[arg-type]
    jar.update_cookies_from_headers(headers, url)
    return jar


def sent(jar: AbstractCookieJar, url: str) -> dict[str, str]:
    found = {name: morsel.coded_value for name, morsel in jar.filter_cookies(URL(url)).items()}
    if isinstance(jar, CookieJar):
        assert jar.cookie_header(URL(url)) == "; ".join(f"{name}={value}" for name, value in found.items())
    return found


@pytest.mark.parity("C27")
def test_host_only_and_domain_cookies() -> None:
    jar = filled(
        "a=1", "b=2; Domain=example.com", "c=3; Domain=.example.com.", "d=4; Domain=other.com", "e=5; Domain=com"
    )
    assert sent(jar, "http://www.example.com/a/") == {"b": "2", "a": "1", "c": "3"}
    assert sent(jar, "http://x.www.example.com/a/") == {"b": "2"}
    assert sent(jar, "http://example.com/a/") == {"b": "2"}
    assert sent(jar, "http://other.com/a/") == {}
    assert jar.host_only_cookies == {("www.example.com", "a"), ("www.example.com", "c")}


@pytest.mark.parity("C27")
def test_paths_default_to_the_directory_and_the_specific_wins() -> None:
    jar = filled("a=dir", "a=root; Path=/", "a=deep; Path=/a/b", "b=rel; Path=relative")
    assert sent(jar, "http://www.example.com/a/b/c") == {"a": "deep", "b": "rel"}
    assert sent(jar, "http://www.example.com/a/x") == {"a": "dir", "b": "rel"}
    assert sent(jar, "http://www.example.com/") == {"a": "root"}


@pytest.mark.parity("C27")
def test_secure_cookies_need_a_secure_origin() -> None:
    jar = filled("a=1; Secure", url=URL("https://h.example/"))
    assert sent(jar, "https://h.example/") == {"a": "1"}
    assert sent(jar, "wss://h.example/") == {"a": "1"}
    assert sent(jar, "http://h.example/") == {}
    declared = CookieJar(treat_as_secure_origin="http://h.example")
    declared.update_cookies_from_headers(["a=1; Secure"], URL("http://h.example/"))
    assert sent(declared, "http://h.example/") == {"a": "1"}
    assert sent(filled("a=1; Secure"), "https://www.example.com/a/") == {}


@pytest.mark.hardening("C56")
def test_plain_http_does_not_touch_a_secure_cookie() -> None:
    jar = filled("a=1; Secure; Path=/", url=URL("https://h.example/"))
    jar.update_cookies_from_headers(["a=evil; Path=/", "a=; Path=/; Max-Age=0"], URL("http://h.example/"))
    assert sent(jar, "https://h.example/") == {"a": "1"}


@pytest.mark.parity("C27")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_addresses_need_an_unsafe_jar(host: str) -> None:
    url = URL(f"http://{host}/")
    assert len(filled("a=1", url=url)) == 0
    jar = filled("a=1", url=url, unsafe=True)
    assert jar.unsafe
    assert sent(jar, str(url)) == {"a": "1"}
    assert sent(filled("a=1"), str(url)) == {}


@pytest.mark.parity("C27")
def test_max_age_beats_expires_and_zero_deletes() -> None:
    jar = filled(
        "a=1; Max-Age=100; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "b=2; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    )
    assert [morsel.key for morsel in jar] == ["a"]
    jar.update_cookies_from_headers(["a=; Max-Age=0"], HOST)
    assert len(jar) == 0


def test_an_expired_cookie_is_neither_sent_nor_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    jar = filled("a=1; Max-Age=10", "b=2")
    later = time.time() + 11
    monkeypatch.setattr(time, "time", lambda: later)
    assert sent(jar, str(HOST)) == {"b": "2"}
    assert len(jar) == 1


@pytest.mark.parity("C27")
def test_shared_cookies_go_everywhere() -> None:
    jar = CookieJar()
    jar.update_cookies({"a": "1"})
    jar.update_cookies([("b", "2")])
    assert sent(jar, "http://x.example/") == {"a": "1", "b": "2"}
    assert sent(jar, "http://1.2.3.4/") == {"a": "1", "b": "2"}


@pytest.mark.parity("C27", "C23")
def test_a_shared_cookie_with_a_domain_goes_there_only() -> None:
    jar = CookieJar(unsafe=True)
    for text in ("a=1; Domain=.Example.com; Path=/in", "b=2; Domain=localhost", "c=3; Domain=d."):
        jar.update_cookies(SimpleCookie(text))
    assert set(sent(jar, "http://example.com/in/x")) == {"a", "c"}
    assert set(sent(jar, "http://sub.example.com/in")) == {"a", "c"}
    assert set(sent(jar, "http://example.com/")) == {"c"}
    assert set(sent(jar, "http://localhost/")) == {"b", "c"}
    assert set(sent(jar, "http://sub.localhost/")) == {"c"}
    assert set(sent(jar, "http://other.org/in")) == {"c"}
    assert set(sent(jar, "http://127.0.0.1/in")) == {"c"}


@pytest.mark.parity("C27")
def test_a_morsel_goes_by_its_own_name() -> None:
    morsel: Morsel[str] = Morsel()
    with pytest.raises(ValueError, match="nothing was put into"):
        CookieJar().update_cookies({"other": morsel})
    morsel.set("own", "1", "1")
    jar = CookieJar()
    jar.update_cookies({"other": morsel})
    assert set(sent(jar, "http://a.test/")) == {"own"}


@pytest.mark.parity("C27")
def test_what_goes_with_a_request_has_no_attributes() -> None:
    jar = CookieJar()
    jar.update_cookies(SimpleCookie("a=1; Path=/; HttpOnly; SameSite=Lax"), URL("https://a.test/"))
    jar.update_cookies({"b": "2"})
    found = jar.filter_cookies("https://a.test/")  # type: ignore[arg-type]
    assert sorted(found.output(header="Cookie:").split("\r\n")) == ["Cookie: a=1", "Cookie: b=2"]
    assert jar.filter_cookies().output(header="Cookie:") == "Cookie: b=2"
    assert not DummyCookieJar().filter_cookies()


@pytest.mark.parity("C27")
def test_morsels_keep_their_attributes() -> None:
    simple = SimpleCookie()
    simple.load('a="q v"; Path=/x; Domain=example.com; Max-Age=100')
    jar = CookieJar()
    jar.update_cookies(simple, HOST)
    assert sent(jar, "http://example.com/x/y") == {"a": '"q v"'}
    simple = SimpleCookie("a=1")
    simple["a"]["max-age"] = "rubbish"
    simple["a"]["expires"] = "rubbish"
    jar.update_cookies(simple, HOST)
    simple["a"]["domain"] = "elsewhere.example"
    jar.update_cookies(simple, HOST)
    simple["a"]["domain"] = ""
    simple["a"]["max-age"] = ""
    simple["a"]["expires"] = "Thu, 01 Jan 1970 00:00:00 GMT"
    jar.update_cookies(simple, HOST)
    assert [morsel["domain"] for morsel in jar] == ["example.com"]


@pytest.mark.parity("C27")
def test_quoting() -> None:
    jar = CookieJar()
    jar.update_cookies({"a": "b c"}, HOST)
    assert sent(jar, str(HOST)) == {"a": '"b c"'}
    plain = CookieJar(quote_cookie=False)
    assert not plain.quote_cookie
    plain.update_cookies({"a": "b c"}, HOST)
    plain.update_cookies(SimpleCookie({"d": "ef"}), HOST)
    assert sent(plain, str(HOST)) == {"a": "b c", "d": "ef"}
    for options in ({}, {"quote_cookie": False}):
        verbatim = filled('a="x\\"y"', "b=p q", **options)
        assert sent(verbatim, str(HOST)) == {"a": '"x\\"y"', "b": "p q"}


@pytest.mark.parity("C30")
def test_duplicates_across_domains_and_paths_are_kept() -> None:
    jar = filled("a=1; Path=/", "a=2; Path=/a", "a=3; Path=/; Domain=example.com")
    assert len(jar) == 3
    assert set(jar.cookies) == {("www.example.com", "/"), ("www.example.com", "/a"), ("example.com", "/")}
    assert jar.cookies["example.com", "/"]["a"].value == "3"


@pytest.mark.parity("C27")
def test_clear() -> None:
    jar = filled("a=1", "b=2; Domain=example.com")
    jar.clear(lambda morsel: morsel.key == "a")
    assert [morsel.key for morsel in jar] == ["b"]
    jar.clear_domain("example.com")
    assert len(jar) == 0
    jar = filled("a=1", "b=2; Domain=example.com")
    jar.clear_domain("example.com")
    assert len(jar) == 0
    assert jar.cookie_header(HOST) == ""
    jar = filled("a=1")
    jar.clear()
    assert len(jar) == 0


@pytest.mark.hardening("C56")
def test_bounds() -> None:
    jar = CookieJar()
    for number in range(MAX_COOKIES_PER_HOST + 10):
        jar.update_cookies({f"c{number}": "x"}, HOST)
    assert len(jar) == MAX_COOKIES_PER_HOST
    assert "c0" not in jar.filter_cookies(HOST)
    for number in range(MAX_COOKIES):
        jar.update_cookies({"a": "x"}, URL(f"http://h{number}.example/"))
    assert len(jar) == MAX_COOKIES


@pytest.mark.parity("C28", "V35", "V44")
def test_save_and_load(tmp_path: Path) -> None:
    path = tmp_path / "jar.json"
    jar = filled(
        "a=1",
        "b=2; Domain=example.com; Max-Age=1000; Secure; HttpOnly; SameSite=Lax",
        'c="q"',
        url=URL("https://www.example.com/"),
    )
    jar.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = filled("gone=1")
    again.load(path)
    assert (
        sent(again, "https://www.example.com/")
        == sent(jar, "https://www.example.com/")
        == {"b": "2", "a": "1", "c": '"q"'}
    )
    assert again.host_only_cookies == jar.host_only_cookies
    assert sent(again, "https://x.www.example.com/") == {"b": "2"}
    assert "gone" not in str(again.cookies)
    first, second = (
        next(record for record in json.loads(Path(file).read_text())["cookies"] if record["name"] == "b")["expires"]
        for file in (path, _saved(again, tmp_path))
    )
    assert first == second


def _saved(jar: CookieJar, folder: Path) -> Path:
    jar.save(folder / "again.json")
    return folder / "again.json"


@pytest.mark.parity("C28", "V35")
def test_load_refuses_everything_else(tmp_path: Path) -> None:
    path = tmp_path / "jar"
    jar = filled("kept=1")
    good = {
        "name": "a", "value": "1", "coded": "1", "domain": "h.example", "path": "/", "host_only": True, "secure": False,
        "httponly": False, "samesite": "", "expires": None,
    }  # fmt: skip
    broken: list[bytes] = [
        pickle.dumps({("h", "/"): SimpleCookie("a=1")}),
        b"",
        b"[]",
        b'{"version": 2, "cookies": []}',
        b'{"version": 1}',
        b'{"version": 1, "cookies": [{"name": "a"}]}',
        *(
            json.dumps({"version": 1, "cookies": [good | change]}).encode()
            for change in ({"name": 1}, {"secure": "yes"}, {"expires": "never"}, {"coded": "a\r\nb"}, {"name": "a;b"})
        ),
    ]
    for content in broken:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="cookie file"):
            jar.load(path)
    assert sent(jar, str(HOST)) == {"kept": "1"}


@pytest.mark.parity("C28", "V44")
def test_loading_goes_through_the_rules(tmp_path: Path) -> None:
    path = tmp_path / "jar"
    jar = CookieJar(unsafe=True)
    jar.update_cookies({"a": "1"}, URL("http://127.0.0.1/"))
    jar.update_cookies_from_headers(["b=2; Max-Age=1"], HOST)
    jar.save(path)
    data = json.loads(path.read_text())
    data["cookies"][1]["expires"] = 1.0
    path.write_text(json.dumps(data))
    again = CookieJar()
    again.load(path)
    assert len(again) == 0


def test_a_failed_save_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        filled("a=1").save(tmp_path / "jar")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parity("C29")
def test_dummy() -> None:
    jar = DummyCookieJar()
    jar.update_cookies({"a": "1"})
    jar.update_cookies_from_headers(["a=1"], HOST)
    jar.clear()
    jar.clear_domain("x")
    assert (len(jar), list(jar), dict(jar.filter_cookies(HOST)), dict(jar.cookies)) == (0, [], {}, {})
    assert not jar.unsafe
    assert jar.quote_cookie
    assert not jar.host_only_cookies


@pytest.mark.parity("C29")
def test_a_jar_of_ones_own_gets_morsels() -> None:
    class Own(DummyCookieJar):
        def __init__(self) -> None:
            self.got: list[tuple[str, str, str, str]] = []

        def update_cookies(self, cookies, response_url=URL()) -> None:  # type: ignore[no-untyped-def] # noqa: B008
            for name, morsel in cookies:
                self.got.append((name, morsel.value, morsel["path"], morsel["expires"]))

        update_cookies_from_headers = AbstractCookieJar.update_cookies_from_headers

    jar = Own()
    jar.update_cookies_from_headers(['a="1"; Path=/x; Max-Age=3; Expires=Wed, 09 Jun 2100 10:18:14 GMT'], HOST)
    assert jar.got == [("a", "1", "/x", "Wed, 09 Jun 2100 10:18:14 GMT")]
