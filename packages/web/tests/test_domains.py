import time
from types import SimpleNamespace
from typing import Any

import pytest

from levante import web


def with_host(host: str | None) -> Any:
    return SimpleNamespace(headers={} if host is None else {"Host": host}, host=host)


@pytest.mark.parity("S12")
def test_exact_domains() -> None:
    domain = web.Domain("Example.COM.")
    assert domain.canonical == "example.com"
    assert domain.match(with_host("EXAMPLE.com"))
    assert domain.match(with_host("Example.com:8080"))  # where no port is named, all are meant
    assert not domain.match(with_host("example.com.evil"))
    assert not domain.match(with_host("x.example.com"))
    assert not domain.match(with_host(None))
    assert web.Domain("example.com:80").match(with_host("example.com"))
    assert web.Domain("example.com:8080").match(with_host("EXAMPLE.com:8080"))
    assert not web.Domain("example.com:8080").match(with_host("example.com"))
    assert not web.Domain("example.com:8080").match(with_host("example.com:80"))
    assert domain.get_info() == {"domain": "example.com"}
    assert repr(domain) == "<Domain example.com>"


@pytest.mark.parity("S12")
def test_masks() -> None:
    mask = web.MaskDomain("*.example.com")
    assert mask.canonical == "*.example.com"
    assert mask.match(with_host("a.example.com"))
    assert mask.match(with_host("A.B.example.com"))
    assert not mask.match(with_host("example.com"))
    assert not mask.match(with_host("axexample.com"))
    assert mask.match(with_host("a.example.com:8080"))
    assert not mask.match(with_host("a:b.example.com"))
    with_port = web.MaskDomain("*.example.com:81")
    assert with_port.match(with_host("a.example.com:81"))
    assert not any(with_port.match(with_host(f"a.example.com{port}")) for port in ("", ":8181", ":81:9"))


@pytest.mark.parity("S12")
@pytest.mark.parametrize("domain", ["", ".", "http://a.b", "-a.b", "a-.b", "a_b.c", "a..b", "x" * 64 + ".y"])
def test_bad_domains(domain: str) -> None:
    with pytest.raises(ValueError, match=r"domain|scheme"):
        web.Domain(domain)


def test_a_domain_is_text() -> None:
    with pytest.raises(TypeError):
        web.Domain(b"a.b")  # type: ignore[arg-type]


@pytest.mark.parity("S12")
def test_a_mask_takes_linear_time() -> None:
    domain = web.MaskDomain("*a*a*a*a*a*a*a.example")
    started = time.process_time()
    assert not domain.match_domain("a" * 8000)
    assert time.process_time() - started < 1
    assert domain.match_domain("a" * 8000 + ".example")
