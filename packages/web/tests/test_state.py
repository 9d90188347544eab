import pytest

from levante.web.keys import RequestKey
from levante.web.state import StateMapping


class Thing(StateMapping):
    __slots__ = ()

    def __init__(self) -> None:
        self._state = None


NUMBER = RequestKey("number", int)


@pytest.mark.parity("S18")
def test_a_mapping_by_key_and_by_name() -> None:
    thing = Thing()
    thing[NUMBER] = 5
    thing["name"] = "x"
    assert thing[NUMBER] == 5
    assert thing["name"] == "x"
    assert thing.get(NUMBER) == 5
    assert thing.get("other", 7) == 7
    assert len(thing) == 2
    assert list(thing) == [NUMBER, "name"]
    del thing["name"]
    assert "name" not in thing


def test_an_empty_mapping_has_nothing_and_costs_nothing() -> None:
    thing = Thing()
    assert thing._state is None
    assert len(thing) == 0
    assert list(thing) == []
    assert thing.get("x") is None
    with pytest.raises(KeyError):
        thing["x"]
    with pytest.raises(KeyError):
        del thing["x"]


@pytest.mark.parity("S18")
def test_identity_truth_and_slots() -> None:
    thing = Thing()
    assert thing
    assert thing == thing
    assert thing != Thing()
    assert len({thing, Thing()}) == 2
    with pytest.raises(AttributeError):
        thing.ad_hoc = 1  # type: ignore[attr-defined]
