"""What ties a worker process to its supervisor: one socket. The worker says by it that it is ready and, once a second,
that its event loop turns; the supervisor says that it should retire; and when the supervisor is gone the socket ends,
and so does the worker. A worker whose event loop does not turn for some seconds writes the stacks of its threads to
standard error, by a thread of faulthandler that needs nothing of what may be stuck.
"""

import asyncio
import faulthandler
import socket
from collections.abc import Callable
from typing import Final

READY: Final = b"R"
ALIVE: Final = b"."
RETIRE: Final = b"D"

BEAT: Final = 1.0
"""Seconds between two signs of life."""

SHOW_SHARE: Final = 1 / 6
"""Of the watchdog's time, after which a worker shows where it is stuck: with 30 seconds after 5, so that also those
show it that get on by themselves.
"""


def show_after(watchdog: float) -> float:
    """Seconds after a sign of life, when the next one is so late that the stacks are shown."""
    return BEAT + watchdog * SHOW_SHARE


class Leash:
    """The worker's end, for its event loop. `on_end` is called when the supervisor is gone. `watchdog` is the time of
    silence, in seconds, for which the supervisor replaces a worker.
    """

    def __init__(self, sock: socket.socket, on_end: Callable[[], None], *, watchdog: float | None = None) -> None:
        self._sock = sock
        self._show_after = None if watchdog is None else show_after(watchdog)
        self._on_end = on_end
        self._retire = asyncio.Event()
        self._beat: asyncio.TimerHandle | None = None

    def attach(self) -> None:
        """Begin to listen to the supervisor."""
        self._sock.setblocking(False)
        asyncio.get_running_loop().add_reader(self._sock, self._read)

    def ready(self) -> None:
        """Tell that the worker serves, and from now on that it is alive."""
        self._say(READY)
        self._expect_next()

    async def told_to_retire(self) -> None:
        """Return when the supervisor has a successor for this worker."""
        await self._retire.wait()

    def detach(self) -> None:
        """Leave the event loop."""
        asyncio.get_running_loop().remove_reader(self._sock)
        if self._beat is not None:
            self._beat.cancel()
            if self._show_after is not None:
                faulthandler.cancel_dump_traceback_later()

    def _alive(self) -> None:
        self._say(ALIVE)
        self._expect_next()

    def _expect_next(self) -> None:
        if self._show_after is not None:
            faulthandler.dump_traceback_later(self._show_after)
        self._beat = asyncio.get_running_loop().call_later(BEAT, self._alive)

    def _say(self, word: bytes) -> None:
        try:
            self._sock.send(word)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass  # the supervisor is busy and has unread signs enough, or it is gone, which reading will tell

    def _read(self) -> None:
        try:
            told = self._sock.recv(16)
        except BlockingIOError:
            return
        except ConnectionResetError:
            told = b""
        if RETIRE in told:
            self._retire.set()
        if not told:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._on_end()
