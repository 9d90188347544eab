"""HTTP Strict Transport Security: the field, the store, and a session that heeds it."""

import json
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from levante import client
from levante.client import ClientSession, HSTSStore, hsts
from levante.client.hsts import Policy, parse_policy


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parity("U24")
@pytest.mark.parametrize(
    ("field", "policy"),
    [
        ("max-age=31536000", Policy(31536000, False)),
        ("max-age=15768000 ; includeSubDomains", Policy(15768000, True)),
        ('MAX-AGE="31536000"; INCLUDESUBDOMAINS; preload', Policy(31536000, True)),
        ("max-age=0; includeSubDomains", Policy(0, True)),
        (" ; max-age = 5 ;; unknown=\"a;b\"; ", Policy(5, False)),
        ("max-age=" + "9" * 5000, Policy(hsts.MAX_AGE, False)),
        ("", None), ("includeSubDomains", None), ("max-age", None), ("max-age=", None), ("max-age=-1", None),
        ("max-age=1; max-age=2", None), ("max-age=1, max-age=2", None), ("max-age=1.5", None), ("max-age=٣", None),
        ("max-age=1; includeSubDomains=no", None), ('max-age="1', None), ("max-age=1 x", None),
    ],
)  # fmt: skip
def test_the_field(field: str, policy: Policy | None) -> None:
    assert parse_policy(field) == policy


@given(st.text())
def test_no_field_is_an_error(field: str) -> None:
    policy = parse_policy(field)
    assert policy is None or 0 <= policy.max_age <= hsts.MAX_AGE


@pytest.mark.parity("U24")
def test_hosts_and_what_is_below_them() -> None:
    store = HSTSStore(clock=(clock := Clock()))
    store.learn(URL("https://one.test/"), "max-age=100")
    store.learn(URL("https://all.test./"), "max-age=100; includeSubDomains")
    for url, upgraded in [
        ("http://one.test/a?b#c", "https://one.test/a?b#c"),
        ("http://ONE.test./", "https://one.test./"),
        ("ws://one.test/", "wss://one.test/"),
        ("http://one.test:80/", "https://one.test/"),
        ("http://one.test:8080/", "https://one.test:8080/"),
        ("http://user:word@one.test/", "https://user:word@one.test/"),
        ("http://below.one.test/", "http://below.one.test/"),
        ("http://deep.below.all.test/", "https://deep.below.all.test/"),
        ("http://notall.test/", "http://notall.test/"),
        ("https://one.test/", "https://one.test/"),
    ]:
        assert store.upgrade(URL(url)) == URL(upgraded)
    assert "one.test" in store
    assert len(store) == 2
    store.learn(URL("https://all.test/"), "max-age=0")
    assert "x.all.test" not in store
    store.learn(URL("https://one.test/"), "nonsense")
    assert "one.test" in store
    clock.now += 100
    assert "one.test" not in store
    assert len(store) == 0


@pytest.mark.parity("U24")
@pytest.mark.parametrize("url", ["http://one.test/", "https://127.0.0.1/", "https://[::1]/"])
def test_who_cannot_ask(url: str) -> None:
    store = HSTSStore()
    store.learn(URL(url), "max-age=100")
    store.learn(URL("https://one.test/"), None)
    assert len(store) == 0
    with pytest.raises(ValueError, match="IP address"):
        store.add("127.0.0.1")


def test_hosts_are_not_kept_for_ever() -> None:
    store = HSTSStore(clock=(clock := Clock()))
    store.add("short.test", max_age=1)
    for number in range(hsts.MAX_HOSTS - 1):
        store.add(f"{number}.test")
    clock.now += 2
    store.add("new.test")
    assert "0.test" in store
    store.add("newer.test")
    assert "0.test" not in store
    assert len(store) == hsts.MAX_HOSTS


@pytest.mark.parity("U24")
def test_saved_and_loaded(tmp_path: Path) -> None:
    store = HSTSStore(clock=(clock := Clock()))
    store.add("one.test", max_age=100)
    store.add("gone.test", max_age=1)
    store.add("all.test", include_subdomains=True)
    clock.now += 10
    store.save(tmp_path / "hsts.json")
    assert (tmp_path / "hsts.json").stat().st_mode & 0o777 == 0o600
    other = HSTSStore(clock=clock)
    other.load(tmp_path / "hsts.json")
    assert "one.test" in other
    assert "x.all.test" in other
    assert "gone.test" not in other
    clock.now += 92
    assert "one.test" not in other


@pytest.mark.parametrize(
    "data",
    [
        [], {}, {"version": 2, "hosts": {}}, {"version": 1, "hosts": []}, {"version": 1, "hosts": {"a": 1}},
        {"version": 1, "hosts": {"a": ["x", True]}}, {"version": 1, "hosts": {"127.0.0.1": [9e9, True]}},
        {"version": 1, "hosts": {"a": [9e9, 1]}}, {"version": 1, "hosts": {"a": [float("inf"), True]}},
        {"version": 1, "hosts": {"a": [10**400, True]}},
    ],
)  # fmt: skip
def test_files_of_others(tmp_path: Path, data: object) -> None:
    (tmp_path / "file").write_text(json.dumps(data))
    store = HSTSStore()
    store.add("one.test")
    with pytest.raises(ValueError, match=r"HSTSStore\.save"):
        store.load(tmp_path / "file")
    assert len(store) == 1


STRICT = b"HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=100\r\nStrict-Transport-Security: max-age=0\r\n"
STRICT += b"Content-Length: 2\r\n\r\nok"


@pytest.mark.parity("U24")
async def test_a_session_upgrades(serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    server = await serve(STRICT, tls=server_tls)
    plain = f"http://localhost:{server.port}/"
    store = HSTSStore()
    jar = client.CookieJar()
    jar.update_cookies_from_headers(["secret=1; Secure"], URL(f"https://localhost:{server.port}/"))
    async with ClientSession(hsts=store, ssl=client_tls, cookie_jar=jar) as session:
        await session.get(f"https://127.0.0.1:{server.port}/")
        assert len(store) == 0
        await session.get(plain.replace("http:", "https:"), ssl=False)
        assert len(store) == 0, "what was not verified says nothing"
        await session.get(plain.replace("http:", "https:"))
        assert "localhost" in store
        async with session.get(plain) as response:
            assert response.url.scheme == "https"
            assert server.last.value("Cookie") == "secret=1", "it has TLS by then"


@pytest.mark.parity("U24")
async def test_redirects_are_upgraded(serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    def answer(seen) -> bytes:
        if seen.target == "/":
            location = f"http://localhost:{server.port}/end"
            return f"HTTP/1.1 302 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        return STRICT

    server = await serve(answer, tls=server_tls)
    store = HSTSStore()
    async with ClientSession(hsts=store, ssl=client_tls) as session:
        url = f"https://localhost:{server.port}/"
        with pytest.raises(client.InvalidUrlRedirectClientError, match="plain text"):
            await session.get(url)
        store.add("localhost")
        async with session.get(url) as response:
            assert response.url == URL(url + "end")
