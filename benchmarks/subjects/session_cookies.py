"""Load a session of 300 bytes from its cookie, change it and save it into a response, again and again, with the storage
that is named: `signed` and `encrypted` are levante's, `aiohttp-session` is its EncryptedCookieStorage (Fernet).
"""

import hashlib
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import orders
from multidict import CIMultiDict

KEY = hashlib.sha256(b"a benchmark").digest()
DATA = {
    "user": "ann@example.com",
    "cart": [{"id": number, "n": 2, "name": f"thing number {number}"} for number in range(5)],
    "token": "x" * 60,
}

Call = Callable[[], Coroutine[Any, Any, int]]  # the number of visits that the session has counted


class Request:
    """The part of a request that storages look at."""

    def __init__(self, cookie: str) -> None:
        self.headers = CIMultiDict({"Cookie": cookie})
        self.cookies = dict([cookie.split("=", 1)]) if cookie else {}


def levante(kind: str) -> Call:
    from levante.sessions import EncryptedCookieStorage, SignedCookieStorage
    from levante.web import Response

    return visits({"signed": SignedCookieStorage, "encrypted": EncryptedCookieStorage}[kind]([KEY]), Response)


def aiohttp_session(_: str) -> Call:
    from aiohttp.web import Response
    from aiohttp_session.cookie_storage import EncryptedCookieStorage

    return visits(EncryptedCookieStorage(KEY, max_age=7 * 24 * 3600, secure=True, samesite="Lax"), Response)


def visits(storage: Any, response_class: Callable[[], Any]) -> Call:  # Any: both libraries have the same methods
    cookie = ""

    async def visit() -> int:
        nonlocal cookie
        request, response = Request(cookie), response_class()
        session = await storage.load_session(request)
        if session.new:
            session.update(DATA)
        session["visits"] = session.get("visits", 0) + 1
        await storage.save_session(request, response, session)
        cookie = f"{storage.cookie_name}={response.cookies[storage.cookie_name].value}"
        return int(session["visits"])

    return visit


STORAGES = {"signed": levante, "encrypted": levante, "aiohttp-session": aiohttp_session}


def finished(coroutine: Coroutine[Any, Any, int]) -> int:
    """The result of a coroutine that waits for nothing: no loop is in what is measured."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return int(end.value)
    raise SystemExit("the storage of a cookie waited for something")


def main() -> None:
    kind = sys.argv[1]
    visit = STORAGES[kind](kind)
    visits = finished(visit())

    def call() -> bool:
        nonlocal visits
        visits += 1
        return finished(visit()) == visits

    print("ready", flush=True)
    for line in sys.stdin:
        orders.repeat(json.loads(line), call, {True})


if __name__ == "__main__":
    main()
