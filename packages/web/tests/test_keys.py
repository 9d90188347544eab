from collections.abc import Iterator
from typing import Any

import pytest

from levante import web

MODULE_KEY = web.AppKey("module", int)


def made_in_a_function() -> web.AppKey[Any]:
    return web.AppKey("inner")


@pytest.mark.parity("S45")
def test_a_key_is_named_after_the_module_that_defines_it() -> None:
    assert repr(MODULE_KEY).startswith("<AppKey(")
    assert repr(MODULE_KEY).endswith("test_keys.module, type=int)>")
    assert "<undeclared>" in repr(web.RequestKey("x"))
    assert "ResponseKey" in repr(web.ResponseKey("x", str))


@pytest.mark.parity("S45")
def test_a_key_says_its_type_wherever_it_was_declared() -> None:
    assert repr(web.AppKey("x", web.Request)).endswith("type=levante.web.request.Request)>")
    assert repr(web.AppKey[int]("x")).endswith("type=int)>")
    several: Any = Iterator[int]
    assert repr(web.AppKey("x", several)).endswith("type=collections.abc.Iterator[int])>")


def test_a_key_made_in_a_function_is_named_after_the_nearest_module_level() -> None:
    assert ".inner" in repr(made_in_a_function())


def test_keys_are_compared_by_identity_and_sorted_by_name() -> None:
    first, second = web.AppKey("a"), web.AppKey("b")
    assert first != web.AppKey("a")
    assert sorted([second, first]) == [first, second]
    assert first < "anything"
    assert sorted(["d", second, "a", first], key=lambda key: key) == [first, second, "a", "d"]  # type: ignore[arg-type, return-value]
