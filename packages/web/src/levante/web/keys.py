"""Typed keys of the mappings that applications, requests and responses are. A key is an object, so two libraries that
choose the same name never collide, and it carries the type of its value, so that a type checker knows what `app[key]`
is. Its name is prefixed with the module that defined it, only to make `repr` and error messages say where it comes
from.
"""

import sys
from functools import total_ordering
from typing import Any, Generic, TypeVar, get_args

T = TypeVar("T")


@total_ordering
class BaseKey(Generic[T]):
    """What `AppKey`, `RequestKey` and `ResponseKey` share: identity, a qualified name, and optionally the type of the
    value.
    """

    __slots__ = ("__orig_class__", "_name", "_type")

    def __init__(self, name: str, t: type[T] | None = None) -> None:
        self._name = f"{_defining_module()}.{name}"
        self._type = t

    def __lt__(self, other: object) -> bool:
        if isinstance(other, BaseKey):
            return self._name < other._name
        return True  # keys sort before the old plain strings

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self._name}, type={self._described_type()})>"

    def _described_type(self) -> str:
        declared: Any = self._type  # Any: users also pass what is no class, such as Iterator[int]
        if declared is None:  # AppKey[int]("name") says it too
            declared = next(iter(get_args(getattr(self, "__orig_class__", None))), None)
        if declared is None:
            return "<undeclared>"
        if not isinstance(declared, type):
            return repr(declared)
        module = "" if declared.__module__ == "builtins" else f"{declared.__module__}."
        return f"{module}{declared.__qualname__}"


class AppKey(BaseKey[T]):
    """A key of an `Application`: `DB = web.AppKey("db", Engine)`, then `app[DB]` is an `Engine`."""

    __slots__ = ()


class RequestKey(BaseKey[T]):
    """A key of a `Request`, for what middlewares hand to handlers."""

    __slots__ = ()


class ResponseKey(BaseKey[T]):
    """A key of a response, for what handlers hand back to middlewares."""

    __slots__ = ()


def _defining_module() -> str:
    """The module whose top-level code makes the key; a key made inside a function is named after the nearest module
    level above.
    """
    frame = sys._getframe(2)  # noqa: SLF001  # the documented way to look at the callers
    while frame.f_back is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "<unknown>"))
