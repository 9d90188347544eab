"""A Redis server of a test's own, keeping nothing on disk unless it is to."""

from pathlib import Path

from processes import tool
from store_servers import StoreServer


class RedisServer(StoreServer):
    """`folder` is where it may write; `password` is asked for, if given; `durable` keeps every write through kill() and
    start()."""

    question = b"PING\r\n"
    answers_with = (b"+", b"-")

    def __init__(self, folder: Path, *, password: str | None = None, durable: bool = False) -> None:
        super().__init__()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._folder = folder
        self._password = password
        self._durable = durable
        self._program = tool("redis-server")

    def command(self) -> list[str]:
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly"]
        command += ["yes", "--appendfsync", "always"] if self._durable else ["no"]
        command += ["--dir", str(self._folder)]
        return command if self._password is None else [*command, "--requirepass", self._password]
