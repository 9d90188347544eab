"""A whole service under attack: an application with the middlewares that generated services have, on a real socket,
and peers that break every rule. What counts is the whole: the verdict that leaves, that nothing behind it is taken for
a request, that nothing of the inside is told, and that everything is given back."""

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Callable

import pytest
from marshmallow import Schema, fields

from levante import sessions, web
from levante.sessions import EncryptedCookieStorage, csrf_middleware, generate_key, parse_keys
from levante.web import health
from levante.web.middlewares import handler_timeout, problem_details, security_headers
from levante.web.schema import load_json

SECRET = "the-handler's-own-words"
PATIENCE = 10.0  # seconds that a busy machine may take for what takes a few milliseconds
GOOD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n")
UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Doors:
    """Lets a handler wait until the test opens."""

    def __init__(self) -> None:
        self.inside = 0
        self.open = asyncio.Event()


DOORS = web.AppKey("doors", Doors)


async def wait_inside(request: web.Request) -> web.Response:
    doors = request.app[DOORS]
    doors.inside += 1
    try:
        await doors.open.wait()
    finally:
        doors.inside -= 1
    return web.Response(text="let out")


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun")
    await wait_inside(request)
    await response.write(b"ended")
    return response


async def echo(request: web.Request) -> web.Response:
    return web.json_response(len(await request.read()))


class Item(Schema):
    total = fields.Float()


async def load(request: web.Request) -> web.Response:
    return web.json_response(await load_json(request, Item()))


async def form(request: web.Request) -> web.Response:
    return web.json_response(len(await request.post()))


async def live(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for _ in socket:
        pass
    return socket


async def fail(request: web.Request) -> web.Response:
    raise RuntimeError(SECRET)


async def fail_as_if_cancelled(request: web.Request) -> web.Response:
    raise asyncio.CancelledError(SECRET)


async def fail_inside_a_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"part")
    raise RuntimeError(SECRET)


async def split_the_response(request: web.Request) -> web.Response:
    return web.Response(headers={"X-Told": f"{SECRET}\r\nSet-Cookie: a=b"})


def make_app() -> web.Application:
    app = web.Application(client_max_size=8192)
    app[DOORS] = Doors()
    app.middlewares.append(security_headers())
    sessions.setup(app, EncryptedCookieStorage(parse_keys(generate_key()), cookie_name="c", secure=True), csrf=None)
    app.middlewares.append(problem_details)
    app.middlewares.append(csrf_middleware())
    app.middlewares.append(handler_timeout(30.0))
    health.setup(app)
    for reader in (echo, load, form):
        app.router.add_post(f"/{reader.__name__}", reader)
    for handler in (wait_inside, stream, live, fail, fail_as_if_cancelled, fail_inside_a_stream, split_the_response):
        app.router.add_get(f"/{handler.__name__}", handler)
    return app


@pytest.fixture
async def runner() -> AsyncIterator[web.AppRunner]:
    runner = web.AppRunner(make_app(), access_log=None, shutdown_timeout=PATIENCE)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner
    await runner.cleanup()


async def dial(runner: web.AppRunner) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*runner.addresses[0][:2])


async def talk(runner: web.AppRunner, *pieces: bytes) -> bytes:
    """Send the pieces, one write and one turn of the loop each; all that is answered until the server closes."""
    reader, writer = await dial(runner)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    finally:
        writer.close()


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in STATUS_LINE.findall(answer)]


