"""The rules of cookies."""

import time

import pytest
from yarl import URL

from levante.client.cookierules import (
    MAX_COOKIE_SIZE,
    MAX_LIFETIME,
    Cookie,
    acceptable,
    deadline_for,
    default_path,
    domain_for,
    domain_matches,
    is_ip_address,
    is_secure,
    path_matches,
    sendable,
)


def cookie(name: str = "a", *, value: str = "1", path: str = "/", host_only: bool = True, **more: object) -> Cookie:
    return Cookie(name, value, value, "h.example", path, host_only, **more)  # type: ignore[arg-type]


def test_ip_addresses() -> None:
    assert all(map(is_ip_address, ["1.2.3.4", "::1", "[::1]", "fe80::1%eth0"]))
    assert not any(map(is_ip_address, ["example.com", "1.2.3", ""]))


def test_domain_matches() -> None:
    assert domain_matches("example.com", "example.com")
    assert domain_matches("example.com", "a.example.com")
    assert not domain_matches("example.com", "badexample.com")
    assert not domain_matches("0.0.1", "127.0.0.1")


@pytest.mark.parametrize(
    ("request_path", "cookie_path", "match"),
    [
        ("/a", "/a", True),
        ("/a/b", "/a", True),
        ("/a/b", "/a/", True),
        ("/ab", "/a", False),
        ("/", "/a", False),
        ("/x", "/", True),
    ],
)
def test_path_matches(request_path: str, cookie_path: str, match: bool) -> None:
    assert path_matches(request_path, cookie_path) is match


def test_default_path() -> None:
    assert [default_path(path) for path in ("", "x", "/", "/a", "/a/", "/a/b")] == ["/", "/", "/", "/", "/a", "/a"]


@pytest.mark.parity("C27")
@pytest.mark.hardening("C56")
@pytest.mark.parametrize(
    ("attribute", "host", "expected"),
    [
        (None, "h.example", ("h.example", True)),
        ("", "h.example", ("h.example", True)),
        ("h.example", "h.example", ("h.example", False)),
        (".Example.com", "a.example.com", ("example.com", False)),
        ("example.com.", "a.example.com", ("a.example.com", True)),
        ("com", "example.com", None),
        ("other.com", "example.com", None),
        ("a.example.com", "example.com", None),
        ("localhost", "localhost", ("localhost", True)),
        ("127.0.0.1", "127.0.0.1", ("127.0.0.1", True)),
        ("0.0.1", "127.0.0.1", None),
        ("x" * 2000, "h.example", ("h.example", True)),
    ],
)
def test_domain_for(attribute: str | None, host: str, expected: tuple[str, bool] | None) -> None:
    assert domain_for(attribute, host) == expected


@pytest.mark.hardening("C56")
def test_deadlines() -> None:
    assert deadline_for(None, None, 100.0) is None
    assert deadline_for(5, 1e12, 100.0) == 105.0
    assert deadline_for(0, None, 100.0) == 100.0
    assert deadline_for(-1, None, 100.0) == 100.0
    assert deadline_for(10**18, None, 100.0) == 100.0 + MAX_LIFETIME
    assert deadline_for(None, 1e18, 100.0) == 100.0 + MAX_LIFETIME


@pytest.mark.hardening("C56")
def test_acceptable() -> None:
    assert acceptable(cookie(), secure_origin=False)
    assert not acceptable(cookie(""), secure_origin=True)
    assert acceptable(cookie(value="x" * (MAX_COOKIE_SIZE - 1)), secure_origin=True)
    assert not acceptable(cookie(value="x" * MAX_COOKIE_SIZE), secure_origin=True)
    assert not acceptable(cookie(secure=True), secure_origin=False)
    assert not acceptable(cookie("__Secure-a"), secure_origin=True)
    assert acceptable(cookie("__Secure-a", secure=True), secure_origin=True)
    assert acceptable(cookie("__host-a", secure=True), secure_origin=True)
    assert not acceptable(cookie("__Host-a", secure=True, path="/x"), secure_origin=True)
    assert not acceptable(cookie("__Host-a", secure=True, host_only=False), secure_origin=True)
    assert not acceptable(cookie("__Host-a"), secure_origin=True)


def test_sendable() -> None:
    assert sendable(cookie(), "/", host="h.example", secure_origin=False)
    assert not sendable(cookie(), "/", host="a.h.example", secure_origin=False)
    assert sendable(cookie(host_only=False), "/", host="a.h.example", secure_origin=False)
    assert not sendable(cookie(secure=True), "/", host="h.example", secure_origin=False)
    assert not sendable(cookie(path="/a"), "/", host="h.example", secure_origin=False)
    assert not sendable(cookie(expires=time.time() - 1), "/", host="h.example", secure_origin=False)


def test_secure_origins() -> None:
    assert is_secure(URL("https://h/"), frozenset())
    assert not is_secure(URL("http://h/"), frozenset())
    assert is_secure(URL("http://h/x"), frozenset({URL("http://h")}))
    assert not is_secure(URL("/x"), frozenset({URL("http://h")}))


def test_morsel() -> None:
    morsel = cookie(secure=True, httponly=True, samesite="Lax").morsel()
    assert (morsel.key, morsel.value, morsel["domain"], morsel["path"]) == ("a", "1", "h.example", "/")
    assert (morsel["secure"], morsel["httponly"], morsel["samesite"]) == (True, True, "Lax")
