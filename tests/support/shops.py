"""A running `shop_subject.py`, the service that the fault rows are tried on."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peers import Peer
from processes import wait_until
from servers import Program, get

SUBJECT = Path(__file__).with_name("shop_subject.py")


class Shop:
    """The program and its port; `options` are those of the subject, `before` is what starts it (strace and such)."""

    def __init__(
        self,
        folder: Path,
        *,
        before: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.port = 0
        self.peers: list[Peer] = []
        arguments = [*before, sys.executable, str(SUBJECT), json.dumps(options)]
        self.program = Program(arguments, cwd=folder, environment=environment)

    def wait_until_ready(self, workers: int = 1) -> None:
        """Until it says where it serves."""
        self.port = int(self.program.wait_for(r"Running on https?://127\.0\.0\.1:(\d+)")[1])
        if workers > 1:
            self.program.wait_for(r"worker (\d+) serves", count=workers)

    @property
    def pid(self) -> int:
        return self.program.process.pid

    def workers(self) -> list[int]:
        """The workers that have said that they serve, the dead among them."""
        return [int(pid) for _, pid in self.program.found(r"worker (\d+) serves")]

    async def connect(self) -> Peer:
        peer = await Peer.connect(self.port)
        self.peers.append(peer)
        return peer

    def facts(self) -> dict[str, float]:
        """What `/facts` tells, on a connection of its own."""
        status, body = get(self.port, "/facts")
        if status != 200:
            raise ConnectionError(f"/facts was answered with {status}: {body}")
        facts: dict[str, float] = json.loads(body)
        return facts

    async def has_again(self, facts: dict[str, float]) -> None:
        """Close the connections to it, and wait until its facts are these."""
        for peer in self.peers:
            peer.writer.transport.abort()
        self.peers.clear()
        await asyncio.to_thread(wait_until, f"a server with {facts}", lambda: facts.items() <= self.facts().items())

    async def close(self) -> None:
        """End it, and the connections to it."""
        for peer in self.peers:
            peer.writer.transport.abort()
        await asyncio.sleep(0)  # in which the transports close their sockets
        await asyncio.to_thread(self.program.close)