async def until(question: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not question():
            await asyncio.sleep(0.005)


def get(*lines: bytes, start: bytes = b"GET /healthz HTTP/1.1") -> bytes:
    return b"".join(line + b"\r\n" for line in (start, b"Host: a", *lines, b""))


def post(*lines: bytes, body: bytes = b"0\r\n\r\n") -> bytes:
    return get(*lines, start=b"POST /echo HTTP/1.1") + body


CHUNKED = b"Transfer-Encoding: chunked"
REFUSED = {
    "H03": get().replace(b"\r\n", b"\n"),
    "H04": get(start=b"GET  /healthz HTTP/1.1"),
    "H06": get(start=b"GET /healthz HTTP/1.1 "),
    "H09": get(start=b"GE(T /healthz HTTP/1.1"),
    "H11": b"GET /healthz\r\n\r\n",
    "H13": b"GET /healthz HTTP/1.1\r\n\r\n",
    "H14": get(b"Host: a"),
    "H16": b"GET /healthz HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "H23": get(start=b"GET /healthz HTTP/1.10"),
    "H24": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "H25": get(start=b"GET /\0 HTTP/1.1"),
    "H28": get(start=b"GET /healthz#x HTTP/1.1"),
    "H35": post(b"Content-Length : 5", body=b"12345"),
    "H36": get(b"X: a", b" b"),
    "H37": get(start=b"GET /healthz HTTP/1.1\r\n X: a"),
    "H38": get(b"nothing"),
    "H40": get(b"X: a\0b"),
    "H41": get(b"X: a\rb"),
    "H43": get(b"X Y: b"),
    "H46": get(b"X: " + b"a" * 9000),
    "H47": get(*[b"X: a"] * 200),
    "H49": post(b"Transfer-Encoding:\xa0chunked\x85"),
    "H53": post(b"Content-Length: 5", CHUNKED),
    "H55": get(CHUNKED, start=b"POST /echo HTTP/1.0") + b"0\r\n\r\n",
    "H56": post(b"Transfer-Encoding: identity"),
    "H58": post(b"Transfer-Encoding: chunked, gzip"),
    "H59": post(CHUNKED, CHUNKED),
    "H60": post(b"Transfer-Encoding: xchunked"),
    "H61": post(b"Content-Length: +5", body=b"12345"),
    "H62": post(b"Content-Length: 5", b"Content-Length: 5", body=b"12345"),
    "H63b": post(b"Content-Length: 5", b"Content-Length: 6", body=b"12345"),
    "H64": post(b"Content-Length: 18446744073709551621", body=b"12345"),
    "H66": post(b"Content-Length: 1000000", body=b""),
    "H68": post(CHUNKED, body=b"0x5\r\nabcde\r\n0\r\n\r\n"),
    "H70b": post(CHUNKED, body=b"5;" + b"a" * 20_000 + b"\r\nabcde\r\n0\r\n\r\n"),
    "H71": post(CHUNKED, body=b"5;a\nb\r\nabcde\r\n0\r\n\r\n"),
    "H72": post(CHUNKED, body=b"5\r\nabcdeXX0\r\n\r\n"),
    "H74": post(CHUNKED, body=b"0\r\nnothing\r\n\r\n"),
    "H91": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
}
REFUSALS = {400, 408, 413, 414, 417, 431, 501, 505}


@pytest.mark.hardening(*REFUSED)
@pytest.mark.parametrize("row", REFUSED)
async def test_what_is_no_request_is_refused_and_nothing_behind_it_is_taken_for_one(
    runner: web.AppRunner, row: str
) -> None:
    attack = REFUSED[row] + LAST
    whole = await talk(runner, attack)
    behind_a_good_one = await talk(runner, GOOD + attack)
    bytewise = await talk(runner, *(attack[i : i + 1] for i in range(len(attack)))) if len(attack) < 500 else whole
    for answer, before in [(whole, []), (behind_a_good_one, [200]), (bytewise, [])]:
        *first, verdict = statuses(answer)
        assert first == before, answer
        assert verdict in REFUSALS, answer
        assert b"Traceback" not in answer
        assert b"X-Content-Type-Options: nosniff\r\n" in answer
    assert statuses(await talk(runner, LAST)) == [200]


@pytest.mark.hardening("H02", "H44", "H60e", "H65", "H67", "H69", "H70a", "H74", "H79")
@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n" + get(),
        get(b"X: \t \xe9 \t"),
        post(b"Transfer-Encoding: ChUnKeD", body=b"5\r\nabcde\r\n0\r\n\r\n"),
        post(b"Content-Length: 005", body=b"12345"),
        get(b"Content-Length: %d" % len(GOOD)) + GOOD,
        post(CHUNKED, body=b"5\r\nabcde\r\n000\r\n\r\n"),
        post(CHUNKED, body=b'5;a=b;c="d;e"\r\nabcde\r\n0\r\n\r\n'),
        post(CHUNKED, body=b"0\r\nContent-Length: 99\r\nHost: b\r\n\r\n"),
    ],
)
async def test_what_is_unusual_but_right_is_answered_once(runner: web.AppRunner, request_bytes: bytes) -> None:
    attack = request_bytes + LAST
    assert statuses(await talk(runner, attack)) == [200] * 2
    assert statuses(await talk(runner, *(attack[i : i + 1] for i in range(len(attack))))) == [200] * 2
    assert statuses(await talk(runner, GOOD * 20 + attack)) == [200] * 22


