"""Sessions inside the cookie: what stands under the seal, rotation, size, and a golden Set-Cookie."""

import itertools
import logging
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from levante.sessions import EncryptedCookieStorage, SessionTooLarge, SignedCookieStorage, WeakKey, generate_key
from levante.sessions.cookie import MAX_COOKIE
from levante.web import Response

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def kinds(caplog):
    return [record.message.partition("(")[2].partition(")")[0] for record in caplog.records]


class Incoming:
    def __init__(self, cookie):
        self.headers = CIMultiDict([("Cookie", cookie)] if cookie else [])


@pytest.mark.parametrize("storage_class", [SignedCookieStorage, EncryptedCookieStorage])
@given(data=st.dictionaries(st.text(max_size=8), plain, min_size=1, max_size=3))
async def test_round_trip(storage_class, keys, data):
    storage = storage_class(keys)
    session = await storage.new_session()
    session.update(data)
    response = Response()
    await storage.save_session(Incoming(""), response, session)
    value = response.cookies[storage.cookie_name].value
    back = await storage.load_session(Incoming(f"{storage.cookie_name}={value}"))
    assert dict(back) == data
    assert not back.is_changed()


@pytest.mark.hardening("S1", "S12")
async def test_every_flipped_bit_of_a_cookie_is_a_fresh_session(make_sealed, browser):
    visitor = browser(make_sealed())
    await visitor.visit(user=7, admin=False)
    good = visitor.value.encode("latin-1")
    for position in range(8 * len(good)):
        changed = bytearray(good)
        changed[position // 8] ^= 1 << position % 8
        visitor.send(changed.decode("latin-1"))
        assert (await visitor.load()).new, position
    visitor.send(good.decode())
    assert (await visitor.load())["user"] == 7


@pytest.mark.hardening("S3")
async def test_an_old_key_opens_and_the_newest_seals_on_the_next_response(make_sealed, browser, keys):
    first, second, _ = keys
    visitor = browser(make_sealed(first))
    await visitor.visit(user=7)
    visitor.storage = make_sealed(second, first)
    session = await visitor.load()
    assert session["user"] == 7
    assert await visitor.save(session) is not None
    visitor.storage = make_sealed(second)
    session = await visitor.load()
    assert session["user"] == 7
    assert await visitor.save(session) is None


@pytest.mark.hardening("S3")
async def test_rotation_logs_nobody_out_and_a_removed_key_everybody(make_sealed, browser, keys, caplog):
    visitors = [browser(make_sealed(keys[0])) for _ in range(50)]
    for number, visitor in enumerate(visitors):
        await visitor.visit(user=number)
    for ring in ((keys[0], keys[1]), (keys[1], keys[0]), (keys[1], keys[0], keys[2]), (keys[1],)):
        for visitor in visitors:
            visitor.storage = make_sealed(*ring)
            session = await visitor.load()
            assert session["user"] == visitors.index(visitor)
            await visitor.save(session)
    for visitor in visitors:
        visitor.storage = make_sealed(keys[2])
        assert (await visitor.load()).new
    assert set(kinds(caplog)) == {"bad seal"}


@pytest.mark.hardening("S4")
def test_a_weak_key_stops_the_start(make_sealed):
    for weak in ("changeme", "", b"x" * 32, generate_key()[:20]):
        with pytest.raises(WeakKey):
            make_sealed(weak) if weak else SignedCookieStorage(weak)


@pytest.mark.hardening("S2")
async def test_apps_that_share_a_key_do_not_share_sessions(make_sealed, browser):
    visitor = browser(make_sealed(app="shop"))
    await visitor.visit(user=7)
    visitor.storage = make_sealed(app="admin")
    assert (await visitor.load()).new


@pytest.mark.hardening("S5", "S12")
async def test_each_kind_of_refusal_is_told(make_sealed, browser, clock, caplog):
    storage = make_sealed()
    visitor = browser(storage)
    await visitor.visit(a=1)
    good = visitor.value
    for value in (good[:-4] + "AAAA", "Ag" + good[2:], "!", "A" * (MAX_COOKIE + 1)):
        visitor.send(value)
        await visitor.load()
    visitor.send(good)
    for seconds in (-61, 2 * 3600, 7 * 24 * 3600):
        clock.now += seconds
        await visitor.load()
        clock.now -= seconds
    assert kinds(caplog) == [
        "bad seal",
        "unknown version",
        "malformed",
        "too long",
        "from the future",
        "idle too long",
        "expired",
    ]


@pytest.mark.hardening("S14")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"short",
        struct.pack(">QQI16s", 1_790_000_000, 1_790_000_000, 0, b"i" * 16) + b"\xff\xfe",
        struct.pack(">QQI16s", 1_790_000_000, 1_790_000_000, 0, b"i" * 16) + b"not json",
        struct.pack(">QQI16s", 1_790_000_000, 1_790_000_000, 0, b"i" * 16) + b"[]",
        struct.pack(">QQI16s", 1_790_000_000, 1_790_000_000, 0, b"i" * 16) + b"[" * 1000 + b"]" * 1000,
        struct.pack(">QQI16s", 1_790_000_000, 1_790_000_000, 0, b"i" * 16) + b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        struct.pack(">QQI16s", 1_790_000_000, 1_790_000_000, 0, b"i" * 16) + b"\x80\x04}\x94.",
    ],
)
async def test_an_authentic_seal_around_nonsense_is_a_fresh_session(make_sealed, browser, body, caplog):
    visitor = browser(make_sealed())
    visitor.send(visitor.storage._sealer.seal(body))
    assert (await visitor.load()).new
    assert kinds(caplog) == ["bad payload"]


