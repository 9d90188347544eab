"""The mock transport: what is declared is answered, and what is not is told apart from it."""

import asyncio
import gzip
import json
import re

import pytest
from yarl import URL

from levante.client import (
    ClientConnectorDNSError,
    ClientPayloadError,
    ClientSession,
    ClientTimeout,
    ConnectionKey,
    MockConnector,
    MockedRequest,
    Reply,
    ServerDisconnectedError,
    TooManyRedirects,
    UnexpectedRequest,
    make_reply,
)

pytestmark = pytest.mark.parity("U18", "L22")

SHOP = "http://shop.test"


@pytest.fixture
async def mock():
    async with MockConnector() as connector:
        yield connector


@pytest.fixture
async def asking(mock: MockConnector):
    async with ClientSession(SHOP + "/", connector=mock) as session:
        yield session


async def test_an_expected_request_is_answered(mock: MockConnector, asking: ClientSession) -> None:
    expected = mock.expect("GET", f"{SHOP}/items?b=2&a=1").reply(200, json={"id": 1}, headers={"X-One": "1"})
    assert str(expected) == "GET http://shop.test/items?b=2&a=1"
    with pytest.raises(AssertionError, match="expected 1 times, called 0 times"):
        mock.assert_all_called()
    async with asking.get("items?a=1&b=2#part", headers={"X": "y"}) as response:
        assert (response.status, response.reason, await response.json()) == (200, "OK", {"id": 1})
        assert (response.headers["X-One"], response.content_type) == ("1", "application/json")
    mock.assert_all_called()
    (request,) = mock.requests
    assert expected.requests == [request]
    assert (request.method, request.url, request.body) == ("GET", URL(f"{SHOP}/items?a=1&b=2"), b"")
    assert (request.headers["X"], request.headers["Host"]) == ("y", "shop.test")
    assert "Connection" not in request.headers


async def test_what_comes_with_it(mock: MockConnector, asking: ClientSession) -> None:
    mock.expect("POST", "/items", json={"name": "é"}, headers={"X-Key": re.compile("[0-9]+"), "Cookie": None}).reply(
        201
    )
    mock.expect("PUT", "/items", body="text").reply(202)
    mock.expect("PUT", "/items", body=re.compile("b.*")).reply(203)
    mock.expect("PUT", "/items", body=lambda body: len(body) == 3).reply(204)
    mock.expect("*", re.compile(r"http://shop\.test/any/.*")).reply(205)
    answers = [
        await asking.post("items", json={"name": "é"}, headers={"X-Key": "17"}),
        await asking.put("items", data="text"),
        await asking.put("items", data=b"begin"),
        await asking.put("items", data=b"abc"),
        await asking.delete("any/thing"),
    ]
    assert [answer.status for answer in answers] == [201, 202, 203, 204, 205]
    assert mock.requests[0].json() == {"name": "é"}
    assert mock.requests[1].text() == "text"
    mock.assert_all_called()


async def test_answers_come_in_sequence_and_the_last_one_stays(mock: MockConnector, asking: ClientSession) -> None:
    mock.expect("GET", "/", times=3).reply(503).reply(200)
    assert [(await asking.get("")).status for _ in range(3)] == [503, 200, 200]
    mock.expect("GET", "/").reply(201)  # the first one is used up
    assert (await asking.get("")).status == 201
    mock.expect("GET", "/any", times=None)
    mock.assert_all_called()
    assert [(await asking.get("any")).status for _ in range(3)] == [200, 200, 200]
    mock.assert_all_called()