JSON, FORM, PARTS = b"application/json", b"application/x-www-form-urlencoded", b"multipart/form-data"
FIELD = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n%s\r\n--B--\r\n'


@pytest.mark.hardening("M01", "M03", "M14", "M15", "M26", "M28")
@pytest.mark.parametrize(
    ("target", "kind", "body", "status"),
    [
        (b"load", JSON, b"1" * 4301, 400),
        (b"load", JSON, b"[" * 1000, 400),
        (b"load", JSON, b'{"total": NaN}', 400),
        (b"load", JSON, b'{"total": 1e999}', 422),
        (b"load", JSON, b'{"total": "\xff"}', 400),
        (b"load", JSON, '{"total": 1}'.encode("utf-16"), 400),
        (b"load", JSON + b"; charset=utf-7", b"", 400),
        (b"load", JSON + b"; charset=none", b"{}", 415),
        (b"load", b"application/json, text/plain", b"{}", 415),
        (b"form", PARTS, FIELD % b"1", 400),
        (b"form", PARTS + b"; boundary=", FIELD % b"1", 400),
        (b"form", PARTS + b'; boundary="B', FIELD % b"1", 400),
        (b"form", PARTS + b"; boundary=B\xe9", FIELD % b"1", 400),
        (b"form", PARTS + b"; boundary=B" + b"; a=b" * 40, FIELD % b"1", 400),
        (b"form", PARTS + b"; boundary=B", FIELD % b"\xff", 400),
        (b"form", PARTS + b"; boundary=B", b"", 400),
        (b"form", FORM + b"\r\nContent-Type: text/plain", b"a=1", 400),
        (b"form", FORM + b"; charset=none", b"a=1", 415),
    ],
)
async def test_bodies_that_mean_nothing_are_the_clients_fault(
    runner: web.AppRunner, caplog: pytest.LogCaptureFixture, target: bytes, kind: bytes, body: bytes, status: int
) -> None:
    lines = (b"Content-Type: " + kind, b"Content-Length: %d" % len(body), b"Connection: close")
    answer = await talk(runner, get(*lines, start=b"POST /%s HTTP/1.1" % target) + body)
    assert statuses(answer) == [status]
    assert b"Content-Type: application/problem+json\r\n" in answer
    assert not caplog.records


@pytest.mark.hardening("M26")
async def test_answer_about_a_body_is_smaller_than_the_body(runner: web.AppRunner) -> None:
    body = b"{" + b",".join(b'"%d":1' % n for n in range(900)) + b"}"
    lines = (b"Content-Type: application/json", b"Content-Length: %d" % len(body), b"Connection: close")
    answer = await talk(runner, get(*lines, start=b"POST /load HTTP/1.1") + body)
    assert statuses(answer) == [422]
    assert answer.count(b"Unknown field") == 100
    assert len(answer) < len(body)


@pytest.mark.hardening("H20")
async def test_nothing_is_tunnelled(runner: web.AppRunner) -> None:
    assert statuses(await talk(runner, b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + LAST)) == [501, 200]


@pytest.mark.hardening("H86")
@pytest.mark.parity("V47")
async def test_body_of_a_refused_upgrade_is_no_request(runner: web.AppRunner) -> None:
    length = b"Content-Length: %d" % len(GOOD)
    upgrade = get(UPGRADE[:-2], length, start=b"GET /live HTTP/1.1") + GOOD
    assert statuses(await talk(runner, upgrade + LAST)) == [400, 200]


