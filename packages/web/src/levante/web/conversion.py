"""Handlers that return data instead of a response, for applications that want it: what they return is made into one
next to the handler, so that every middleware gets a response.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, TypeVar

from .http_exception import HTTPException
from .response import Response, json_response
from .stream_response import StreamResponse

if TYPE_CHECKING:
    from .types import Handler, Request

T = TypeVar("T")

NO_CONTENT = 204

SHOWN = 80
"""Characters of a value that an error message shows."""


class ResponseConverter:
    """Makes responses of what handlers return; for `Application(converter=...)`.

    A mapping, a list or a dataclass becomes JSON by the application's encoder, a str text/plain, bytes
    application/octet-stream, None 204. Responses stay what they are. Anything else is a TypeError (500) that says what
    it was, unless its type is registered. Tuples are among that: in other frameworks they are a body with a status.
    """

    def __init__(self) -> None:
        self._registered: dict[type, Callable[[Any], object]] = {}

    def register(self, kind: type[T], convert: Callable[[T], object]) -> None:
        """Have `convert` called with values of the type `kind` and its subclasses: `register(Item, ItemSchema().dump)`.

        It gives a response, or what is converted as above. Inside of lists, mappings and dataclasses it is called as
        well, and gives what the encoder knows there.
        """
        kinds: object = kind  # of untyped callers
        if not isinstance(kinds, type) or not callable(convert):
            raise TypeError(f"register() takes a type and what converts its values; got {kind!r} and {convert!r}")
        self._registered[kind] = convert

    def converted(self, handler: Callable[["Request"], Awaitable[object]]) -> "Handler":
        """Decorate a handler whose values are converted: for one that returns a registered type, which type checkers
        do not know to be allowed, or in an application without a converter.
        """
        name = getattr(handler, "__qualname__", repr(handler))

        async def call(request: "Request") -> StreamResponse:
            answer = await handler(request)
            return answer if isinstance(answer, StreamResponse) else self.response(answer, of=name)

        return update_wrapper(call, handler)

    def response(self, value: object, *, of: str = "the handler") -> StreamResponse:
        """The response for `value`. TypeError when there is none; the message says that `of` returned it."""
        value = self._replaced(value)
        if isinstance(value, StreamResponse):
            return value
        if value is None:
            return Response(status=NO_CONTENT)
        if isinstance(value, str):
            return Response(text=value)
        if isinstance(value, bytes | bytearray | memoryview):
            return Response(body=value)
        if isinstance(value, Mapping | list) or _is_dataclass(value):
            return self._json(value, of)
        raise TypeError(f"{of} returned {_shown(value)}; {_hint(value)}")

    def _json(self, value: object, of: str) -> Response:
        if not self._registered:
            try:
                return json_response(value)
            except TypeError:
                pass  # perhaps it does not know dataclasses, or mappings that are no dict
        try:
            return json_response(self._walk(value))
        except TypeError as exc:
            raise TypeError(f"{of} returned {_shown(value)}, which is no JSON: {exc}; register() its type") from exc

    def _plain(self, value: object) -> object:
        value = self._replaced(value)
        if isinstance(value, StreamResponse):
            raise TypeError(f"there is a {type(value).__name__} inside")
        return self._walk(value)

    def _walk(self, value: object) -> object:
        """`value` in dicts, lists and what the encoder has to know by itself."""
        if isinstance(value, Mapping):
            return {key: self._plain(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._plain(inner) for inner in value]
        if _is_dataclass(value):
            return {each.name: self._plain(getattr(value, each.name)) for each in fields(value)}  # type: ignore[arg-type]  # it is one
        return value

    def _replaced(self, value: object) -> object:
        if self._registered:
            for kind in type(value).__mro__:
                convert = self._registered.get(kind)
                if convert is not None:
                    return convert(value)
        return value


def _is_dataclass(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _shown(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= SHOWN else f'{text[:SHOWN]}...'} of type {type(value).__qualname__}"


def _hint(value: object) -> str:
    if isinstance(value, HTTPException):
        return "it is an exception: raise it"
    return "expected a response, dict, list, str, bytes, dataclass or None, or a type given to register()"
