import asyncio
from typing import Any

import pytest

from levante import web


async def crash(request: web.Request) -> web.Response:
    raise RuntimeError("secret <b>")


@pytest.mark.parity("S58")
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html", "text/html"),
        ("*/*", "text/plain"),
        ("text/plain", "text/plain"),
        ("text/html;q=0.5, */*;q=0.1", "text/html"),
    ],
)
async def test_500_tells_nothing(serve: Any, accept: str, kind: str) -> None:
    served = await serve(crash)
    peer = await served.connect()
    answer = await peer.request("GET", "/", [("Accept", accept)])
    assert answer.status == 500
    assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert answer.headers["Connection"] == "close"
    assert "secret" not in answer.text
    assert "500 Internal Server Error" in answer.text
    assert await peer.is_closed()


@pytest.mark.parity("S58")
async def test_debug_shows_the_traceback_escaped(serve: Any) -> None:
    asyncio.get_running_loop().set_debug(True)
    served = await serve(crash)
    answer = await served.get("/", Accept="text/html")
    assert "Traceback" in answer.text
    assert "secret &lt;b&gt;" in answer.text
    assert "secret <b>" in (await served.get("/")).text
