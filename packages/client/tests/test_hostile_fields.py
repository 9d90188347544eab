"""Whatever a server says in its fields, and in whatever combination: a response, or an error of the client."""

import asyncio
import contextlib
import random

import pytest

from levante.client import (
    Cache,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    CookieJar,
    DigestAuthMiddleware,
    HSTSStore,
    Retry,
)

REQUESTS = 150
STATUSES = [200, 200, 200, 204, 206, 301, 302, 304, 307, 401, 401, 404, 429, 503]
# HERE stands for the host and port of the server.
FIELDS = {
    "Location": [
        "/x", "//", "http://[", "http://u:p@HERE/", "http://a%3Ab:c@HERE/", "?", "#", "http://HERE/\xff", "/a b",
        "http://127.0.0.1:99999/", "ws://HERE/y", "HTTP://HERE", "\\\\x", "/%zz", "/" + "a" * 8000,
        "http://a..b/", "http://" + "a" * 64 + "/", "http://0x7f.1/", "data:,x",
    ],
    "Set-Cookie": [
        "a=b", "=;;", "a=b; Domain=.", "a=b; Expires=x; Max-Age=9999999999999999999", "a=\xff", "a=b; Path=\xff",
        "__Host-a=b; Secure", "a=b; Domain=127.0.0.1", "a=" + "b" * 5000, "a=b; SameSite=\xff",
    ],
    "Cache-Control": ["max-age=60", "no-cache", "\xff", 'max-age="', "stale-while-revalidate=9, max-age=0", "public"],
    "Vary": ["*", "\xff", ",,", "Accept, \xff"],
    "ETag": ['"a"', "W/", "\xff"],
    "Last-Modified": ["x", "Thu, 01 Jan 1970 00:00:00 GMT", "Sun, 99 Nov 1994 08:49:37 GMT"],
    "Expires": ["0", "Fri, 31 Dec 9999 23:59:59 GMT", "\xff"],
    "Date": ["Fri, 31 Dec 9999 23:59:59 GMT", "x", "Thu, 01 Jan 0001 00:00:00 GMT"],
    "Age": ["-1", "99999999999999", "\xff"],
    "WWW-Authenticate": [
        'Digest realm="a", nonce="b"', "Digest", 'Digest realm="\xff", nonce="a\tb", qop="auth-int"', "Basic",
        "Digest realm=a, nonce=b, algorithm=x", 'Digest realm="a", nonce="b", domain="http://[ //\xff :"',
    ],
    "Authentication-Info": ['nextnonce="\xff"', "=", "nextnonce", 'nextnonce="a\tb"'],
    "Strict-Transport-Security": ["max-age=1", "\xff"],
    "Retry-After": ["0", "x", "\xff"],
    "Content-Type": ["text/html; charset=\xff", "application/json", "text/plain; charset=rot13", "a"],
    "Content-Encoding": ["gzip", "identity", "x", "\xff"],
    "Content-Disposition": ["\xff", "attachment; filename*=\xff''x"],
    "Content-Location": ["http://[", "/y", "\xff"],
    "Link": ["<\xff>; rel=x", "<"],
    "Connection": ["close", "\xff"],
}  # fmt: skip
SESSIONS = {
    "plain": dict,
    "cached": lambda: {"cache": Cache(), "cookie_jar": CookieJar(unsafe=True), "hsts": HSTSStore()},
    "digest": lambda: {"middlewares": [DigestAuthMiddleware("\u00e9", "b")], "retry": Retry(longest=0.001)},
    "own": lambda: {"headers": {"Authorization": "x"}, "requote_redirect_url": False, "lenient_responses": True},
}


def any_answer(chance: random.Random, here: str) -> bytes:
    status = chance.choice(STATUSES)
    lines = [f"HTTP/1.1 {status} \xff"]
    for name in chance.sample(list(FIELDS), chance.randint(0, 7)):
        lines.append(f"{name}: {chance.choice(FIELDS[name]).replace('HERE', here)}")
    body = b"" if status in (204, 304) else chance.choice([b"", b"{}", b"\xff\xfe", b"x" * 100])
    if status not in (204, 304):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def look_at(response: ClientResponse) -> None:
    await response.read()
    for decode in (response.text, response.json):
        with contextlib.suppress(ClientError, ValueError, LookupError):  # what is no text, no JSON, or of no charset
            await decode()
    assert str(response.url)
    assert repr(response)
    for name in ("content_disposition", "links", "cookies", "charset", "content_type", "history"):
        getattr(response, name)


@pytest.mark.hardening("C52")
@pytest.mark.parametrize("kind", SESSIONS)
async def test_all_that_can_go_wrong_is_an_error_of_the_client(serve, kind: str) -> None:
    chance = random.Random(kind)
    unasked: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unasked.append(context))
    server = await serve(lambda _: any_answer(chance, f"127.0.0.1:{server.port}"))
    answered = 0
    async with ClientSession(timeout=ClientTimeout(total=20), **SESSIONS[kind]()) as session:
        for number in range(REQUESTS):
            with contextlib.suppress(ClientError):
                async with session.get(f"{server.url}{number % 7}") as response:
                    await look_at(response)
                    answered += 1
    assert answered > REQUESTS / 3
    assert unasked == []
