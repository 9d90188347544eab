import pytest

from levante.web.config import ChainMapProxy


def test_the_first_mapping_that_has_a_key_answers() -> None:
    chain = ChainMapProxy(({"a": 1}, {"a": 2, "b": 3}))
    assert chain["a"] == 1
    assert chain["b"] == 3
    assert chain.get("b") == 3
    assert chain.get("c", 9) == 9
    assert "b" in chain
    assert "c" not in chain
    assert len(chain) == 2
    assert list(chain) == ["a", "b"]
    assert bool(chain)
    assert not ChainMapProxy(({},))
    assert repr(chain) == "ChainMapProxy({'a': 1}, {'a': 2, 'b': 3})"
    with pytest.raises(KeyError):
        chain["c"]


def test_it_is_read_only() -> None:
    with pytest.raises(TypeError):
        ChainMapProxy(({},))["a"] = 1  # type: ignore[index]
