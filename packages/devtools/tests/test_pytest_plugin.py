"""The fixtures, under both sets of names, and what importing the plugin costs."""

import importlib.util
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from levante.devtools import RawTestServer, TestClient, TestServer, pytest_plugin
from levante.web import Application, Response


async def hello(request) -> Response:
    return Response(text="hello")


def make_app() -> Application:
    app = Application()
    app.router.add_get("/", hello)
    return app


class OwnClient(TestClient):
    __test__ = False


class TestOwnClass:
    @pytest.fixture
    def levante_client_cls(self) -> type[TestClient]:
        return OwnClient

    @pytest.fixture
    def aiohttp_client_cls(self) -> type[TestClient]:
        return OwnClient

    @pytest.mark.parity("W15")
    async def test_client_class_can_be_chosen(self, levante_client, aiohttp_client) -> None:
        assert type(await levante_client(make_app())) is OwnClient
        assert type(await aiohttp_client(make_app())) is OwnClient


@pytest.mark.parity("W15")
@pytest.mark.parametrize("prefix", ["levante", "aiohttp"])
class TestFactories:
    async def test_client(self, prefix: str, levante_client, aiohttp_client) -> None:
        factory = levante_client if prefix == "levante" else aiohttp_client
        client = await factory(make_app(), server_kwargs={"skip_url_asserts": True}, headers={"X": "1"})
        assert await (await client.get("/")).text() == "hello"
        assert client.server.skip_url_asserts
        other = await factory(TestServer(make_app()))
        assert (await other.get("/")).status == 200
        with pytest.raises(TypeError, match=r"got int, expected a levante.web.Application or a test server"):
            await factory(3)

    async def test_server(self, prefix: str, levante_server, aiohttp_server) -> None:
        server = await (levante_server if prefix == "levante" else aiohttp_server)(make_app())
        assert isinstance(server, TestServer)
        assert server.started

    async def test_raw_server(self, prefix: str, levante_raw_server, aiohttp_raw_server) -> None:
        server = await (levante_raw_server if prefix == "levante" else aiohttp_raw_server)(hello)
        assert isinstance(server, RawTestServer)
        async with TestClient(server) as client:
            assert await (await client.get("/")).text() == "hello"


@pytest.mark.parity("W15")
def test_unused_port(levante_unused_port, aiohttp_unused_port) -> None:
    assert 0 < levante_unused_port() < 65536
    assert 0 < aiohttp_unused_port() < 65536


def test_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, levante.devtools.pytest_plugin\n"
        "heavy = ('levante.web', 'levante.client', 'levante.http', 'levante.ws', 'click', 'watchfiles')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_plugin_file_is_whole() -> None:
    """Imported once more: pytest has loaded the plugin before anything could measure it."""
    import levante.devtools.pytest_plugin as loaded

    spec = importlib.util.spec_from_file_location("levante.devtools.pytest_plugin", Path(loaded.__file__))
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert {name for name in vars(loaded) if not name.startswith("@")} == set(vars(again))


def test_a_port_that_is_free(aiohttp_unused_port: Callable[[], int]) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", aiohttp_unused_port()))


def test_names_for_annotations() -> None:
    assert pytest_plugin.AiohttpClient is pytest_plugin.ClientFactory
    assert pytest_plugin.AiohttpServer is pytest_plugin.ServerFactory
    assert pytest_plugin.AiohttpRawServer is pytest_plugin.RawServerFactory
