"""What a request is called: made when somebody asks, taken over from those who are trusted, and told everywhere."""

import asyncio
import logging
import re
from typing import Any

import pytest

from levante import web
from levante.http.requestids import RequestIdFilter, current_request_id
from levante.web.middlewares import request_id

pytestmark = [pytest.mark.parity("U25"), pytest.mark.hardening("S22")]

OWN = re.compile(r"[0-9a-f]{32}")
GIVEN = "7b0c7f3e-6c55-4f6b-8b1a-0c1f0f0f0f0f"
EVERYBODY = ("0.0.0.0/0", "::/0", "unix")
logger = logging.getLogger("test.request_id")


async def tell(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.id} {current_request_id.get()}")


def app_with(*middlewares: Any, handler: Any = tell) -> web.Application:
    app = web.Application(middlewares=middlewares)
    app.router.add_route("*", "/", handler)
    return app


async def test_made_when_somebody_asks(make_request: Any) -> None:
    request = make_request()
    assert "id" not in request._cache
    number = request.id
    assert OWN.fullmatch(number)
    assert request.id == number != make_request().id


async def test_one_for_all_clones(make_request: Any) -> None:
    request = make_request()
    clone = request.clone(method="POST")
    assert clone.id == request.id == clone.clone(host="b").id


async def test_the_first_to_say_decides(make_request: Any) -> None:
    request = make_request()
    request.take_id("one")
    request.take_id("two")
    assert request.id == "one"
    request = make_request()
    number = request.id
    request.take_id("late")
    assert request.id == number


async def test_without_the_middleware_nobody_is_believed_or_told(serve: Any) -> None:
    answer = await (await serve(app_with())).get("/", X_Request_ID=GIVEN)
    number, context = answer.text.split()
    assert OWN.fullmatch(number)
    assert context == "None"
    assert "X-Request-ID" not in answer.headers


async def test_in_header_and_context(serve: Any) -> None:
    served = await serve(app_with(request_id()))
    peer = await served.connect()
    seen = set()
    for _ in range(3):
        answer = await peer.request("GET", "/")
        assert answer.text.split() == [answer.headers["X-Request-ID"]] * 2
        assert OWN.fullmatch(answer.headers["X-Request-ID"])
        seen.add(answer.text)
    assert len(seen) == 3, "each request of a connection has its own"
    assert current_request_id.get() is None


async def test_in_a_header_of_another_name_and_on_what_is_not_there(serve: Any) -> None:
    served = await serve(app_with(request_id(header="X-Correlation-ID", trusted=EVERYBODY)))
    answer = await served.get("/nothing", X_Correlation_ID=GIVEN, X_Request_ID="other")
    assert answer.status == 404
    assert answer.headers["X-Correlation-ID"] == GIVEN
    assert "X-Request-ID" not in answer.headers


async def test_what_a_handler_hands_on_from_elsewhere_is_replaced(serve: Any) -> None:
    async def hand_on(request: web.Request) -> web.Response:
        return web.Response(text=request.id, headers={"X-Request-ID": "of-another-service"})

    answer = await (await serve(app_with(request_id(), handler=hand_on))).get("/")
    assert answer.headers.getall("X-Request-ID") == [answer.text]


@pytest.mark.parametrize(
    ("trusted", "taken"),
    [
        ((), False),
        (["192.0.2.0/24"], False),
        (["unix"], False),
        (["127.0.0.1"], True),
        (["127.0.0.0/8", "::1"], True),
        (EVERYBODY, True),
    ],
)
async def test_only_who_is_trusted_may_say_it(serve: Any, trusted: Any, *, taken: bool) -> None:
    served = await serve(app_with(request_id(trusted=trusted)))
    answer = await served.get("/", X_Request_ID=GIVEN)
    assert (answer.headers["X-Request-ID"] == GIVEN) is taken
    assert answer.text.split() == [answer.headers["X-Request-ID"]] * 2


async def test_the_peer_is_asked_about_and_not_whom_it_speaks_for(serve: Any) -> None:
    """A proxy that is trusted with addresses need not set ids, and a client that it names has not set this one."""
    for trusted, taken in ((["192.0.2.7"], False), (["127.0.0.1"], True)):
        served = await serve(app_with(request_id(trusted=trusted)), trusted_proxies=["127.0.0.1"])
        answer = await served.get("/", X_Forwarded_For="192.0.2.7", X_Request_ID=GIVEN)
        assert (answer.headers["X-Request-ID"] == GIVEN) is taken


async def test_the_peer_that_the_proxy_protocol_names(serve: Any) -> None:
    runner = (await serve(app_with(request_id(trusted=["192.0.2.7"])))).runner
    site = web.TCPSite(runner, "127.0.0.1", 0, proxy_protocol=["127.0.0.1"])
    await site.start()
    for source, taken in ((b"192.0.2.7", True), (b"192.0.2.8", False)):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"PROXY TCP4 %s 127.0.0.1 5 80\r\n" % source)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-ID: %s\r\n\r\n" % GIVEN.encode())
        assert (b"X-Request-ID: " + GIVEN.encode() in await reader.read()) is taken
        writer.close()
        await writer.wait_closed()


