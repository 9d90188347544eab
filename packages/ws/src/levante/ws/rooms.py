"""Rooms: named sets of WebSockets, and broadcast to them in which nobody waits for a slow member.

A frame is encoded once for a whole broadcast. A member whose connection does not take it at once has a bounded queue
of its own; when that is full the policy decides: drop the oldest message, disconnect with 1013, or let the
broadcaster wait. Members leave by themselves when their connection is lost. Other processes take part through a
backplane.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from enum import Enum
from typing import Protocol

from levante.http import Role

from .codes import WSCloseCode, WSMsgType
from .connection import WebSocketConnection
from .frames import FIN, encode_frame
from .limits import MEMBER_QUEUE_BYTES, MEMBER_QUEUE_MESSAGES

__all__ = ["Backplane", "Rooms", "SlowConsumer"]

_logger = logging.getLogger("levante.ws")

# Seconds that a broadcaster waits for slow members under SlowConsumer.WAIT; those that are still full are disconnected.
WAIT_TIMEOUT = 10.0

Deliver = Callable[[str, str | bytes], Awaitable[None]]


class SlowConsumer(Enum):
    """What happens to a member whose queue is full."""

    DROP_OLDEST = "drop oldest"
    DISCONNECT = "disconnect"
    WAIT = "wait"


class HasConnection(Protocol):
    """An adapter around a connection, such as `levante.web.WebSocketResponse`."""

    @property
    def connection(self) -> WebSocketConnection: ...


class Backplane(Protocol):
    """Carries broadcasts to the rooms of other processes. Local members never depend on it."""

    async def start(self, deliver: Deliver) -> None:
        """Begin to call `deliver(room, data)` for what others publish, but not for what is published here."""
        ...

    async def publish(self, room: str, data: str | bytes) -> None:
        """Hand a broadcast to the others; an outage is the backplane's to log and to heal, not to raise."""
        ...

    async def stop(self) -> None:
        """End delivery."""
        ...


