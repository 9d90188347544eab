"""What the tests of levante.ws share: both forms of the engine, frames made by hand, and sockets on loopback."""

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import levante.ws
from levante.ws import Role, WebSocketConnection

PLAIN = "levante_plain"


class PlainTwin:
    """Loads `levante_plain.ws`, a second copy of levante.ws in its plain form, beside the installed one."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if path is None or not name.startswith(f"{PLAIN}."):
            return None
        for entry in path:
            spec = FileFinder(entry, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(name, target)
            if spec is not None:
                return spec
        return None


def load_plain() -> ModuleType:
    if PLAIN not in sys.modules:
        sys.meta_path.insert(0, PlainTwin())
        package = ModuleType(PLAIN)
        package.__path__ = [str(Path(levante.ws.__file__).parents[1])]
        sys.modules[PLAIN] = package
    return importlib.import_module(f"{PLAIN}.ws")


@pytest.fixture(params=["installed", "plain"])
def ws(request: pytest.FixtureRequest) -> ModuleType:
    """The package in the form that is installed, then in the plain one."""
    return levante.ws if request.param == "installed" else load_plain()


@pytest.fixture(scope="session")
def both_forms() -> tuple[ModuleType, ModuleType]:
    return levante.ws, load_plain()


def raw_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: int = 1,
    rsv: int = 0,
    key: bytes | None = None,
    length: int | None = None,
    form: int | None = None,
) -> bytes:
    """One frame, made without the engine; `length` lies about the length, `form` (7, 16, 64) forces its size."""
    size = len(payload) if length is None else length
    form = form or (7 if size < 126 else 16 if size < 65536 else 64)
    marker = {7: size, 16: 126, 64: 127}[form]
    head = bytes([fin << 7 | rsv << 4 | opcode, (0x80 if key else 0) | marker])
    if form != 7:
        head += size.to_bytes(form // 8, "big")
    if key is None:
        return head + payload
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


@pytest.fixture(scope="session")
def frame() -> Callable[..., bytes]:
    """A server's frame."""
    return raw_frame


@pytest.fixture(scope="session")
def masked() -> Callable[..., bytes]:
    """A client's frame."""

    def make(opcode: int, payload: bytes = b"", **options: Any) -> bytes:
        return raw_frame(opcode, payload, **{"key": b"\x12\xf3\x00\x9a", **options})

    return make


class RawPeer:
    """The other end as bare bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def frame(self) -> tuple[int, bytes]:
        """The next unmasked or masked frame: its first byte and its payload."""
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8), "big")
        key = await self.reader.readexactly(4) if second & 0x80 else bytes(4)
        payload = await self.reader.readexactly(size)
        return first, bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))

    async def at_eof(self) -> bool:
        return not await self.reader.read(1)

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


class Loopback:
    """Connections over real sockets; everything that was opened is closed at the end of the test."""

    def __init__(self) -> None:
        self._cleanups: list[Callable[[], Awaitable[object]]] = []

    async def listen(self, factory: Callable[[], asyncio.Protocol]) -> int:
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
        self._cleanups.append(server.wait_closed)
        self._cleanups.append(lambda: _now(server.close))
        return server.sockets[0].getsockname()[1]

    def made(self, connection: WebSocketConnection) -> WebSocketConnection:
        """Let the end of the test drop this connection."""

        async def drop() -> None:
            if connection._transport is not None:
                connection.abort()
                await connection.wait_closed()

        self._cleanups.append(drop)
        return connection

    async def with_peer(self, role: Role = Role.SERVER, **options: Any) -> tuple[WebSocketConnection, RawPeer]:
        """A connection of `role` and a raw peer at the other end."""
        connection = WebSocketConnection(role, **options)
        port = await self.listen(lambda: connection)
        self.made(connection)
        peer = RawPeer(*await asyncio.open_connection("127.0.0.1", port))
        self._cleanups.append(peer.close)
        while connection._transport is None:
            await asyncio.sleep(0)
        return connection, peer

    async def pair(
        self, server: dict[str, Any] | None = None, client: dict[str, Any] | None = None
    ) -> tuple[WebSocketConnection, WebSocketConnection]:
        """A server's connection and a client's, connected to each other."""
        ours = WebSocketConnection(Role.SERVER, **(server or {}))
        port = await self.listen(lambda: ours)
        theirs = WebSocketConnection(Role.CLIENT, **(client or {}))
        await asyncio.get_running_loop().create_connection(lambda: theirs, "127.0.0.1", port)
        self.made(ours)
        self.made(theirs)
        while ours._transport is None:
            await asyncio.sleep(0)
        return ours, theirs

    async def finish(self) -> None:
        for cleanup in reversed(self._cleanups):
            await cleanup()


async def _now(function: Callable[[], object]) -> None:
    function()


@pytest.fixture
async def loopback() -> AsyncIterator[Loopback]:
    """A place to open connections; a test must end within 10 seconds."""
    place = Loopback()
    async with asyncio.timeout(10):
        yield place
        await place.finish()


@pytest.fixture
def head() -> Callable[..., Any]:
    """A head with `method`, `status`, `version` and `headers`, as far as handshakes look at it."""
    from multidict import CIMultiDict, CIMultiDictProxy

    def make(
        *fields: tuple[str, str], method: str = "GET", version: tuple[int, int] = (1, 1), status: int = 101
    ) -> Any:
        headers = CIMultiDictProxy(CIMultiDict(fields))
        return SimpleNamespace(method=method, version=version, status=status, headers=headers)

    return make
