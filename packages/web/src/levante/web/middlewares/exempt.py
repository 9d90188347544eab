"""Paths that a middleware leaves alone: probes come by address, without a password, and never by HTTPS."""

from collections.abc import Iterable


def exempt_paths(paths: Iterable[str]) -> frozenset[str]:
    """The paths as they are looked up. TypeError for one in the place of several, which would be read by letter."""
    if isinstance(paths, str):
        raise TypeError(f"exempt is a list of paths, such as [{paths!r}]; got {paths!r}")
    return frozenset(paths)
