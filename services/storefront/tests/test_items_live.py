"""The live list of items: every open browser hears of each change."""

import asyncio

from levante.devtools.testing import TestClient

URL = "/items"

SAMPLE = {
    "name": "A first one",
    "description": "A few words",
    "price": "12.50",
    "in_stock": True,
}


async def test_changes_reach_every_browser(client: TestClient) -> None:
    one = await client.ws_connect(f"{URL}/live")
    two = await client.ws_connect(f"{URL}/live")
    created = await client.post(f"/api{URL}", json=SAMPLE)
    location = created.headers["Location"]
    await client.put(location, json=SAMPLE)
    await client.delete(location)
    for socket in (one, two):
        messages = [await socket.receive_json(timeout=5) for _ in range(3)]
        assert [message["action"] for message in messages] == ["created", "updated", "deleted"]
        assert [message["total"] for message in messages] == [1, 1, 0]
        assert {message["id"] for message in messages} == {(await created.json())["id"]}
        assert 'href="' + location.removeprefix("/api") in messages[0]["html"]
        await socket.close()


async def test_server_that_stops_says_goodbye(client: TestClient) -> None:
    socket = await client.ws_connect(f"{URL}/live")
    goodbye = asyncio.create_task(socket.receive(timeout=5))
    await client.server.close()
    await goodbye
    assert socket.close_code == 1001