async def test_bodies(mock: MockConnector, asking: ClientSession) -> None:
    mock.expect("GET", "/").reply(text="é").reply(body=b"raw").reply(body=[b"a", b"b"]).reply(
        body=gzip.compress(b"x"), headers=[("Content-Encoding", "gzip"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    ).reply(json=None, headers={"content-type": "application/problem+json"})
    answers = [await asking.get("") for _ in range(5)]
    assert [await answer.read() for answer in answers] == ["é".encode(), b"raw", b"ab", b"x", b"null"]
    assert answers[0].charset == "utf-8"
    assert answers[2].headers["Transfer-Encoding"] == "chunked"
    assert set(answers[3].cookies) == {"a", "b"}
    assert answers[4].headers.getall("Content-Type") == ["application/problem+json"]
    with pytest.raises(ValueError, match="exclude each other"):
        make_reply(json=1, text="1")
    with pytest.raises(ValueError, match="exclude each other"):
        mock.expect("GET", "/", json=1, body="1")


async def test_functions_answer(mock: MockConnector, asking: ClientSession) -> None:
    async def later(request: MockedRequest) -> Reply:
        await asyncio.sleep(0)
        return make_reply(text=request.url.path)

    mock.expect("GET", "/a?x=1").calls(lambda request: make_reply(json=dict(request.url.query)))
    mock.expect("GET", "/b").calls(later).calls(lambda _: KeyError("returned")).calls(lambda _: {}["raised"])
    mock.expect("GET", "/c").calls(lambda _: "text")
    assert await (await asking.get("a", params={"x": "1"})).json() == {"x": "1"}
    assert await (await asking.get("b")).text() == "/b"
    for text in ("returned", "raised"):
        with pytest.raises(KeyError, match=text):
            await asking.get("b")
    with pytest.raises(TypeError, match="gives a Reply"):
        await asking.get("c")


async def test_errors_are_raised_as_they_are_and_not_repeated(mock: MockConnector, asking: ClientSession) -> None:
    dns = ClientConnectorDNSError(ConnectionKey("shop.test", 80, False, True), OSError(-2, "no such name"))
    errors = [dns, ServerDisconnectedError(), TimeoutError("slow")]
    expected = mock.expect("GET", "/")
    expected.reply(200)
    for error in errors:
        expected.raises(error)
    await (await asking.get("")).read()
    for error in errors:
        with pytest.raises(type(error)) as caught:
            await asking.get("")
        assert caught.value is error
    mock.assert_all_called()


async def test_an_error_within_a_body(mock: MockConnector, asking: ClientSession) -> None:
    mock.expect("GET", "/").reply(body=[b"part"], error=ClientPayloadError("cut"))
    async with asking.get("") as response:
        assert await response.content.readany() == b"part"
        with pytest.raises(ClientPayloadError, match="cut"):
            await response.read()


async def test_delays_pass_on_the_clock_of_the_test() -> None:
    slept, wake = [], asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await wake.wait()

    mock = MockConnector(sleep=sleep)
    mock.expect("GET", "/", times=None).reply(200, delay=3600)
    async with ClientSession(SHOP + "/", connector=mock) as session:
        with pytest.raises(TimeoutError):
            await session.get("", timeout=ClientTimeout(total=0.02))
        task = asyncio.ensure_future(session.get(""))
        while len(slept) < 2:
            await asyncio.sleep(0)
        assert not task.done()
        wake.set()
        assert (await task).status == 200
    assert slept == [3600, 3600]


async def test_the_session_above_is_the_real_one(mock: MockConnector, asking: ClientSession) -> None:
    mock.expect("GET", "/a").reply(302, headers={"Location": "https://other.test/b", "Set-Cookie": "k=v"})
    mock.expect("GET", "https://other.test/b", headers={"Cookie": None, "Authorization": None}).reply(text="there")
    async with asking.get("a", headers={"Authorization": "secret"}) as response:
        assert (str(response.url), await response.text()) == ("https://other.test/b", "there")
    mock.expect("GET", "/", headers={"Cookie": "k=v"})
    await asking.get("")
    mock.expect("GET", "/loop", times=None).reply(302, headers={"Location": "/loop"})
    with pytest.raises(TooManyRedirects):
        await asking.get("loop")
    mock.assert_all_called()


# What nobody expected.


async def test_nothing_was_expected(mock: MockConnector, asking: ClientSession) -> None:
    with pytest.raises(UnexpectedRequest) as caught:
        await asking.get("items")
    assert str(caught.value) == (
        "unexpected request: GET http://shop.test/items\nnothing was expected: declare it by expect(method, url)"
    )
    with pytest.raises(AssertionError, match="unexpected request: GET"):
        mock.assert_all_called()
    assert mock.unexpected == [caught.value]
    assert mock._pool.leased_count == 0


async def test_the_nearest_expectation_and_the_difference(mock: MockConnector, asking: ClientSession) -> None:
    mock.expect("DELETE", "https://far.test/else?x")
    mock.expect("POST", f"{SHOP}/items?page=1", json={"a": 1}, headers={"X-Key": "k", "X-No": None})
    with pytest.raises(UnexpectedRequest) as caught:
        await asking.post("items?page=2", json={"a": 2}, headers={"X-No": "here"})
    assert str(caught.value).splitlines() == [
        "unexpected request: POST http://shop.test/items?page=2",
        "nearest expectation: POST http://shop.test/items?page=1",
        "  query: expected 'page=1', got 'page=2'",
        "  header X-Key: expected 'k', got None",
        "  header X-No: expected None, got 'here'",
        "  json: expected {'a': 1}, got {'a': 2}",
    ]


@pytest.mark.parametrize(
    ("method", "url", "options", "difference"),
    [
        ("POST", "/a", {}, "path: expected '/a', got '/items'"),
        ("PUT", "/items", {}, "method: expected 'PUT', got 'POST'"),
        ("POST", "http://a.test/items", {}, "origin: expected 'http://a.test', got 'http://shop.test'"),
        ("POST", re.compile("x+"), {}, "url: expected '/x+/', got 'http://shop.test/items'"),
        ("POST", "/items", {"body": "other"}, "body: expected 'other', got b'body'"),
        ("POST", "/items", {"body": re.compile("x+")}, "body: expected /x+/, got b'body'"),
        ("POST", "/items", {"json": {}}, "json: expected {}, got b'body'"),
        ("POST", "/items", {"headers": {"Host": re.compile("x")}}, "header Host: expected /x/, got 'shop.test'"),
        ("POST", "/items", {"body": "y" * 400}, f"body: expected '{'y' * 299}..., got b'body'"),
    ],
)
async def test_differences(mock, asking, method: str, url, options: dict[str, object], difference: str) -> None:
    mock.expect(method, url, **options)
    with pytest.raises(UnexpectedRequest) as caught:
        await asking.post("items", data=b"body")
    assert str(caught.value).splitlines()[2:] == [f"  {difference}"]


async def test_once_too_often(mock: MockConnector, asking: ClientSession) -> None:
    mock.expect("GET", "/", times=2)
    for _ in range(2):
        await asking.get("")
    with pytest.raises(UnexpectedRequest, match=r"GET / was expected 2 times, and has been called that often"):
        await asking.get("")


async def test_an_assertion_that_code_swallowed_is_still_told(mock: MockConnector, asking: ClientSession) -> None:
    mock.expect("GET", "/")
    try:
        await asking.get("other")
    except Exception:
        await asking.get("")
    with pytest.raises(AssertionError) as caught:
        mock.assert_all_called()
    assert "/other" in str(caught.value)
    assert "expected 1 times" not in str(caught.value)


async def test_a_hundred_at_once(mock: MockConnector, asking: ClientSession) -> None:
    mock.expect("POST", "/", times=100).calls(lambda request: make_reply(body=request.body))
    answers = await asyncio.gather(*(asking.post("", json=number) for number in range(100)))
    assert [json.loads(await answer.read()) for answer in answers] == list(range(100))
    mock.assert_all_called()
