"""Backplanes: how rooms of several processes hear each other. `levante.ws.Backplane` is the interface."""

from .memory import MemoryHub

__all__ = ["MemoryHub"]
