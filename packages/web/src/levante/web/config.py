"""A read-only view of several mappings as one: how a handler sees the settings of its application and of the
applications around it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, overload

from .keys import AppKey

T = TypeVar("T")
D = TypeVar("D")


class ChainMapProxy(Mapping[str | AppKey[Any], Any]):
    """The first mapping that has a key answers. Any: each value has the type that its own `AppKey` says."""

    __slots__ = ("_maps",)

    def __init__(self, maps: tuple[Mapping[str | AppKey[Any], Any], ...]) -> None:
        self._maps = maps

    @overload
    def __getitem__(self, key: AppKey[T]) -> T: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: str | AppKey[T]) -> Any:
        for mapping in self._maps:
            if key in mapping:
                return mapping[key]
        raise KeyError(key)

    @overload  # type: ignore[override]  # typed by key, which Mapping cannot say
    def get(self, key: AppKey[T], default: D) -> T | D: ...
    @overload
    def get(self, key: AppKey[T], default: None = ...) -> T | None: ...
    @overload
    def get(self, key: str, default: Any = ...) -> Any: ...
    def get(self, key: str | AppKey[T], default: Any = None) -> Any:
        for mapping in self._maps:
            if key in mapping:
                return mapping[key]
        return default

    def __len__(self) -> int:
        return len(set().union(*self._maps))

    def __iter__(self) -> Iterator[str | AppKey[Any]]:
        seen: dict[str | AppKey[Any], None] = {}
        for mapping in reversed(self._maps):
            seen.update(dict.fromkeys(mapping))
        return iter(seen)

    def __contains__(self, key: object) -> bool:
        return any(key in mapping for mapping in self._maps)

    def __bool__(self) -> bool:
        return any(self._maps)

    def __repr__(self) -> str:
        return f"ChainMapProxy({', '.join(map(repr, self._maps))})"
