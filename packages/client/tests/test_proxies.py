"""Which proxy, and what it is told: on values alone."""

import pickle
import ssl

import pytest
from multidict import CIMultiDict
from yarl import URL

from levante.client import BasicAuth
from levante.client.origin import ConnectionKey
from levante.client.proxies import (
    UNDECIDED,
    Pattern,
    Proxy,
    ProxyRules,
    ProxyTable,
    headers_beyond,
    parse_pattern,
    parse_proxy,
    request_rules,
    session_rules,
)

ANN = BasicAuth("ann", "secret")


class Surroundings:
    """An environment that says one thing."""

    def __init__(self, named: str | None = None, auth: BasicAuth | None = None) -> None:
        self.named = named
        self.auth = auth

    def proxy_for(self, url: URL) -> str | None:
        return self.named

    def credentials(self, host: str) -> BasicAuth | None:
        return self.auth


@pytest.mark.parity("C18", "U7", "U8")
@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks4a", "socks5", "socks5h"])
def test_a_proxy_is_read(scheme: str) -> None:
    proxy = parse_proxy(f"{scheme}://ann:s%40@proxy:81/ignored")
    assert (str(proxy.url), proxy.host, proxy.port) == (f"{scheme}://proxy:81", "proxy", 81)
    assert proxy.auth == ("ann", "s@", "utf-8")
    assert proxy.is_socks == scheme.startswith("socks")


@pytest.mark.parity("C18")
def test_usual_ports() -> None:
    found = [parse_proxy(f"{scheme}://h").port for scheme in ("http", "https", "socks5")]
    assert found == [80, 443, 1080]


@pytest.mark.parity("C18")
@pytest.mark.parametrize("url", ["ftp://h:1", "localhost:80", "http://", "//h:1", "h", ""])
def test_what_is_no_proxy(url: str) -> None:
    with pytest.raises(ValueError, match=r"scheme://host:port|host is required"):
        parse_proxy(url)


@pytest.mark.parity("C18")
def test_credentials_once_and_sendable() -> None:
    with pytest.raises(ValueError, match="exclude each other") as caught:
        parse_proxy("http://bob:hidden@h:1", ANN)
    assert "hidden" not in str(caught.value)
    with pytest.raises(ValueError, match="7617"):
        parse_proxy("http://a%3Ab:c@h:1")
    with pytest.raises(ValueError, match="scheme") as caught:
        parse_proxy("gopher://bob:hidden@h:1")
    assert "hidden" not in str(caught.value)


@pytest.mark.hardening("C54")
def test_credentials_are_not_shown_and_do_not_travel() -> None:
    proxy = parse_proxy("http://ann:secret@h:1")._replace(
        fields=(("X-Token", "secret"),), ssl=ssl.create_default_context()
    )
    key = ConnectionKey("o", 80, False, True, proxy=proxy)
    assert "secret" not in repr(key)
    assert "h:1" in repr(key)
    copy = pickle.loads(pickle.dumps(key))
    assert copy.proxy == Proxy(URL("http://h:1"))


@pytest.mark.parity("U8")
@pytest.mark.parametrize(
    ("key", "url", "matches"),
    [
        ("all", "http://h/", True),
        ("all://", "wss://h/", True),
        ("http", "http://h/", True),
        ("http", "https://h/", False),
        ("http", "ws://h/", True),
        ("https://", "wss://h/", True),
        ("ws", "http://h/", False),
        ("wss", "wss://h/", True),
        ("all://h", "http://h./", True),
        ("all://H", "http://h:81/", True),
        ("all://h:81", "http://h:81/", True),
        ("all://h:81", "http://h/", False),
        ("http://h:80/", "http://h/", True),
        ("all://h", "http://x.h/", False),
        ("all://*.h.example", "http://x.h.example/", True),
        ("all://*.h.example", "http://h.example/", False),
        ("all://*h.example", "http://h.example/", True),
        ("all://*h.example", "http://x.h.example/", True),
        ("all://*h.example", "http://oh.example/", False),
        ("all://*", "http://h/", True),
        ("all://*:81", "http://h:81/", True),
        ("all://[::1]", "http://[::1]:5/", True),
        ("all://bücher.example", "http://xn--bcher-kva.example/", True),
    ],
)
def test_patterns(key: str, url: str, matches: bool) -> None:
    assert parse_pattern(key).matches(URL(url)) is matches


