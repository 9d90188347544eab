"""The id of the request at hand, told to the servers that are asked meanwhile."""

import asyncio

import pytest

from levante.client import ClientSession, Retry, pass_request_id
from levante.http.requestids import REQUEST_ID_HEADER, current_request_id

pytestmark = pytest.mark.parity("U25")


async def test_a_session_tells_nothing_of_itself(serve, session) -> None:
    server = await serve()
    token = current_request_id.set("one")
    await session.get(server.url)
    current_request_id.reset(token)
    assert server.last.value(REQUEST_ID_HEADER) is None


async def test_what_is_served_is_told_and_nothing_else(serve) -> None:
    server = await serve()
    async with ClientSession(middlewares=[pass_request_id()]) as session:

        async def handle(number: str) -> list[str]:
            current_request_id.set(number)
            await session.get(server.url)
            return server.last.values(REQUEST_ID_HEADER)

        await session.get(server.url)
        assert server.last.value(REQUEST_ID_HEADER) is None
        for number in ("one", "two"):
            assert await asyncio.create_task(handle(number)) == [number]
        await session.get(server.url)
        assert server.last.value(REQUEST_ID_HEADER) is None


async def test_in_another_field_and_beside_what_the_caller_says(serve) -> None:
    server = await serve()
    async with ClientSession(middlewares=[pass_request_id("X-Correlation-ID")], retry=Retry()) as session:
        token = current_request_id.set("one")
        await session.get(server.url)
        assert server.last.values("X-Correlation-ID") == ["one"]
        assert server.last.value(REQUEST_ID_HEADER) is None
        await session.get(server.url, headers={"x-correlation-id": "own"})
        assert server.last.values("X-Correlation-ID") == ["own"]
        current_request_id.reset(token)
