"""The examples of the how-to pages about the client: they run, and do what the pages say."""

import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from levante.client import ClientSession, MockConnector, UnexpectedRequest

GUIDES = Path(__file__).resolve().parents[1] / "docs" / "how-to"
URL = "http://shop.test/x"


def blocks(page: str, language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (GUIDES / page).read_text(), re.DOTALL)


def names_of(page: str) -> dict[str, Any]:
    """What the examples of a page define, run one after the other."""
    names: dict[str, Any] = {}
    for block in blocks(page):
        exec(compile(block, page, "exec"), names)
    return names


TESTING = names_of("test-a-client.md")
READING = names_of("read-responses.md")


@pytest.fixture
async def mock() -> AsyncIterator[MockConnector]:
    async with MockConnector() as connector:
        yield connector


@pytest.fixture
async def session(mock: MockConnector) -> AsyncIterator[ClientSession]:
    async with ClientSession(connector=mock) as opened:
        yield opened


@pytest.mark.parametrize("name", [name for name in TESTING if name.startswith("test_")])
async def test_the_tests_of_the_page(name: str, levante_mock: Any, levante_memory: Any) -> None:
    function: Callable[..., Any] = TESTING[name]
    fixtures = {"levante_mock": levante_mock, "levante_memory": levante_memory}
    wanted = function.__code__.co_varnames[: function.__code__.co_argcount]
    await function(**{key: fixtures[key] for key in wanted})


async def test_the_difference_that_is_shown(mock: MockConnector) -> None:
    mock.expect("GET", "/prices?name=pear", headers={"Accept": "*/*"}).reply(200, json={"price": 3})
    async with ClientSession("https://shop.test/", connector=mock) as session:
        with pytest.raises(UnexpectedRequest) as caught:
            await TESTING["price_of"](session, "apple")
    assert f"{caught.value}\n" in blocks("test-a-client.md", "text")


async def test_streams(mock: MockConnector, session: ClientSession) -> None:
    mock.expect("GET", URL).reply(text="ERROR a\r\nfine\nERROR b")
    assert await READING["log"](session, URL) == ["ERROR a", "ERROR b"]
    mock.expect("GET", URL).reply(body=[b'{"count": 1}\n{"co', b'unt": 2}\n'])
    assert await READING["total"](session, URL) == 3
    events: dict[str, Any] = {"headers": {"Content-Type": "text/event-stream"}}
    mock.expect("GET", URL).reply(body=b"event: news\ndata: x\n\ndata: y\n\n", **events)
    assert await READING["news"](session, URL) == ["x"]
    mock.expect("GET", URL).reply(body=b"id: 1\nretry: 1\ndata: x\n\n", **events)
    mock.expect("GET", URL, headers={"Last-Event-ID": "1"}).reply(body=b"data: y\n\n", **events)
    assert await READING["follow"](session, URL, 2) == ["x", "y"]


async def test_files(
    mock: MockConnector, session: ClientSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mock.expect("GET", URL).reply(body=b"")
    assert hashlib.sha256((await READING["fetch"](session, URL, tmp_path)).read_bytes()).hexdigest().startswith("e3b0")
    (tmp_path / "up").write_bytes(b"abc")
    mock.expect("PUT", URL, body=b"abc").reply(201)
    assert await READING["send"](session, URL, tmp_path / "up") == 201
    assert "3 of 3" in capsys.readouterr().out


async def test_the_limit(serve_bytes: Callable[[int], Awaitable[str]]) -> None:
    assert await READING["small"](await serve_bytes(1_000_000)) == bytes(1_000_000)
    assert await READING["small"](await serve_bytes(1_000_001)) is None


@pytest.fixture
async def serve_bytes(levante_raw_server: Any) -> Callable[[int], Awaitable[str]]:
    from levante.web import BaseRequest, Response

    async def start(size: int) -> str:
        async def answer(_: BaseRequest) -> Response:
            return Response(body=bytes(size))

        return str((await levante_raw_server(answer)).make_url("/"))

    return start
