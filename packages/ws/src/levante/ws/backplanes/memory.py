"""A backplane inside one process: several `Rooms` (of two applications, or in tests) that hear each other."""

from levante.ws.rooms import Backplane, Deliver

__all__ = ["MemoryHub"]


class MemoryHub:
    """Give each `Rooms` a `backplane()` of the same hub."""

    def __init__(self) -> None:
        self._deliveries: dict[object, Deliver] = {}

    def backplane(self) -> Backplane:
        """A new place at the hub."""
        return _MemoryBackplane(self._deliveries)


class _MemoryBackplane:
    def __init__(self, deliveries: dict[object, Deliver]) -> None:
        self._deliveries = deliveries

    async def start(self, deliver: Deliver) -> None:
        self._deliveries[self] = deliver

    def watch(self, room: str) -> None:
        """Nothing to do: handing a message to rooms without members costs one look into a dict."""

    def unwatch(self, room: str) -> None:
        """Nothing to do either."""

    async def publish(self, room: str, data: str | bytes) -> None:
        for place, deliver in tuple(self._deliveries.items()):
            if place is not self:
                await deliver(room, data)

    async def stop(self) -> None:
        self._deliveries.pop(self, None)
