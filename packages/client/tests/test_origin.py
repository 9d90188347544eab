"""Keys, Host, origins, odd IPv4 spellings."""

import pickle
import ssl

import pytest
from yarl import URL

from levante.client.origin import ConnectionKey, host_header, is_legacy_ipv4, same_origin


@pytest.mark.parity("C5")
@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://example.com/", "example.com"),
        ("http://example.com:80/", "example.com"),
        ("http://example.com:8080/", "example.com:8080"),
        ("https://example.com:443/", "example.com"),
        ("wss://example.com:444/", "example.com:444"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("http://bücher.example/", "xn--bcher-kva.example"),
        ("http://example.com./", "example.com"),
    ],
)
def test_host_header(url: str, host: str) -> None:
    assert host_header(URL(url)) == host


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://h/", "http://h/x", True),
        ("http://h/", "http://h:80/", True),
        ("http://h/", "http://h./", True),
        ("http://h/", "https://h/", False),
        ("http://h/", "http://h:81/", False),
        ("http://h/", "http://i/", False),
    ],
)
def test_same_origin(one: str, other: str, same: bool) -> None:
    assert same_origin(URL(one), URL(other)) is same


@pytest.mark.parity("C6")
@pytest.mark.hardening("C57")
@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0x7f000001", "127.0.0.01", "1.2.3.256", "127.1."])
def test_legacy_ipv4(host: str) -> None:
    assert is_legacy_ipv4(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "example.com", "a.1b", "::1", "1.example", "example.com."])
def test_not_legacy_ipv4(host: str) -> None:
    assert not is_legacy_ipv4(host)


@pytest.mark.parity("V40")
def test_server_hostname_is_part_of_the_key() -> None:
    key = ConnectionKey("h", 443, True, True, "a")
    assert key != key._replace(server_hostname="b")


def test_pickle_drops_the_context() -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    key = ConnectionKey("h", 443, True, context)
    assert pickle.loads(pickle.dumps(key)).ssl is False