@pytest.mark.hardening("W05")
@pytest.mark.parametrize("origin", [b"http://evil.example", b"null", b"http://a.evil.example", b"http://a:81"])
async def test_other_sites_open_no_websocket(runner: web.AppRunner, origin: bytes) -> None:
    upgrade = get(UPGRADE[:-2], b"Origin: " + origin, start=b"GET /live HTTP/1.1")
    assert statuses(await talk(runner, upgrade + LAST)) == [403, 200]


@pytest.mark.hardening("X16", "S22", "H87")
@pytest.mark.parametrize("handler", [fail, fail_as_if_cancelled, fail_inside_a_stream, split_the_response])
async def test_failing_handler_tells_the_peer_nothing_and_the_log_once(
    runner: web.AppRunner, handler: Callable[..., object], caplog: pytest.LogCaptureFixture
) -> None:
    answer = await talk(runner, get(start=f"GET /{handler.__name__} HTTP/1.1".encode()) + LAST)
    assert statuses(answer)[0] == (200 if handler is fail_inside_a_stream else 500)
    assert SECRET.encode() not in answer
    assert b"Traceback" not in answer
    assert b"0\r\n\r\n" not in answer
    assert sum(SECRET in (record.exc_text or "") or SECRET in record.getMessage() for record in caplog.records) == 1


@pytest.mark.hardening("X14")
@pytest.mark.parity("V45")
@pytest.mark.parametrize(
    ("attack", "gets_inside"),
    [
        (b"GET /healthz HTT", False),
        (get(start=b"GET /wait_inside HTTP/1.1"), True),
        (get(start=b"GET /stream HTTP/1.1"), True),
        (post(b"Content-Length: 100", body=b"abc"), False),
        (post(CHUNKED, body=b"5\r\nab"), False),
        (get(UPGRADE[:-2], start=b"GET /live HTTP/1.1"), False),
    ],
)
async def test_peers_that_leave_take_nothing_with_them(
    runner: web.AppRunner, attack: bytes, *, gets_inside: bool
) -> None:
    server, doors = runner.server, runner.app[DOORS]
    assert server is not None
    before = len(asyncio.all_tasks())
    for _ in range(50):
        _, writer = await dial(runner)
        writer.write(attack)
        await writer.drain()
        if gets_inside:
            await until(lambda: doors.inside > 0)
        writer.close()
        await writer.wait_closed()
        doors.open.set()
        await until(lambda: doors.inside == 0)
        doors.open.clear()
    await until(lambda: not server.connections and len(asyncio.all_tasks()) <= before)
    gc.collect()
    assert statuses(await talk(runner, LAST)) == [200]


@pytest.mark.hardening("X1")
async def test_shutdown_fails_no_request_and_says_goodbye_to_the_others(runner: web.AppRunner) -> None:
    doors = runner.app[DOORS]
    requests = [asyncio.create_task(talk(runner, get(start=b"GET /wait_inside HTTP/1.1"))) for _ in range(10)]
    streams = [asyncio.create_task(talk(runner, get(start=b"GET /stream HTTP/1.1"))) for _ in range(5)]
    idle = [asyncio.create_task(talk(runner, GOOD)) for _ in range(10)]
    reader, writer = await dial(runner)
    writer.write(get(UPGRADE[:-2], start=b"GET /live HTTP/1.1"))
    await reader.readuntil(b"\r\n\r\n")
    await until(lambda: doors.inside == 15)
    stopping = asyncio.create_task(runner.cleanup())
    async with asyncio.timeout(PATIENCE):
        assert [statuses(answer) for answer in await asyncio.gather(*idle)] == [[200]] * 10
        assert await reader.readexactly(4) in {b"\x88\x02\x03\xe9", b"\x88\x11\x03\xe9"}  # 1001
        writer.write(b"\x88\x82\0\0\0\0\x03\xe9")
        doors.open.set()
        for answer in await asyncio.gather(*requests):
            assert answer.endswith(b"let out")
            assert b"Connection: close\r\n" in answer
        for answer in await asyncio.gather(*streams):
            assert answer.endswith(b"5\r\nended\r\n0\r\n\r\n")
        await stopping
    writer.close()
