"""Backplanes: how rooms of several processes hear each other. `levante.ws.Backplane` is the interface.

`MemoryHub` connects the rooms of one process; `levante.ws.backplanes.redis.RedisBackplane` (extra `redis`) those of
processes and machines.
"""

from .memory import MemoryHub

__all__ = ["MemoryHub"]
