"""The environment as it is believed: variables, exceptions, the netrc file."""

import asyncio
import logging
import os
from pathlib import Path

import pytest
from yarl import URL

from levante.client import environment
from levante.client.environment import Environment, EnvironmentProxies, NetrcAccounts, NoProxy, netrc_path, read_netrc

VARIABLES = [name for both in environment._NAMES for name in (both, both.upper())]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*VARIABLES, "REQUEST_METHOD", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parity("C19")
@pytest.mark.parametrize(
    ("text", "url", "covered"),
    [
        ("*", "http://h/", True),
        ("a, b c", "http://b/", True),
        ("a, b c", "http://c/", True),
        ("example.com", "http://example.com/", True),
        ("example.com", "http://www.example.com./", True),
        ("example.com", "http://notexample.com/", False),
        (".example.com", "http://example.com/", True),
        (".example.com.", "http://a.example.com/", True),
        ("*.example.com", "http://a.example.com/", True),
        ("*.example.com", "http://example.com/", False),
        ("EXAMPLE.com", "http://Example.COM/", True),
        ("b\u00fccher.example", "http://xn--bcher-kva.example/", True),
        (".b\u00fccher.example", "http://shop.b\u00fccher.example/", True),
        ("*.b\u00fccher.example", "http://shop.b\u00fccher.example/", True),
        ("b\u00fccher.example:81", "http://b\u00fccher.example/", False),
        ("\u2460 \ud800 \u00fc..", "http://h/", False),
        ("h:8080", "http://h:8080/", True),
        ("h:8080", "http://h/", False),
        ("h:443", "https://h/", True),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.1.2.3/8", "http://10.9.9.9/", True),
        ("10.0.0.0/8:81", "http://10.1.2.3:81/", True),
        ("10.0.0.0/8", "http://name/", False),
        ("127.0.0.1", "http://127.0.0.1:1/", True),
        ("127.0.0.1:2", "http://127.0.0.1:1/", False),
        ("1.2.3.4", "http://x1.2.3.4.example/", False),
        ("::1", "http://[::1]/", True),
        ("[::1]", "http://[::1]:9/", True),
        ("[::1]:9", "http://[::1]:9/", True),
        ("[::1]:9", "http://[::1]:8/", False),
        ("fd00::/8", "http://[fd12::1]/", True),
        ("fd00::/8", "http://10.0.0.1/", False),
        ("10.0.0.0/8", "http://[::ffff:10.0.0.1]/", True),
        (",, ,.", "http://h/", False),
        ("localhost", "http://localhost:5000/", True),
        ("localhost", "http://127.0.0.1/", False),
    ],
)
def test_exceptions(text: str, url: str, covered: bool) -> None:
    assert NoProxy(text).covers(URL(url)) is covered


@pytest.mark.parity("C19", "U8")
def test_variables() -> None:
    proxies = EnvironmentProxies({
        "HTTP_PROXY": "http://upper:1",
        "http_proxy": "http://lower:1",
        "HTTPS_PROXY": "https://tls:1",
        "ALL_PROXY": "socks5h://all:1",
        "WSS_PROXY": "plain:1",
        "NO_PROXY": "inside",
    })  # fmt: skip
    for url, expected in [
        ("http://h/", "http://lower:1"),
        ("https://h/", "https://tls:1"),
        ("ws://h/", "http://lower:1"),
        ("wss://h/", "http://plain:1"),
        ("http://inside/", None),
    ]:
        assert proxies.proxy_for(URL(url)) == expected
    assert EnvironmentProxies({"ALL_PROXY": "socks5h://all:1"}).proxy_for(URL("wss://h/")) == "socks5h://all:1"
    assert EnvironmentProxies({"HTTP_PROXY": "x", "http_proxy": ""}).proxy_for(URL("http://h/")) is None
    assert EnvironmentProxies({"HTTP_PROXY": "x", "no_proxy": "", "NO_PROXY": "h"}).proxy_for(URL("http://h/"))
    assert EnvironmentProxies({}).proxy_for(URL("http://h/")) is None


