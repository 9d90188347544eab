"""The rules of the cache: on messages and times alone."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

from levante.client.cache import StoredHead, rules
from levante.client.cache.control import MAX_DELTA, parse_cache_control
from levante.client.cache.rules import Use
from levante.http import format_date

NOW = 1_800_000_000.0
pytestmark = pytest.mark.parity("U24")


def fields(*pairs: str) -> CIMultiDict[str]:
    return CIMultiDict([(name, value) for name, _, value in (pair.partition(": ") for pair in pairs)])


def stored(*pairs: str, status: int = 200, received: float = NOW, took: float = 0.0, **more: Any) -> StoredHead:
    known: dict[str, Any] = {"selecting": (), "decoded": True, **more}
    return StoredHead(
        url="http://a.test/", status=status, reason="", fields=tuple(fields(*pairs).items()),
        requested_at=received - took, received_at=received, **known,
    )  # fmt: skip


def ago(seconds: float) -> str:
    return format_date(NOW - seconds)


@pytest.mark.parametrize(
    ("field", "name", "seconds"),
    [
        ("max-age=60", "max-age", 60), ("no-store, MAX-AGE = 60 ,x", "max-age", 60), ('max-age="60"', "max-age", 60),
        ("max-age", "max-age", 0), ("max-age=-1", "max-age", 0), ("max-age=1.5", "max-age", 0),
        ("max-age=1, max-age=2", "max-age", 0), ("max-age=2, max-age=2", "max-age", 2),
        ("max-age=" + "9" * 5000, "max-age", MAX_DELTA), ("x=@ y, max-age=5", "max-age", 5), ("", "max-age", None),
        ('private="a, max-age=9", max-age=5', "max-age", 5), ("max-age=٣", "max-age", 0),
    ],
)  # fmt: skip
def test_directives(field: str, name: str, seconds: int | None) -> None:
    assert parse_cache_control([field]).seconds(name) == seconds


@given(st.lists(st.text(), max_size=3))
def test_no_field_is_an_error(texts: list[str]) -> None:
    directives = parse_cache_control(texts)
    assert directives.seconds("max-age") is None or 0 <= (directives.seconds("max-age") or 0) <= MAX_DELTA


@pytest.mark.parametrize(
    ("status", "pairs", "verdict"),
    [
        (200, ["Cache-Control: max-age=60"], True), (200, ["ETag: x"], True), (200, ["Last-Modified: x"], True),
        (200, [], False), (200, ["Cache-Control: max-age=60, no-store"], False),
        (200, ["Cache-Control: max-age=0"], False), (200, ["Cache-Control: max-age=60, no-cache"], False),
        (200, ["Cache-Control: no-cache", "ETag: x"], True), (200, ["Cache-Control: private, max-age=60"], True),
        (200, ["Expires: Fri, 01 Jan 2100 00:00:00 GMT"], True), (200, ["Expires: 0"], False),
        (200, ["Cache-Control: max-age=60", "Vary: *"], False), (206, ["Cache-Control: max-age=60"], False),
        (304, ["Cache-Control: max-age=60"], False), (103, ["Cache-Control: max-age=60"], False),
        (404, ["Cache-Control: max-age=60"], True), (302, ["Cache-Control: max-age=60"], True),
        (302, ["ETag: x"], False),
        (500, ["ETag: x"], False), (599, ["Cache-Control: max-age=60, must-understand"], False),
        (200, ["Cache-Control: max-age=60, must-understand"], True),
    ],
)  # fmt: skip
def test_what_may_be_stored(status: int, pairs: list[str], verdict: bool) -> None:
    assert rules.is_storable(status, fields(*pairs)) is verdict


@pytest.mark.parametrize(
    ("method", "pairs", "verdict"),
    [
        ("GET", [], True), ("HEAD", [], False), ("POST", [], False), ("GET", ["Range: bytes=0-1"], False),
        ("GET", ["If-None-Match: x"], False), ("GET", ["Cache-Control: no-store"], False),
        ("GET", ["Authorization: x"], True),
    ],
)  # fmt: skip
def test_which_requests(method: str, pairs: list[str], verdict: bool) -> None:
    request: Any = SimpleNamespace(method=method, url=URL("http://a.test"), headers=fields(*pairs), body=None)
    assert rules.is_cacheable_request(request) is verdict
    request.body = b"x"
    assert not rules.is_cacheable_request(request)


def test_fields_about_the_connection_are_not_stored() -> None:
    answer = fields("Connection: x-mine, close", "X-Mine: 1", "Set-Cookie: a=1", "ETag: x", "Upgrade: h2c", "Via: a")
    assert rules.storable_fields(answer) == (("ETag", "x"), ("Via", "a"))


@pytest.mark.parametrize(
    ("pairs", "seconds"),
    [
        (["Cache-Control: max-age=60", f"Expires: {ago(-10)}", f"Date: {ago(0)}"], 60),
        ([f"Expires: {ago(-10)}", f"Date: {ago(5)}"], 15),
        ([f"Expires: {ago(-10)}"], 10),
        (["Expires: 0", f"Last-Modified: {ago(1000)}"], 0),
        ([f"Expires: {ago(-10)}", "Expires: never"], 0),
        ([f"Last-Modified: {ago(1000)}", f"Date: {ago(0)}"], 100),
        ([f"Last-Modified: {ago(10**8)}", f"Date: {ago(0)}"], rules.HEURISTIC_LIMIT),
        ([f"Last-Modified: {ago(-1000)}", f"Date: {ago(0)}"], 0),
        (["Cache-Control: s-maxage=60"], 0),
    ],
)
def test_lifetimes(pairs: list[str], seconds: float) -> None:
    assert rules.lifetime(200, fields(*pairs), received_at=NOW) == seconds


def test_no_guess_about_what_is_not_known() -> None:
    answer = fields(f"Last-Modified: {ago(1000)}", f"Date: {ago(0)}")
    assert rules.lifetime(500, answer, received_at=NOW) == 0
    answer["Cache-Control"] = "public"
    assert rules.lifetime(500, answer, received_at=NOW) == 100


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        (stored(f"Date: {ago(0)}"), 10), (stored(f"Date: {ago(30)}"), 40), (stored(f"Date: {ago(-30)}"), 10),
        (stored("Age: 7"), 17), (stored("Age: 7", took=2), 19), (stored(f"Date: {ago(30)}", "Age: 7"), 40),
        (stored("Age: -7"), 10), (stored("Age: 5, 9"), 15), (stored("Age: " + "9" * 99), 10), (stored(), 10),
    ],
)  # fmt: skip
def test_ages(head: StoredHead, seconds: float) -> None:
    assert rules.age(head, NOW + 10) == seconds


@given(
    st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 10**6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)
)  # fmt: skip
def test_age_never_goes_back(waited: float, more: float, told: int, dated: float, skew: float) -> None:
    head = stored(f"Date: {format_date(NOW + dated)}", f"Age: {told}", took=abs(skew))
    assert rules.age(head, NOW + waited) >= told
    assert rules.age(head, NOW + waited + more) >= rules.age(head, NOW + waited)
    assert rules.age(head, NOW - waited) >= 0, "also when the clock was set back"


FRESH = ["Cache-Control: max-age=60"]
STALE = ["Cache-Control: max-age=5"]
SWR = ["Cache-Control: max-age=5, stale-while-revalidate=10"]


@pytest.mark.parametrize(
    ("asks", "says", "use"),
    [
        ([], FRESH, Use.FRESH), ([], STALE, Use.VALIDATE), ([], ["Cache-Control: max-age=10"], Use.VALIDATE),
        ([], ["Cache-Control: max-age=11"], Use.FRESH), ([], ["Cache-Control: max-age=60, no-cache"], Use.VALIDATE),
        ([], ['Cache-Control: max-age=60, no-cache="x"'], Use.VALIDATE),
        (["Cache-Control: no-cache"], FRESH, Use.VALIDATE), (["Pragma: no-cache"], FRESH, Use.VALIDATE),
        (["Pragma: no-cache", "Cache-Control: max-age=99"], FRESH, Use.FRESH),
        (["Cache-Control: max-age=5"], FRESH, Use.VALIDATE), (["Cache-Control: max-age=0"], FRESH, Use.VALIDATE),
        (["Cache-Control: min-fresh=40"], FRESH, Use.FRESH), (["Cache-Control: min-fresh=60"], FRESH, Use.VALIDATE),
        (["Cache-Control: max-stale"], STALE, Use.FRESH), (["Cache-Control: max-stale=5"], STALE, Use.FRESH),
        (["Cache-Control: max-stale=4"], STALE, Use.VALIDATE),
        (["Cache-Control: max-stale=x"], STALE, Use.VALIDATE),
        (["Cache-Control: max-stale"], ["Cache-Control: max-age=5, must-revalidate"], Use.VALIDATE),
        ([], SWR, Use.STALE), (["Cache-Control: max-age=20"], SWR, Use.VALIDATE),
        ([], ["Cache-Control: max-age=5, stale-while-revalidate=5"], Use.VALIDATE),
        ([], ["Cache-Control: max-age=5, stale-while-revalidate=99, must-revalidate"], Use.VALIDATE),
    ],
)  # fmt: skip
def test_verdicts(asks: list[str], says: list[str], use: Use) -> None:
    assert rules.verdict(fields(*asks), stored(*says), NOW + 10) is use


@pytest.mark.parametrize(
    ("asks", "says", "may"),
    [
        ([], STALE, False), ([], ["Cache-Control: max-age=5, stale-if-error=10"], True),
        (["Cache-Control: stale-if-error=10"], STALE, True), (["Cache-Control: stale-if-error=5"], STALE, False),
        ([], ["Cache-Control: max-age=5, stale-if-error=10, must-revalidate"], False),
        (["Cache-Control: no-cache"], ["Cache-Control: max-age=5, stale-if-error=10"], False),
    ],
)  # fmt: skip
def test_when_the_server_fails(asks: list[str], says: list[str], may: bool) -> None:
    assert rules.may_stand_in(fields(*asks), stored(*says), NOW + 10) is may


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000), st.floats(0, 3000))
def test_what_is_fresh_is_younger_than_its_lifetime(max_age: int, swr: int, told: int, waited: float) -> None:
    head = stored(f"Cache-Control: max-age={max_age}, stale-while-revalidate={swr}", f"Age: {told}")
    use = rules.verdict(fields(), head, NOW + waited)
    old = rules.age(head, NOW + waited)
    assert (use is Use.FRESH) == (old < max_age)
    assert (use is Use.STALE) == (max_age <= old and old - max_age < swr)


def test_vary_and_credentials() -> None:
    asked = fields("Accept-Language: de", "Authorization: me", "X: 1")
    chosen = rules.selecting_fields(asked, fields("Vary: accept-language, X-Other"))
    assert rules.selects(asked, chosen)
    assert "me" not in str(chosen)
    for name, value in [("Accept-Language", "en"), ("X-Other", ""), ("Authorization", "you"), ("Cookie", "a=1")]:
        other = asked.copy()
        other[name] = value
        assert not rules.selects(other, chosen), name
    other = asked.copy()
    other["X"] = "2"
    assert rules.selects(other, chosen)
    public = rules.selecting_fields(asked, fields("Cache-Control: public, max-age=5"))
    assert rules.selects(fields("Authorization: you"), public)


def test_validators() -> None:
    assert rules.conditions(stored("ETag: W/x", "Last-Modified: y")) == {
        "If-None-Match": "W/x",
        "If-Modified-Since": "y",
    }
    assert rules.conditions(stored()) == {}
    assert rules.is_same_representation(stored('ETag: W/"x"'), fields('ETag: "x"'))
    assert rules.is_same_representation(stored(), fields())
    assert not rules.is_same_representation(stored('ETag: "x"'), fields('ETag: "y"'))
    assert not rules.is_same_representation(stored(), fields('ETag: "y"'))


def test_a_304_makes_it_new() -> None:
    head = stored("Cache-Control: max-age=5", "Content-Type: a/b", "X: old", "Age: 9", "Content-Length: 7")
    update = fields(
        "Cache-Control: max-age=60", "Content-Type: x/y", "X: new", "Connection: close", "Content-Length: 0"
    )
    fresh = rules.freshened(head, fields(), update, requested_at=NOW + 100, received_at=NOW + 101)
    assert dict(fresh.fields) == {
        "Cache-Control": "max-age=60", "Content-Type": "a/b", "X": "new", "Content-Length": "7"
    }  # fmt: skip
    assert rules.verdict(fields(), fresh, NOW + 110) is Use.FRESH


@pytest.mark.parametrize(
    ("method", "status", "pairs", "paths"),
    [
        ("GET", 200, ["Location: /x"], []), ("HEAD", 200, [], []), ("POST", 404, [], []), ("POST", 500, [], []),
        ("POST", 200, [], ["/a"]), ("DELETE", 204, [], ["/a"]), ("MADE-UP", 303, [], ["/a"]),
        ("POST", 201, ["Location: /x", "Content-Location: y"], ["/a", "/x", "/y"]),
        ("POST", 201, ["Location: http://other.test/x", "Content-Location: http://[bad"], ["/a"]),
    ],
)  # fmt: skip
def test_what_becomes_doubtful(method: str, status: int, pairs: list[str], paths: list[str]) -> None:
    found = rules.invalidated(method, URL("http://a.test/a"), status=status, headers=fields(*pairs))
    assert [url.path for url in found] == paths


def test_heads_survive_json() -> None:
    head = stored("A: 1", "A: 2", selecting=(("x", "y"),))
    assert StoredHead.from_json(head.to_json()) == head
    for broken in ["", "[]", "{}", head.to_json().replace("200", '"200"'), head.to_json().replace("true", "1")]:
        with pytest.raises(ValueError):
            StoredHead.from_json(broken)
    with pytest.raises(ValueError, match="no text"):
        StoredHead.from_json(head.to_json().replace('"1"', "1"))
