"""A memcached of a test's own."""

import getpass

from processes import tool
from store_servers import StoreServer


class MemcachedServer(StoreServer):
    """It forgets everything when it is killed."""

    question = b"version\r\n"
    answers_with = (b"VERSION",)

    def __init__(self) -> None:
        super().__init__()
        self.address = f"127.0.0.1:{self.port}"
        self._program = tool("memcached")

    def command(self) -> list[str]:
        """It wants to be told as whom to run where it is started by root."""
        return [self._program, "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-u", getpass.getuser()]