class Rooms:
    """The rooms of one process. `max_messages` and `max_bytes` bound what waits for one slow member.

    With a `backplane`, `start` and `stop` it with the application (`async with rooms:` does both).
    """

    def __init__(
        self,
        *,
        policy: SlowConsumer = SlowConsumer.DISCONNECT,
        max_messages: int = MEMBER_QUEUE_MESSAGES,
        max_bytes: int = MEMBER_QUEUE_BYTES,
        wait_timeout: float = WAIT_TIMEOUT,
        backplane: Backplane | None = None,
    ) -> None:
        self._policy = policy
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._wait_timeout = wait_timeout
        self._backplane = backplane
        self._members: dict[WebSocketConnection, _Member] = {}
        self._rooms: dict[str, dict[WebSocketConnection, _Member]] = {}
        self._goodbyes: set[asyncio.Task[bool]] = set()
        self.dropped = 0
        self.disconnected = 0

    async def __aenter__(self) -> "Rooms":
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Connect the backplane, if there is one."""
        if self._backplane is not None:
            await self._backplane.start(self.deliver)

    async def stop(self) -> None:
        """Close all members with 1001 and disconnect the backplane."""
        await self.close_all()
        if self._backplane is not None:
            await self._backplane.stop()

    def join(self, ws: WebSocketConnection | HasConnection, room: str) -> None:
        """Put a server's WebSocket into `room`; it leaves by itself when it closes, and one that is
        closed does not get in. Joining twice is joining once."""
        connection = _connection_of(ws)
        if connection.role is not Role.SERVER:
            raise ValueError("got a client's WebSocket; rooms are for the connections of a server")
        if connection.closed:
            return
        member = self._members.get(connection)
        if member is None:
            member = self._members[connection] = _Member(connection)
            connection.add_closed_callback(self._forget)
        member.rooms.add(room)
        self._rooms.setdefault(room, {})[connection] = member

    def leave(self, ws: WebSocketConnection | HasConnection, room: str | None = None) -> None:
        """Take a WebSocket out of `room`, or out of all its rooms; one that is not in it is left alone."""
        connection = _connection_of(ws)
        member = self._members.get(connection)
        if member is None:
            return
        for name in tuple(member.rooms) if room is None else (room,):
            self._take_out(member, name)
        if not member.rooms:
            member.retire()
            del self._members[connection]
            connection.remove_closed_callback(self._forget)

    def count(self, room: str | None = None) -> int:
        """How many members `room` has here, or all rooms together (each member once)."""
        return len(self._members) if room is None else len(self._rooms.get(room, ()))

    def names(self) -> list[str]:
        """The rooms that have members here."""
        return list(self._rooms)

    async def broadcast(self, room: str, data: str | bytes, *, exclude: Collection[object] = ()) -> int:
        """Send `data` (str: text, bytes: binary) to every member of `room` but those in `exclude`; how many there
        were here.

        Waits for slow members only under `SlowConsumer.WAIT`, and only after all others have got it.
        """
        count = await self._deliver(room, data, exclude=exclude)
        if self._backplane is not None:
            await self._backplane.publish(room, data)
        return count

    async def deliver(self, room: str, data: str | bytes) -> None:
        """Send to the members here only; what a backplane calls."""
        await self._deliver(room, data, exclude=())

    async def close_all(self, code: int = WSCloseCode.GOING_AWAY, *, message: bytes = b"") -> None:
        """Close every member with `code`, all at once, and wait until they are closed (at most their
        `close_timeout`)."""
        members = tuple(self._members.values())
        for member in members:
            self._dismiss(member, code, message)
        if self._goodbyes:
            await asyncio.wait(tuple(self._goodbyes))

    async def _deliver(self, room: str, data: str | bytes, *, exclude: Collection[object]) -> int:
        members = self._rooms.get(room)
        if not members:
            return 0
        frame = _encode(data)
        chosen = tuple(members.values())
        if exclude:
            left_out = {_connection_of(ws) for ws in exclude}  # type: ignore[arg-type]  # checked by what it reads
            chosen = tuple(member for member in chosen if member.connection not in left_out)
        full = [member for member in chosen if not self._offer(member, frame)]
        if full:
            await self._wait_for(full, frame)
        return len(chosen)

    def _offer(self, member: "_Member", frame: bytes) -> bool:
        """Send or queue; False when the queue is full and the policy is to wait."""
        if member.offer(frame):
            return True
        if member.has_room(len(frame), self._max_messages, self._max_bytes):
            member.enqueue(frame)
        elif self._policy is SlowConsumer.DROP_OLDEST:
            self.dropped += member.drop_for(len(frame), self._max_messages, self._max_bytes)
            member.enqueue(frame)
        elif self._policy is SlowConsumer.DISCONNECT:
            self._disconnect(member)
        else:
            return False
        return True

    async def _wait_for(self, full: Iterable["_Member"], frame: bytes) -> None:
        deadline = asyncio.get_running_loop().time() + self._wait_timeout
        for member in full:
            try:
                async with asyncio.timeout_at(deadline):
                    while not self._offer(member, frame):
                        await member.progress()
            except TimeoutError:
                self._disconnect(member)

    def _disconnect(self, member: "_Member") -> None:
        self.disconnected += 1
        _logger.warning("a WebSocket was disconnected: it does not read as fast as its rooms are written to")
        self._dismiss(member, WSCloseCode.TRY_AGAIN_LATER, b"too slow")

    def _dismiss(self, member: "_Member", code: int, message: bytes) -> None:
        """Forget a member now and close its connection in the background."""
        self.leave(member.connection)
        task = asyncio.create_task(member.connection.close(code=code, message=message, drain=False))
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)

    def _forget(self, connection: WebSocketConnection) -> None:
        self.leave(connection)

    def _take_out(self, member: "_Member", room: str) -> None:
        member.rooms.discard(room)
        members = self._rooms.get(room)
        if members is not None:
            members.pop(member.connection, None)
            if not members:
                del self._rooms[room]


class _Member:
    """One connection, the rooms it is in, and the frames that wait for it."""

    __slots__ = ("_bytes", "_queue", "_waiters", "connection", "rooms")

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection = connection
        self.rooms: set[str] = set()
        self._queue: deque[bytes] | None = None
        self._bytes = 0
        self._waiters: list[asyncio.Future[None]] = []

    def offer(self, frame: bytes) -> bool:
        """Write the frame if nothing waits before it and the connection takes it."""
        return not self._queue and self.connection.offer_frame(frame)

    def has_room(self, size: int, max_messages: int, max_bytes: int) -> bool:
        """Whether a frame of `size` bytes fits; an empty queue takes any one frame."""
        queue = self._queue
        return not queue or (len(queue) < max_messages and self._bytes + size <= max_bytes)

    def enqueue(self, frame: bytes) -> None:
        """Let the frame wait."""
        if self._queue is None:
            self._queue = deque()
            self.connection.add_writable_listener(self._flush)
        self._queue.append(frame)
        self._bytes += len(frame)

    def drop_for(self, size: int, max_messages: int, max_bytes: int) -> int:
        """Drop the oldest frames until one of `size` bytes fits; how many."""
        dropped = 0
        while self._queue and not self.has_room(size, max_messages, max_bytes):
            self._bytes -= len(self._queue.popleft())
            dropped += 1
        return dropped

    async def progress(self) -> None:
        """Wait until something has left the queue, or the member is gone."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def retire(self) -> None:
        """The member is gone: nothing waits for it any more."""
        self._empty_queue()
        self._wake()

    def _flush(self) -> None:
        queue = self._queue
        while queue and self.connection.offer_frame(queue[0]):
            self._bytes -= len(queue.popleft())
        if not queue:
            self._empty_queue()
        self._wake()

    def _empty_queue(self) -> None:
        if self._queue is not None:
            self.connection.remove_writable_listener(self._flush)
        self._queue = None
        self._bytes = 0

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def _connection_of(ws: WebSocketConnection | HasConnection) -> WebSocketConnection:
    return ws if isinstance(ws, WebSocketConnection) else ws.connection


def _encode(data: str | bytes) -> bytes:
    """A server's frame, never compressed: members differ in what they agreed on, and the frame is the same for all."""
    if isinstance(data, str):
        return encode_frame(WSMsgType.TEXT, data.encode("utf-8"), FIN, None)
    return encode_frame(WSMsgType.BINARY, bytes(data), FIN, None)