@pytest.mark.parity("U8")
@pytest.mark.parametrize(
    "key",
    ["", "ftp", "http:", "http://h/path", "http://a@h", "http://h:x", "http://a*b", "http://*.*.h", "h", "no_proxy"],
)
def test_what_is_no_pattern(key: str) -> None:
    with pytest.raises(ValueError, match="key of proxies"):
        parse_pattern(key)


@pytest.mark.parity("U8")
def test_the_most_specific_pattern_counts() -> None:
    keys = ["all", "http", "ws", "all://*.example.com", "all://a.example.com", "http://a.example.com", "all://*:81"]
    table = ProxyTable({key: f"http://p{number}:1" for number, key in enumerate(keys)} | {"all://direct": None})
    for url, number in [
        ("https://x/", 0),
        ("http://x/", 1),
        ("ws://x/", 2),
        ("https://b.example.com/", 3),
        ("http://b.example.com/", 3),
        ("https://a.example.com/", 4),
        ("http://a.example.com/", 5),
        ("http://a.example.com:81/", 6),
    ]:
        decided, proxy = table.look_up(URL(url))
        assert decided
        assert proxy is not None
        assert (url, proxy.host) == (url, f"p{number}")
    assert table.look_up(URL("http://direct/")) == (True, None)
    assert ProxyTable({"https": None}).look_up(URL("http://h/")) == UNDECIDED
    assert Pattern("", "", None).weight(URL("http://h/")) < Pattern("http", "", None).weight(URL("http://h/"))


@pytest.mark.parity("C18", "C19", "U8")
def test_the_request_counts_more_than_the_session_and_that_more_than_the_environment() -> None:
    url = URL("http://o/")
    session = session_rules(proxies={"https": "http://mapped:1"}, environment=Surroundings("http://env:1"))
    assert host_of(session, url) == "env"
    assert host_of(session, URL("https://o/")) == "mapped"
    named = request_rules(session, proxy="http://own:1")
    assert [host_of(named, url), host_of(named, URL("https://o/"))] == ["own", "own"]
    mapped = request_rules(session, proxies={"http": None})
    assert [host_of(mapped, url), host_of(mapped, URL("https://o/"))] == [None, "mapped"]
    assert not session_rules(environment=Surroundings("http://env:1")).explicit
    assert session.explicit
    assert mapped.explicit
    assert ProxyRules().choose(url) is None


def host_of(rules: ProxyRules, url: URL) -> str | None:
    proxy = rules.choose(url)
    return None if proxy is None else proxy.host


@pytest.mark.parity("C18")
@pytest.mark.hardening("C54")
def test_credentials_belong_to_their_proxy() -> None:
    url = URL("http://o/")
    session = session_rules(proxy="http://one:1", auth=ANN)
    assert request_rules(session, proxy="http://one:1").choose(url).auth == ANN
    assert request_rules(session, proxy="http://two:1").choose(url).auth is None
    assert request_rules(session, auth=BasicAuth("b")).choose(url).auth == BasicAuth("b")
    lending = session_rules(auth=ANN, environment=Surroundings("http://env:1"))
    assert request_rules(lending, proxy="http://two:1").choose(url).auth == ANN
    assert request_rules(lending, proxy="http://b@two:1").choose(url).auth.login == "b"
    assert lending.choose(url).auth is None
    assert session_rules(environment=Surroundings("http://env:1", ANN)).choose(url).auth == ANN
    known = session_rules(proxy="http://c@named:1", environment=Surroundings(None, ANN))
    assert known.choose(url).auth.login == "c"


