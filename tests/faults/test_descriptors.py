"""A process without files left, wherever it wants one: X7. That the accept waits without work, and goes on at once when
there is a file again, is in packages/web/tests/test_listener.py.
"""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import PATIENCE
from shops import Shop

Start = Callable[..., Shop]

FILES = 64


@pytest.mark.hardening("X7")
async def test_files_names_and_connections_that_cannot_be_opened(shop: Start, tmp_path: Path) -> None:
    """Each costs its own request and no other, is told by a typed error, and works again as soon as there are files."""
    (tmp_path / "page.txt").write_text("a page")
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        server = shop(nofile=FILES, max_connections=1000)
        nobody = elsewhere.getsockname()[1]
        opening = (
            "/static/page.txt",
            f"/fetch?url=http://localhost:{nobody}/",
            f"/fetch?url=http://127.0.0.1:{nobody}/",
        )
        good = [await server.connect() for _ in range(4)]  # an answer with status 500 ends its connection
        for peer in good:
            assert (await peer.request("GET", opening[0])).text == "a page"
        own = f"/fetch?url=http://localhost:{server.port}/hello"
        assert (await good[3].request("GET", own)).text == "hello"  # the modules of the client are loaded now
        begun = await server.connect()
        await begun.send(b"GET /stream?pieces=40 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await begun.head()).status == 200
        others = [socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) for _ in range(2 * FILES)]
        await asyncio.to_thread(server.program.wait_for, "cannot accept connections: Too many open files")
        try:
            answers = [await peer.request("GET", target) for peer, target in zip(good, opening, strict=False)]
            assert [answer.status for answer in answers] == [500, 502, 502]
            # The resolver needs a file as well, unless it is quick enough to get one that somebody else just closed.
            assert answers[1].text in {"ClientConnectorDNSError", "ClientConnectorError"}
            assert answers[2].text == "ClientConnectorError"
            assert (await good[3].request("GET", "/hello")).text == "hello"
            assert await begun.chunks() == b"piece\n" * 40
        finally:
            for sock in others:
                sock.close()
        async with asyncio.timeout(PATIENCE):
            while (await good[3].request("GET", opening[0])).status != 200:
                await asyncio.sleep(0.01)
        assert (await asyncio.to_thread(server.facts))["connections"] == 5  # three, the stream, and its own
    assert len(server.program.found("OSError: .*Too many open files")) == 1  # of the page; the others were expected
