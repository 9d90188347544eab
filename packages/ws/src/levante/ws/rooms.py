"""Rooms: named sets of WebSockets, and broadcast to them in which nobody waits for a slow member.

A frame is encoded once for a whole broadcast, and compressed once for each size of window among the members that can
share a compressed frame. A member whose connection does not take it at once has a bounded queue of its own; when that
is full the policy decides: drop the oldest message, disconnect with 1013, or let the broadcaster wait. Members leave by
themselves when their connection is lost. Other processes take part through a backplane.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from enum import Enum
from typing import Protocol

from levante.http import Role

from .codes import WSCloseCode, WSMsgType
from .connection import WebSocketConnection
from .deflate import Deflater
from .frames import FIN, RSV1, encode_frame
from .limits import (
    BROADCAST_COMPRESS_FROM,
    BROADCAST_COMPRESS_TO,
    BROADCAST_WAIT,
    CLOSE_TIMEOUT,
    COMPRESS_INLINE,
    MEMBER_QUEUE_BYTES,
    MEMBER_QUEUE_MESSAGES,
)
from .members import Member

__all__ = ["Backplane", "Rooms", "SlowConsumer"]

_logger = logging.getLogger("levante.ws")

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
        """Begin to call `deliver(room, data)` for what others publish in the rooms that have members here, but not for
        what is published here."""
        ...

    def count_changed(self, room: str, count: int) -> None:
        """`room` has `count` members here from now on: what others publish in it is wanted as long as there are any;
        may come before `start`."""
        ...

    async def count_elsewhere(self, room: str) -> int:
        """How many members `room` has in other processes; 0 where that cannot be told, soon and without raising."""
        ...

    async def publish(self, room: str, data: str | bytes) -> None:
        """Hand a broadcast to the others; an outage is the backplane's to log and to heal, not to raise."""
        ...

    async def stop(self) -> None:
        """End delivery."""
        ...