@pytest.mark.parity("C18")
@pytest.mark.hardening("C54")
def test_fields_belong_to_their_proxy() -> None:
    url, mine = URL("http://o/"), (("X-Token", "secret"),)
    for session in (
        session_rules(proxy="http://one:1", fields=mine),
        session_rules(proxies={"all": "http://one:1"}, fields=mine),
    ):
        assert session.choose(url).fields == mine
        assert request_rules(session, proxy="http://two:1").choose(url).fields == ()
        assert request_rules(session, proxies={"all": "http://two:1"}).choose(url).fields == ()
        assert request_rules(session, proxies={"https": "http://two:1"}).choose(url).fields == mine
        assert request_rules(session, fields=(("A", "b"),)).choose(url).fields == (("A", "b"),)
        assert request_rules(session, fields=()).choose(url).fields == ()
        assert request_rules(session, ssl=False).choose(url) == session.choose(url)._replace(ssl=False)
    assert request_rules(session_rules(fields=mine), proxy="http://two:1").choose(url).fields == mine
    assert (
        request_rules(session_rules(proxy="http://one:1", fields=mine), proxy="http://one:1").choose(url).fields == mine
    )
    assert session_rules(environment=Surroundings("http://env:1"), fields=mine).choose(url).fields == mine
    inherited = request_rules(session_rules(ssl=False), proxy="http://two:1")
    assert inherited.choose(url).ssl is False


@pytest.mark.parity("C18")
def test_arguments_that_exclude_each_other() -> None:
    nothing = ProxyRules()
    with pytest.raises(ValueError, match="proxies="):
        session_rules(proxy="http://h", proxies={})
    with pytest.raises(ValueError, match="belongs to proxy="):
        session_rules(proxies={}, auth=ANN)
    with pytest.raises(ValueError, match="neither"):
        request_rules(nothing, auth=ANN)
    with pytest.raises(TypeError, match="BasicAuth"):
        request_rules(nothing, proxy="http://h", auth=("a", "b"))


@pytest.mark.parity("C18")
@pytest.mark.hardening("C54")
def test_what_is_sent_where() -> None:
    headers = CIMultiDict([("Host", "o"), ("Proxy-Authorization", "a"), ("proxy-authorization", "b"), ("X-P", "own")])
    rules = session_rules(proxy="http://p:1", auth=ANN, fields=(("X-P", "p"), ("Proxy-Authorization", "c")))
    plain, tunnel = rules.choose(URL("http://o/"), headers), rules.choose(URL("https://o/"), headers)
    assert not plain.tunnel
    assert tunnel.tunnel
    assert tunnel.headers() == (("X-P", "p"), ("Proxy-Authorization", "a"), ("Proxy-Authorization", "b"))
    assert list(headers_beyond(headers, plain).items()) == [("Host", "o"), *tunnel.headers()]
    assert list(headers_beyond(headers, tunnel).items()) == [("Host", "o"), ("X-P", "own")]
    assert list(headers_beyond(headers, None).items()) == [("Host", "o"), ("X-P", "own")]
    assert headers.getall("Proxy-Authorization") == ["a", "b"]
    assert rules.choose(URL("ws://o/")).tunnel
    assert rules.choose(URL("http://o/")).headers() == (("X-P", "p"), ("Proxy-Authorization", "c"))
    by_auth = session_rules(proxy="http://p:1", auth=ANN).choose(URL("http://o/"))
    assert by_auth.headers() == (("Proxy-Authorization", ANN.encode()),)


@pytest.mark.parity("U7")
def test_socks_carries_no_fields() -> None:
    rules = session_rules(proxy="socks5://ann:pw@p", fields=(("X", "y"),), ssl=False)
    proxy = rules.choose(URL("http://o/"), CIMultiDict({"Proxy-Authorization": "a"}))
    assert proxy == Proxy(URL("socks5://p"), BasicAuth("ann", "pw", "utf-8"), tunnel=True)
