"""Requests and responses as mappings: the place where middlewares and handlers leave things for each other. The dict
behind is made when the first thing is stored; most requests never have one.
"""

from collections.abc import Iterator, MutableMapping
from typing import Any, TypeVar, overload

from .keys import BaseKey

T = TypeVar("T")
D = TypeVar("D")


class StateMapping(MutableMapping[str | BaseKey[Any], Any]):
    """A mapping by `str` or typed key that is compared by identity and always true. Any: each key says the type of
    its value.
    """

    __slots__ = ("_state",)

    _state: dict[str | BaseKey[Any], Any] | None

    @overload
    def __getitem__(self, key: BaseKey[T]) -> T: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: str | BaseKey[T]) -> Any:
        if self._state is None:
            raise KeyError(key)
        return self._state[key]

    @overload  # type: ignore[override]  # typed by key, which MutableMapping cannot say
    def get(self, key: BaseKey[T], default: D) -> T | D: ...
    @overload
    def get(self, key: BaseKey[T], default: None = ...) -> T | None: ...
    @overload
    def get(self, key: str, default: Any = ...) -> Any: ...
    def get(self, key: str | BaseKey[T], default: Any = None) -> Any:
        return default if self._state is None else self._state.get(key, default)

    @overload
    def __setitem__(self, key: BaseKey[T], value: T) -> None: ...
    @overload
    def __setitem__(self, key: str, value: Any) -> None: ...
    def __setitem__(self, key: str | BaseKey[T], value: Any) -> None:
        if self._state is None:
            self._state = {}
        self._state[key] = value

    def __delitem__(self, key: str | BaseKey[Any]) -> None:
        if self._state is None:
            raise KeyError(key)
        del self._state[key]

    def __len__(self) -> int:
        return len(self._state or ())

    def __iter__(self) -> Iterator[str | BaseKey[Any]]:
        return iter(self._state or ())

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return True
