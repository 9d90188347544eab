"""The programs of the how-to pages, run as they stand there."""

import re
from pathlib import Path
from typing import Any

import pytest

from levante import web

GUIDES = Path(__file__).parents[3] / "docs" / "how-to"


def programs(guide: str) -> list[dict[str, Any]]:
    """The names that each program of a guide leaves."""
    found = []
    for text in re.findall(r"```python\n(.*?)```", (GUIDES / guide).read_text(), re.DOTALL):
        names: dict[str, Any] = {"__name__": "guide"}
        exec(compile(text, guide, "exec"), names)  # our own pages
        found.append(names)
    return found


@pytest.mark.parity("U3", "L23")
async def test_use_asgi(serve: Any) -> None:
    shop, reports = programs("use-asgi.md")
    assert callable(shop["application"])
    assert (await (await serve(shop["make_app"]())).get("/")).text == "hello from /"
    assert (await (await serve(reports["app"])).get("/reports/may")).text == "report may"


@pytest.mark.parity("U12", "U13", "L19")
async def test_outlive_a_request(serve: Any) -> None:
    shop, ticking, orders = programs("outlive-a-request.md")
    served = await serve(shop["app"])
    assert (await served.get("/search")).text == "found"
    assert (await served.request("POST", "/pay")).text == "paid"
    served = await serve(ticking["ticks"])
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await peer.reader.readuntil(b"tick")
    peer.reset()
    served = await serve(orders["app"])
    assert (await served.request("POST", "/orders")).text == "ordered"
    assert (await served.request("POST", "/transfers")).text == "moved"


@pytest.mark.parity("U22")
async def test_speak_all_of_http(serve: Any) -> None:
    hints, trailers, query, upgrades = programs("speak-all-of-http.md")
    peer = await (await serve(hints["page"])).connect()
    assert (await peer.request("GET", "/")).status == 103
    assert (await peer.answer()).status == 200
    peer = await (await serve(trailers["download"])).connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"0\r\nX-Digest: " in await peer.reader.read()
    peer = await (await serve(trailers["upload"])).connect()
    await peer.send(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Digest: abc\r\n\r\n"
    )
    assert (await peer.answer()).text == '{"size": 1, "digest": "abc"}'
    app = web.Application()
    app.add_routes(query["routes"])
    answer = await (await serve(app)).request("QUERY", "/books", [("Content-Type", "application/json")], b'{"a": 1}')
    assert answer.text == '{"searched": {"a": 1}}'
    served = await serve(upgrades["app"])
    peer = await served.connect()
    assert (await peer.request("GET", "/shout", [("Connection", "Upgrade"), ("Upgrade", "shout")])).status == 101
    await peer.send(b"hello\n")
    assert await peer.reader.readline() == b"HELLO\n"
    peer.writer.write_eof()
    assert await peer.reader.read() == b""
    port = (await serve(hints["page"])).port
    peer = await served.connect()
    await peer.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    assert (await peer.head()).status == 200
    assert (await peer.request("GET", "/", [("Connection", "close")])).status == 103
    refused = await served.connect()
    await refused.send(b"CONNECT 192.0.2.1:80 HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n")
    assert (await refused.answer()).status == 403