class Rooms:
    """The rooms of one process.

    `max_messages` and `max_bytes` bound what waits for one slow member, and `policy` says what happens beyond. In
    seconds: `wait_timeout` for slow members under `SlowConsumer.WAIT`, who are disconnected after it, and
    `drain_timeout` for all members together to close in `stop` (None: each its own `close_timeout`). `start` and `stop`
    them with the application (`async with rooms:` does both), which starts and stops the `backplane` as well.
    `dropped` counts messages, `disconnected` members that were too slow.
    """

    def __init__(
        self,
        *,
        policy: SlowConsumer = SlowConsumer.DISCONNECT,
        max_messages: int = MEMBER_QUEUE_MESSAGES,
        max_bytes: int = MEMBER_QUEUE_BYTES,
        wait_timeout: float = BROADCAST_WAIT,
        drain_timeout: float | None = CLOSE_TIMEOUT,
        backplane: Backplane | None = None,
    ) -> None:
        self._policy = policy
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._wait_timeout = wait_timeout
        self._drain_timeout = drain_timeout
        self._backplane = backplane
        self._was_started = False
        self._members: dict[WebSocketConnection, Member] = {}
        self._rooms: dict[str, dict[WebSocketConnection, Member]] = {}
        self._goodbyes: dict[asyncio.Task[bool], WebSocketConnection] = {}
        self._turn = asyncio.Lock()  # a broadcast that is compressed in a thread is not overtaken
        self.dropped = 0
        self.disconnected = 0

    async def __aenter__(self) -> "Rooms":
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Connect the backplane, if there is one."""
        self._was_started = True
        if self._backplane is not None:
            await self._backplane.start(self.deliver)

    async def stop(self) -> None:
        """Close all members with 1001, within `drain_timeout`, and disconnect the backplane."""
        await self.close_all(timeout=self._drain_timeout)
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
            member = self._members[connection] = Member(connection)
            connection.add_closed_callback(self._forget)
        member.rooms.add(room)
        members = self._rooms.setdefault(room, {})
        members[connection] = member
        if self._backplane is not None:
            self._backplane.count_changed(room, len(members))

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

    async def presence(self, room: str) -> int:
        """How many members `room` has in all processes; those here alone while the backplane cannot tell of others."""
        elsewhere = 0 if self._backplane is None else await self._backplane.count_elsewhere(room)
        return self.count(room) + elsewhere

    def names(self) -> list[str]:
        """The rooms that have members here."""
        return list(self._rooms)

    async def broadcast(self, room: str, data: str | bytes, *, exclude: Collection[object] = ()) -> int:
        """Send `data` (str: text, bytes: binary) to every member of `room` but those in `exclude`; how many there
        were here.

        Waits for slow members only under `SlowConsumer.WAIT`, and only after all others have got it. Raises
        `RuntimeError` when there is a backplane that was never started.
        """
        if self._backplane is not None and not self._was_started:
            raise RuntimeError(
                "these rooms have a backplane and were not started, so other processes would not hear this; "
                "run the application inside `async with rooms`, as a cleanup context"
            )
        count = await self._deliver(room, data, exclude=exclude)
        if self._backplane is not None:
            await self._backplane.publish(room, data)
        return count

    async def deliver(self, room: str, data: str | bytes) -> None:
        """Send to the members here only; what a backplane calls."""
        await self._deliver(room, data, exclude=())

    async def close_all(
        self, code: int = WSCloseCode.GOING_AWAY, *, message: bytes = b"", timeout: float | None = None
    ) -> None:
        """Close every member with `code`, all at once, and wait until they are closed.

        That takes at most their `close_timeout`; those that are not closed after `timeout` seconds are dropped.
        """
        for member in tuple(self._members.values()):
            self._dismiss(member, code, message)
        if not self._goodbyes:
            return
        _, late = await asyncio.wait(tuple(self._goodbyes), timeout=timeout)
        for task in late:
            self._goodbyes[task].abort()
        if late:
            await asyncio.wait(late)

    async def _deliver(self, room: str, data: str | bytes, *, exclude: Collection[object]) -> int:
        if room not in self._rooms:
            return 0
        async with self._turn:
            frames = await self._frames(room, data)
            members = tuple(self._rooms.get(room, {}).values())
            if exclude:
                left_out = {_connection_of(ws) for ws in exclude}  # type: ignore[arg-type]  # checked by what it reads
                members = tuple(member for member in members if member.connection not in left_out)
            full = self._offer_all(members, frames)
        if full:
            await self._wait_for(full)
        return len(members)

    async def _frames(self, room: str, data: str | bytes) -> dict[int, bytes]:
        """The frame by the window bits of those who get it, plain under 0."""
        opcode = WSMsgType.TEXT if isinstance(data, str) else WSMsgType.BINARY
        payload = data.encode("utf-8") if isinstance(data, str) else bytes(data)
        frames = {0: encode_frame(opcode, payload, FIN, None)}
        if BROADCAST_COMPRESS_FROM <= len(payload) <= BROADCAST_COMPRESS_TO:
            for bits in {member.window_bits for member in self._rooms[room].values()} - {0}:
                if len(payload) <= COMPRESS_INLINE:
                    body = _compressed(payload, bits)
                else:
                    body = await asyncio.get_running_loop().run_in_executor(None, _compressed, payload, bits)
                frames[bits] = encode_frame(opcode, body, FIN | RSV1, None)
        return frames

    def _offer_all(self, members: Iterable[Member], frames: dict[int, bytes]) -> list[Member]:
        """Send or queue, the fast way for those who keep up; who has to be waited for."""
        plain = frames[0]
        full = []
        for member in members:
            frame = plain if member.window_bits == 0 else frames.get(member.window_bits, plain)
            if member.queue is None and member.take(frame):
                continue
            if not self._offer(member, frame):
                full.append(member)
        return full

    def _offer(self, member: Member, frame: bytes) -> bool:
        """Queue as the policy has it; False when the queue is full and the policy is to wait.

        To wait means that the frame has its place in the queue, so that none overtakes it, and its broadcaster goes on
        when the queue is no longer over its bounds: what is above them is what broadcasters that wait would hold.
        """
        if member.has_room(len(frame), self._max_messages, self._max_bytes):
            member.enqueue(frame)
        elif self._policy is SlowConsumer.DROP_OLDEST:
            self.dropped += member.drop_for(len(frame), self._max_messages, self._max_bytes)
            member.enqueue(frame)
        elif self._policy is SlowConsumer.DISCONNECT:
            self._disconnect(member)
        else:
            member.enqueue(frame)
            return False
        return True

    async def _wait_for(self, full: Iterable[Member]) -> None:
        deadline = asyncio.get_running_loop().time() + self._wait_timeout
        for member in full:
            try:
                async with asyncio.timeout_at(deadline):
                    while member.is_over(self._max_messages, self._max_bytes):
                        await member.progress()
            except TimeoutError:
                self._disconnect(member)

    def _disconnect(self, member: "Member") -> None:
        self.disconnected += 1
        _logger.warning("a WebSocket was disconnected: it does not read as fast as its rooms are written to")
        self._dismiss(member, WSCloseCode.TRY_AGAIN_LATER, b"too slow")

    def _dismiss(self, member: "Member", code: int, message: bytes) -> None:
        """Forget a member now and close its connection in the background."""
        self.leave(member.connection)
        task = asyncio.create_task(member.connection.close(code=code, message=message, drain=False))
        self._goodbyes[task] = member.connection
        task.add_done_callback(self._goodbyes.pop)

    def _forget(self, connection: WebSocketConnection) -> None:
        self.leave(connection)

    def _take_out(self, member: "Member", room: str) -> None:
        member.rooms.discard(room)
        members = self._rooms.get(room)
        if members is None or members.pop(member.connection, None) is None:
            return
        if not members:
            del self._rooms[room]
        if self._backplane is not None:
            self._backplane.count_changed(room, len(members))


def _connection_of(ws: WebSocketConnection | HasConnection) -> WebSocketConnection:
    return ws if isinstance(ws, WebSocketConnection) else ws.connection


def _compressed(payload: bytes, window_bits: int) -> bytes:
    return Deflater(window_bits=window_bits, no_context_takeover=True).compress(payload)
