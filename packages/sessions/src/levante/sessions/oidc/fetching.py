"""Asking a provider: whatever client makes the request, the answer is JSON of a bounded size, it comes in bounded time,
and no redirect is followed. The client is described by a protocol, which `levante.client.ClientSession` fits: this
package does not depend on it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from .errors import ProviderFault

PATIENCE: Final = 10.0  # seconds for a whole answer: somebody waits for a page meanwhile
MAX_ANSWER: Final = 256 * 1024  # bytes: key sets of the largest providers have 20 KiB
FORM: Final = "application/x-www-form-urlencoded"


class Answer(Protocol):
    """A response whose head is here."""

    @property
    def status(self) -> int:
        """The status code."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The decoded body, as it comes."""
        ...


class HttpClient(Protocol):
    """What makes requests; a `levante.client.ClientSession`."""

    def request(
        self, method: str, url: str, /, *, headers: Mapping[str, str], data: bytes | None, allow_redirects: bool
    ) -> AbstractAsyncContextManager[Answer]:
        """Make a request; leaving the context gives the connection back, or up."""
        ...


class Fetcher:
    """Asks through `http`; at most `patience` seconds for each answer, and `max_answer` bytes."""

    def __init__(self, http: HttpClient, *, patience: float = PATIENCE, max_answer: int = MAX_ANSWER) -> None:
        self._http = http
        self._patience = patience
        self._max_answer = max_answer

    async def get(self, what: str, url: str, *, bearer: str | None = None) -> dict[str, Any]:
        """The JSON object at `url`; `what` names it in errors. Any: JSON. Raises ProviderFault."""
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        status, found = await self._ask(what, "GET", url, headers=headers, data=None)
        if status != 200:
            raise ProviderFault(f"the {what} was answered with {status}")
        return found

    async def post(
        self, what: str, url: str, *, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON object of the answer to a form. Any: JSON. Raises ProviderFault."""
        return await self._ask(
            what, "POST", url, headers={**headers, "Content-Type": FORM}, data=urlencode(form).encode()
        )

    async def _ask(
        self, what: str, method: str, url: str, *, headers: Mapping[str, str], data: bytes | None
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Accept": "application/json", **headers}
        try:
            async with (
                asyncio.timeout(self._patience),
                self._http.request(method, url, headers=headers, data=data, allow_redirects=False) as answer,
            ):
                body = await self._read(what, answer)
        except ProviderFault:
            raise
        except Exception as error:  # the errors of a client that is not ours to know; told, with their cause
            raise ProviderFault(f"the {what} did not come ({type(error).__name__})") from error
        return answer.status, _parsed(what, answer.status, body)

    async def _read(self, what: str, answer: Answer) -> bytes:
        body = bytearray()
        async for piece in answer.pieces():
            body += piece
            if len(body) > self._max_answer:
                raise ProviderFault(f"the {what} is larger than {self._max_answer} bytes")
        return bytes(body)


def _parsed(what: str, status: int, body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ProviderFault(f"the {what} was answered with {status} and no JSON") from None
    if not isinstance(found, dict):
        raise ProviderFault(f"the {what} was answered with {status} and no JSON object")
    return found
