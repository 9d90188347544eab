"""The token: masked anew each time, bound to its session, and nothing else passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.sessions import Session
from levante.sessions.csrf_tokens import CSRF_KEY, check_token, make_token
from levante.sessions.records import Record
from levante.sessions.signing import decode, encode


@pytest.mark.hardening("S17")
def test_each_page_gets_another_spelling_of_one_token():
    session = Session()
    tokens = {make_token(session) for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {86}
    assert all(check_token(session, token) for token in tokens)
    assert list(session) == [CSRF_KEY]
    assert not any(session[CSRF_KEY] in token for token in tokens)


@pytest.mark.hardening("S17")
def test_a_token_of_another_session_or_of_before_renew_is_refused():
    mine, other = Session(), Session()
    token = make_token(mine)
    make_token(other)
    assert not check_token(other, token)
    copied = Session(data=dict(mine))  # the same secret under another identity
    assert not check_token(copied, token)
    mine.renew()
    assert not check_token(mine, token)
    assert check_token(mine, make_token(mine))
    mine.invalidate()
    assert not check_token(mine, token)


@pytest.mark.hardening("S17")
def test_every_flipped_bit_is_refused():
    session = Session()
    data = decode(make_token(session))
    for position in range(8 * len(data)):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        assert not check_token(session, encode(bytes(changed)))


@pytest.mark.hardening("S17")
@given(st.text(max_size=120))
def test_nothing_else_is_a_token(text):
    session = Session()
    assert not check_token(session, text)
    make_token(session)
    assert not check_token(session, text)
    assert not check_token(session, "A" * 86)


def test_a_secret_that_is_no_text_is_replaced():
    session = Session(data={CSRF_KEY: 7}, record=Record('{"_csrf":7}', 1, 1))
    assert not check_token(session, "A" * 86)
    assert check_token(session, make_token(session))