@pytest.mark.hardening("S10")
async def test_too_much_data_is_an_error_and_the_old_cookie_stays(make_sealed, browser):
    visitor = browser(make_sealed())
    await visitor.visit(a=1)
    session = await visitor.load()
    session["big"] = "x" * 4096
    with pytest.raises(SessionTooLarge) as caught:
        await visitor.save(session)
    assert caught.value.size > caught.value.maximum == MAX_COOKIE
    assert "x" * 20 not in str(caught.value)
    assert not visitor.response.cookies
    assert dict(await visitor.load()) == {"a": 1}


@pytest.mark.hardening("S10")
async def test_a_cookie_of_exactly_4096_bytes_is_sent_and_read(make_sealed, browser):
    visitor = browser(make_sealed())
    lengths = []
    for size in itertools.count(2500):
        session = await visitor.load()
        session["big"] = "x" * size
        try:
            cookie = await visitor.save(session)
        except SessionTooLarge:
            break
        lengths.append(len(cookie.header()))
    assert MAX_COOKIE - 2 <= lengths[-1] <= MAX_COOKIE  # base64 grows by one or two characters a byte
    assert len((await visitor.load())["big"]) == size - 1


@pytest.mark.hardening("S15")
async def test_the_cookie_is_in_no_log(make_sealed, browser, caplog):
    visitor = browser(make_sealed())
    with caplog.at_level(logging.DEBUG):
        await visitor.visit(secret="hunter2")
        visitor.send(visitor.value[:-1])
        await visitor.load()
    assert caplog.text.count("\n") == 1
    assert visitor.value[:12] not in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.hardening("S11")
@pytest.mark.parity("L3")
async def test_golden_set_cookie(make_sealed, browser):
    visitor = browser(make_sealed())
    session = await visitor.load()
    session["user"] = 7
    cookie = await visitor.save(session)
    name, _, rest = cookie.header().partition("=")
    value, *attributes = rest.split("; ")
    assert name == "__Host-session"
    assert value == visitor.value
    assert sorted(attribute.lower() for attribute in attributes) == [
        "expires=mon, 28 sep 2026 14:13:20 gmt",
        "httponly",
        "max-age=604800",
        "path=/",
        "samesite=lax",
        "secure",
    ]
    assert visitor.response.headers["Cache-Control"] == "no-store"
