"""The decorator that old code marks middlewares with."""

from typing import TypeVar

F = TypeVar("F")


def middleware(function: F) -> F:
    """Nothing: every `async def middleware(request, handler)` is a middleware. It is here so that aiohttp's code can
    stay as it is.
    """
    return function
