"""Named pipes. Where there are none, a Unix socket stands in for the pipe: the loop is asked in the same way."""

import asyncio
from pathlib import Path

import pytest

from levante.client import ClientConnectorError, ClientSession, NamedPipeConnector, NonHttpUrlClientError

pytestmark = pytest.mark.parity("C16")


@pytest.fixture
async def pipes(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    try:
        monkeypatch.setattr(loop, "create_pipe_connection", loop.create_unix_connection, raising=False)
    except AttributeError:
        pytest.skip("this loop takes no method that it does not have")


async def test_requests(pipes: None, serve, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    server = await serve(path=str(path))
    connector = NamedPipeConnector(path, limit=3, keepalive_timeout=5)
    assert (connector.path, connector.limit) == (str(path), 3)
    async with ClientSession(connector=connector) as session:
        for scheme in ("http", "npipe"):
            async with session.get(f"{scheme}://engine/version") as response:
                assert await response.read() == b"ok"
        with pytest.raises(NonHttpUrlClientError):
            await session.get("https://engine/")
    assert server.connections == 2  # their ports are not the same
    assert (server.last.target, server.last.value("Host")) == ("/version", "engine")


async def test_a_pipe_that_is_not_there(pipes: None, tmp_path: Path) -> None:
    async with ClientSession(connector=NamedPipeConnector(tmp_path / "none")) as session:
        with pytest.raises(ClientConnectorError):
            await session.get("http://engine/")
        assert session.connector._pool.leased_count == 0


async def test_a_loop_without_pipes() -> None:
    if hasattr(asyncio.get_running_loop(), "create_pipe_connection"):
        pytest.skip("this one has them")
    with pytest.raises(RuntimeError, match="named pipes"):
        NamedPipeConnector("pipe")