@pytest.mark.parity("C19")
def test_a_cgi_program_does_not_believe_the_header_of_whoever_asks() -> None:
    hostile = {"REQUEST_METHOD": "GET", "HTTP_PROXY": "http://attacker:1", "HTTPS_PROXY": "http://p:1"}
    assert EnvironmentProxies(hostile).proxy_for(URL("http://h/")) is None
    assert EnvironmentProxies(hostile).proxy_for(URL("https://h/")) == "http://p:1"
    assert EnvironmentProxies(hostile | {"http_proxy": "http://own:1"}).proxy_for(URL("http://h/")) == "http://own:1"


@pytest.mark.parity("C19")
def test_changes_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Environment()
    assert seen.proxy_for(URL("http://h/")) is None
    monkeypatch.setenv("http_proxy", "http://p:1")
    assert seen.proxy_for(URL("http://h/")) == "http://p:1"
    monkeypatch.setenv("no_proxy", "h")
    assert seen.proxy_for(URL("http://h/")) is None


@pytest.mark.parity("C19")
def test_the_netrc_file(tmp_path: Path) -> None:
    path = tmp_path / "some"
    path.write_text("machine h login ann password s\nmachine only password p\ndefault login d password e\n")
    accounts = read_netrc(path)
    assert accounts.find("h.", default=False) == ("ann", "s", "utf-8")
    assert accounts.find("only") == ("", "p", "utf-8")
    assert accounts.find("x") == ("d", "e", "utf-8")
    assert accounts.find("x", default=False) is None
    assert accounts.find("default", default=False) is None
    assert NetrcAccounts().find("h") is None


@pytest.mark.parity("C19")
def test_where_the_netrc_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert netrc_path({}) == tmp_path / ".netrc"
    assert netrc_path({"NETRC": "/x/y"}) == Path("/x/y")
    monkeypatch.setattr(environment.sys, "platform", "win32")
    assert netrc_path({}) == tmp_path / "_netrc"


@pytest.mark.parity("C19")
async def test_it_is_read_in_a_thread_and_again_when_it_is_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    readers: list[object] = []
    true_read = read_netrc

    def watched(path: Path) -> NetrcAccounts:
        try:
            readers.append(asyncio.get_running_loop())
        except RuntimeError:
            readers.append(None)
        return true_read(path)

    monkeypatch.setattr(environment, "read_netrc", watched)
    path = tmp_path / ".netrc"
    path.write_text("machine h login ann password s\ndefault login d password e\n")
    path.chmod(0o600)
    seen = Environment()
    await seen.refresh()
    await seen.refresh()
    assert readers == [None]
    assert seen.authorization("h", False) == "Basic YW5uOnM="
    assert seen.authorization("x", False) == "Basic ZDpl"
    assert seen.authorization("x", True) is None
    assert seen.credentials("x") is None
    path.write_text("machine h login ben password s\n")
    await seen.refresh()
    assert seen.credentials("h") == ("ann", "s", "utf-8")
    monkeypatch.setattr(environment, "NETRC_AGE", 0.0)
    await seen.refresh()
    assert seen.credentials("h") == ("ben", "s", "utf-8")


@pytest.mark.parity("C19")
async def test_a_file_that_is_no_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Environment()
    with caplog.at_level(logging.WARNING):
        await seen.refresh()
        assert not caplog.records
        monkeypatch.setenv("NETRC", os.fspath(tmp_path / "missing"))
        await seen.refresh()
        assert "does not exist" in caplog.text
        caplog.clear()
        broken = tmp_path / "broken"
        broken.write_text("machine h\nlogin ann\ns3cret")
        monkeypatch.setenv("NETRC", os.fspath(broken))
        await seen.refresh()
        assert "line" in caplog.text
        assert "s3cret" not in caplog.text
        caplog.clear()
        monkeypatch.setenv("NETRC", os.fspath(tmp_path))
        await seen.refresh()
        assert "IsADirectoryError" in caplog.text
    assert seen.authorization("h", False) is None