HOSTILE: list[bytes] = [
    b"",
    b"a b",
    b"a\x0aSet-Cookie: x=1",
    b"a\rb",
    b"a\tERROR forged",
    b"\x1b[31mred",
    b"<script>alert(1)</script>",
    b'"},{"level":"error',
    b"%(levelname)s",
    b"\xc3\xb1",
    b"\xff\xfe",
    b"x" * 129,
    b"x" * 10_240,
    b"one\r\nX-Request-ID: two",
    b"one, two",
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
async def test_what_no_id_is_made_of_is_replaced(serve: Any, caplog: pytest.LogCaptureFixture, value: bytes) -> None:
    """Or the request is refused as a whole, where no field may have such a value. The trusted may be deceived."""

    async def crash(request: web.Request) -> web.Response:
        raise RuntimeError

    served = await serve(app_with(request_id(trusted=EVERYBODY), handler=crash), max_field_size=20_000)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: %s\r\n\r\n" % value)
    answer = await peer.answer()
    assert answer.status in (400, 500)
    number = answer.headers["X-Request-ID"]
    assert OWN.fullmatch(number)
    if answer.status == 500:
        (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert line.getMessage() == f"error handling <Request GET /> (request id {number})"
        assert f"Request id: {number}\n" in answer.text


class Lines(logging.Handler):
    """Keeps lines in a format with ids."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(request_id)s %(name)s %(message)s"))
        self.addFilter(RequestIdFilter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Any:
    handler = Lines()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler.lines
    root.setLevel(level)
    root.removeHandler(handler)


async def test_each_line_of_the_log_has_the_id_of_its_request(serve: Any, lines: list[str]) -> None:
    both = asyncio.Barrier(2)

    async def work(request: web.Request) -> web.Response:
        logger.info("begins %s", request.query["n"])
        await both.wait()
        await asyncio.create_task(below(request.query["n"]))
        if request.query["n"] == "2":
            raise RuntimeError
        return web.Response(text="done")

    async def below(number: str) -> None:
        logger.info("goes on %s", number)

    served = await serve(app_with(request_id(), handler=work), access_log=logging.getLogger("levante.access"))
    one, two = await asyncio.gather(served.get("/?n=1"), served.get("/?n=2"))
    while sum("levante.access" in line for line in lines) < 2:
        await asyncio.sleep(0.01)
    for number, answer in (("1", one), ("2", two)):
        name = answer.headers["X-Request-ID"]
        own = [line.removeprefix(name).split(" ")[1:4] for line in lines if line.startswith(name)]
        assert [part[0] for part in own][:2] == ["test.request_id"] * 2
        assert [part[0] for part in own][2:] == ["levante.server"] * (number == "2") + ["levante.access"]
        assert own[0][1:] == ["begins", number]
    assert len(lines) == 7, "and no line is without"


async def test_the_access_log_knows_it(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "levante.access")
    format_ = '%L "%r" %s'
    access = {"access_log": logging.getLogger("levante.access"), "access_log_format": format_}
    served = await serve(app_with(request_id(trusted=EVERYBODY)), **access)
    await served.get("/", X_Request_ID=GIVEN)
    bare = await serve(app_with(), **access)
    text = (await bare.get("/", X_Request_ID=GIVEN)).text
    while len(caplog.records) < 2:
        await asyncio.sleep(0.01)
    first, second = caplog.records
    assert first.getMessage() == f'{GIVEN} "GET / HTTP/1.1" 200'
    assert second.getMessage() == f'{text.split()[0]} "GET / HTTP/1.1" 200'
    assert first.__dict__["request_id"] == GIVEN


async def test_a_websocket_has_one_for_its_whole_life(serve: Any, lines: list[str]) -> None:
    async def live(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            logger.info("heard %s", message.data)
            raise RuntimeError
        return socket

    served = await serve(app_with(request_id(), handler=live))
    peer = await served.connect()
    await peer.send(
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    head = await peer.reader.readuntil(b"\r\n\r\n")
    (name,) = re.findall(rb"X-Request-ID: ([0-9a-f]{32})\r\n", head)
    await peer.send(b"\x81\x82\0\0\0\0hi")
    while len(lines) < 2:
        await asyncio.sleep(0.01)
    assert lines[0] == f"{name.decode()} test.request_id heard hi"
    assert lines[1].startswith(f"{name.decode()} levante.server error handling ")


@pytest.mark.parametrize("name", ["", "X Id", "X-Id\r\nA: b", "ñ"])
def test_a_name_that_no_field_has(name: str) -> None:
    with pytest.raises(ValueError, match="is a token"):
        request_id(header=name)


def test_what_is_no_network() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        request_id(trusted=["nowhere"])
    with pytest.raises(TypeError, match="several networks"):
        request_id(trusted="10.0.0.0/8")
