"""The mapping that handlers see: what counts as a change, and what is too late."""

import pytest

from levante.sessions import Session, SessionPayloadError, SessionWriteTooLate
from levante.sessions.records import Record
from levante.sessions.session import MAX_LIFETIME, new_identity


def loaded(clock, **data):
    from levante.sessions.payload import dumps

    return Session(new_identity(), data=data, record=Record(dumps(data), int(clock()), int(clock())), clock=clock)


@pytest.mark.parity("L2")
def test_a_new_session(clock):
    session = Session(clock=clock)
    assert session.new
    assert session.empty
    assert not session.is_changed()
    assert session.created == session.seen == int(clock())
    assert session.max_age is None
    assert len(session.identity) == 32
    assert session.text == "{}"


@pytest.mark.parity("L2")
def test_it_is_a_mutable_mapping(clock):
    session = loaded(clock, a=1, b=[2])
    assert not session.new
    assert dict(session) == {"a": 1, "b": [2]}
    assert len(session) == 2
    session["c"] = 3
    del session["a"]
    assert session.pop("c") == 3
    assert session.setdefault("b", 0) == [2]
    assert session.get("nothing") is None
    with pytest.raises(KeyError):
        session["a"]
    with pytest.raises(KeyError):
        del session["a"]


@pytest.mark.parity("L2")
def test_every_change_is_noticed_and_an_undone_one_is_none(clock):
    session = loaded(clock, a={"deep": [1, {"deeper": 2}]})
    assert not session.is_changed()
    session["a"]["deep"][1]["deeper"] = 3
    assert session.is_changed()
    session["a"]["deep"][1]["deeper"] = 2
    assert not session.is_changed()
    session["b"] = 1
    assert session.is_changed()
    assert session.text == '{"a":{"deep":[1,{"deeper":2}]},"b":1}'
    del session["b"]
    assert not session.is_changed()
    session.changed()
    assert session.is_changed()


@pytest.mark.parity("L2")
def test_an_emptied_session_is_changed(clock):
    session = loaded(clock, a=1)
    session.clear()
    assert session.empty
    assert session.is_changed()


@pytest.mark.parity("L2")
@pytest.mark.hardening("S6")
def test_invalidate_drops_the_data_and_the_identity(clock):
    session = loaded(clock, a=1)
    identity = session.identity
    session.invalidate()
    assert session.empty
    assert session.is_changed()
    assert session.identity != identity


@pytest.mark.hardening("S6")
def test_renew_keeps_the_data_under_a_new_identity_and_beginning(clock):
    session = loaded(clock, a=1)
    identity = session.identity
    clock.now += 100
    session.renew()
    assert session["a"] == 1
    assert session.identity != identity
    assert session.created == session.seen == int(clock())
    assert session.is_changed()


@pytest.mark.hardening("S8")
def test_identities_are_128_random_bits():
    identities = {new_identity() for _ in range(10_000)}
    assert len(identities) == 10_000
    assert {len(bytes.fromhex(identity)) for identity in identities} == {16}


@pytest.mark.parity("L2")
def test_an_identity_can_be_chosen_only_for_a_new_session(clock):
    session = Session(clock=clock)
    session.set_new_identity("0123456789abcdef" * 2)
    assert session.identity == "0123456789abcdef" * 2
    for identity in ("", "x" * 32, "0" * 31, "0" * 33, "A" * 32):
        with pytest.raises(ValueError, match="32 lower-case"):
            session.set_new_identity(identity)
    with pytest.raises(RuntimeError, match="renew"):
        loaded(clock).set_new_identity("0" * 32)


@pytest.mark.parity("L2")
def test_max_age_is_settable_within_what_browsers_honour(clock):
    session = loaded(clock, a=1)
    session.max_age = 60
    assert session.max_age == 60
    assert session.is_changed()
    session.max_age = None
    for seconds in (0, -1, MAX_LIFETIME + 1):
        with pytest.raises(ValueError, match="max_age is"):
            session.max_age = seconds


def test_keys_are_str(clock):
    with pytest.raises(TypeError, match="got int"):
        Session(clock=clock)[1] = "one"


@pytest.mark.hardening("S14")
def test_what_json_cannot_carry_is_an_error_with_its_path(clock):
    session = Session(clock=clock)
    session["cart"] = [{"price": object()}]
    with pytest.raises(SessionPayloadError, match=r"session\['cart'\]\[0\]\['price'\]"):
        session.is_changed()


LATE = {
    "set": lambda session: session.__setitem__("a", 2),
    "deleted": lambda session: session.__delitem__("a"),
    "pop": lambda session: session.pop("a"),
    "clear": lambda session: session.clear(),
    "update": lambda session: session.update(b=1),
    "changed": lambda session: session.changed(),
    "renewed": lambda session: session.renew(),
    "invalidated": lambda session: session.invalidate(),
    "max_age": lambda session: setattr(session, "max_age", 5),
}


@pytest.mark.parity("L1")
@pytest.mark.parametrize("change", LATE.values(), ids=LATE)
def test_a_change_after_the_head_is_an_error_that_says_so(clock, change):
    session = loaded(clock, a=1)
    session.freeze()
    assert session.frozen
    with pytest.raises(SessionWriteTooLate, match="response head was already made") as caught:
        change(session)
    assert isinstance(caught.value, RuntimeError)
    assert dict(session) == {"a": 1}
    session.check_frozen()


@pytest.mark.parity("L1")
def test_a_nested_change_after_the_head_is_found(clock):
    session = loaded(clock, a=[1])
    assert not session.is_changed()
    session.freeze()
    session.check_frozen()
    session["a"].append(2)
    with pytest.raises(SessionWriteTooLate, match="nested"):
        session.check_frozen()


@pytest.mark.hardening("S15")
def test_the_repr_shows_no_value(clock):
    session = loaded(clock, password="hunter2")
    assert repr(session) == "<Session loaded, 1 keys>"
    session.freeze()
    assert repr(session) == "<Session loaded, 1 keys, frozen>"
    assert "hunter2" not in repr(Session())
