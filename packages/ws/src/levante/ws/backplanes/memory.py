"""A backplane inside one process: several `Rooms` (of two applications, or in tests) that hear each other."""

from levante.ws.rooms import Backplane, Deliver

__all__ = ["MemoryHub"]


class MemoryHub:
    """Give each `Rooms` a `backplane()` of the same hub."""

    def __init__(self) -> None:
        self._places: dict[_MemoryBackplane, Deliver] = {}

    def backplane(self) -> Backplane:
        """A new place at the hub."""
        return _MemoryBackplane(self._places)


class _MemoryBackplane:
    def __init__(self, places: "dict[_MemoryBackplane, Deliver]") -> None:
        self._places = places
        self.counts: dict[str, int] = {}

    async def start(self, deliver: Deliver) -> None:
        self._places[self] = deliver

    def count_changed(self, room: str, count: int) -> None:
        if count:
            self.counts[room] = count
        else:
            self.counts.pop(room, None)

    async def count_elsewhere(self, room: str) -> int:
        return sum(place.counts.get(room, 0) for place in self._places if place is not self)

    async def publish(self, room: str, data: str | bytes) -> None:
        for place, deliver in tuple(self._places.items()):
            if place is not self:
                await deliver(room, data)

    async def stop(self) -> None:
        self._places.pop(self, None)
