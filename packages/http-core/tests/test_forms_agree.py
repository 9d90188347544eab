"""The plain and the compiled form, side by side in one process: the same bytes, the same events, the same errors."""

from types import ModuleType

import pytest
from http_support import load_cases
from http_support.engine import GOOD, cut, receive, serve, splits
from http_support.parts import events_of
from http_support.plain import plain
from hypothesis import example, given, settings
from hypothesis import strategies as st

import levante.http
import levante.http.h1
import levante.http.writers

PLAIN: ModuleType = plain("http.h1")

pytestmark = pytest.mark.skipif(
    not levante.http.is_compiled(), reason="only the plain form is here: nothing to compare"
)

REQUESTS = [data for _, _, data, _ in load_cases("requests") if len(data) < 5000]
PARTS = [case[3] for case in load_cases("multipart") if len(case[3]) < 5000 and case[2].endswith("boundary=b")]
RESPONSES = [data for _, _, _, data, _, _ in load_cases("responses") if len(data) < 5000]
TROUBLE = [
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"\xff",
    b"\x7f",
    b"0",
    b"5",
    b"a",
    b"F",
    b"chunked",
    b"GET",
    b"/",
    b"--b",
    b"\r\n--b",
]


@st.composite
def mutated(draw: st.DrawFn, corpus: list[bytes]) -> list[bytes]:
    """One of the corpus with a few bytes put in, taken out or doubled, cut somewhere."""
    data = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 2))
        if kind == 0:
            data = data[:at] + draw(st.sampled_from(TROUBLE)) + data[at:]
        else:
            length = draw(st.integers(1, 8))
            data = data[:at] + data[at : at + length] * (kind - 1) * 2 + data[at + length :]
    return cut(data, draw(st.lists(st.integers(0, len(data)), max_size=4)))


def test_the_alias_is_plain() -> None:
    assert str(PLAIN.__file__).endswith(".py")
    assert PLAIN.Connection is not levante.http.h1.Connection


@settings(max_examples=600, deadline=None)
@given(mutated(REQUESTS), st.booleans())
@example([GOOD], False)
@pytest.mark.parity("V3", "V48")
def test_requests(pieces: list[bytes], eof: bool) -> None:
    assert serve(pieces, eof=eof) == serve(pieces, eof=eof, h1=PLAIN)


@settings(max_examples=600, deadline=None)
@given(mutated(RESPONSES), st.booleans(), st.sampled_from(["GET", "HEAD", "CONNECT"]))
@pytest.mark.parity("V48")
def test_responses(pieces: list[bytes], eof: bool, method: str) -> None:
    assert receive(pieces, eof=eof, method=method) == receive(pieces, eof=eof, method=method, h1=PLAIN)


@settings(max_examples=600, deadline=None)
@given(mutated(PARTS))
@pytest.mark.parity("W7")
def test_parts(pieces: list[bytes]) -> None:
    expected = events_of([b"".join(pieces)])
    assert events_of(pieces) == expected
    assert events_of(pieces, module=plain("http.multipart")) == expected


@settings(max_examples=200, deadline=None)
@given(mutated(REQUESTS))
def test_cuts_do_not_matter(pieces: list[bytes]) -> None:
    """Whatever the bytes, the verdict is that of the whole."""
    data = b"".join(pieces)
    expected = serve([data])
    for others in splits(data):
        events = serve(others)
        assert [event[:3] for event in events] == [event[:3] for event in expected]


HEADERS = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from(["X", "Content-Length", "Transfer-Encoding", "Connection", "Date"]), st.text(max_size=4)
        ),
        st.one_of(st.sampled_from(["5", "chunked", "close", "x"]), st.text(max_size=6)),
    ),
    max_size=4,
)


@settings(max_examples=400, deadline=None)
@given(
    headers=HEADERS,
    status=st.sampled_from([200, 204, 304, 99, 101]),
    reason=st.one_of(st.none(), st.text(max_size=5)),
    length=st.integers(-1, 6),
    body=st.binary(max_size=6),
    request=st.sampled_from([GOOD, GOOD.replace(b"GET", b"HEAD"), GOOD.replace(b"1.1", b"1.0")]),
)
def test_answers(
    headers: list[tuple[str, str]], status: int, reason: str | None, length: int, body: bytes, request: bytes
) -> None:
    outcomes = []
    for h1 in (levante.http.h1, PLAIN):
        connection = h1.Connection(h1.Role.SERVER)
        connection.receive_data(request)
        connection.next_event()
        connection.next_event()
        try:
            outcome = [connection.send_response(status, reason, headers, length, True, "Date: d\r\n", "Server: s\r\n")]
            outcome += [connection.send_data(body), connection.end()]
        except Exception as error:
            outcome = [type(error).__name__, str(error)]
        outcomes.append((outcome, connection.keep_alive, repr(connection)))
    assert outcomes[0] == outcomes[1]
