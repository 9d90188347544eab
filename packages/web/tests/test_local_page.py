"""Pages that a login may lead to."""

import pytest

from levante.web.auth import local_page


@pytest.mark.hardening("S21")
@pytest.mark.parametrize("page", ["/", "/items?page=2&x=//a", "/a/b#c", "/%2F/evil.test", "/ñ", "/a:b@c"])
def test_paths_of_this_site(page: str) -> None:
    assert local_page(page) == page


@pytest.mark.hardening("S21")
@pytest.mark.parametrize(
    "page",
    [
        "",
        "items",
        "https://evil.test",
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        "\t//evil.test",
        " //evil.test",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: a=b",
        "/\x00",
        "/a\\b",
        "/" + "x" * 2048,
    ],
)
def test_everything_else(page: str) -> None:
    assert local_page(page) == "/"
    assert local_page(page, default="/me") == "/me"


def test_the_longest() -> None:
    assert local_page("/" + "x" * 9, longest=10) == "/" + "x" * 9
    assert local_page("/" + "x" * 10, longest=10) == "/"
