"""What development adds to an application: script tag, script, sockets of tabs, error pages, an end to streams."""

import asyncio

import pytest

from levante.devtools import make_mocked_request
from levante.devtools.livereload import (
    SCRIPT_PATH,
    SOCKET_PATH,
    DevTools,
    broken_app,
    has_own_name,
    insert_script,
    is_navigation,
    policy_nonce,
    script_tag,
)
from levante.web import (
    Application,
    HTTPNotFound,
    Request,
    Response,
    StreamResponse,
    WebSocketResponse,
    json_response,
)
from levante.ws import WSCloseCode, WSMsgType

HTML = {"Accept": "text/html,*/*"}
CREDENTIAL = f"hidden-{12345 * 54321}"  # computed: the page shows this source


def tools(*, livereload: bool = True) -> DevTools:
    return DevTools(boot="b00t", livereload=livereload, is_project=lambda file: file == __file__)


def app_with(handler, devtools: DevTools | None = None) -> Application:
    app = Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    (devtools or tools()).install(app)
    return app


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<html><body>hi</body></html>", b"<html><body>hi<T></body></html>"),
        (b"<p>'</body>' is a tag</BODY >\n", b"<p>'</body>' is a tag<T></BODY >\n"),
        (b"<p>fragment", b"<p>fragment<T>"),
        (b"", b"<T>"),
    ],
)
def test_script_goes_before_the_end_of_the_body(body: bytes, expected: bytes) -> None:
    assert insert_script(body, b"<T>") == expected


@pytest.mark.parametrize(
    ("policies", "nonce"),
    [
        ([], ""),
        (["default-src 'self'"], ""),
        (["default-src 'self'; script-src 'nonce-abc=' 'strict-dynamic'"], "abc="),
        (["default-src 'nonce-fallback'"], "fallback"),
        (["default-src 'nonce-fallback'; script-src 'self'"], ""),
        (["SCRIPT-SRC-ELEM 'nonce-elem'; script-src 'nonce-all'"], "elem"),
        (["img-src *", "script-src 'nonce-second'"], "second"),
        (["script-src 'nonce-a\"><b'"], ""),
    ],
)
def test_nonce_of_the_policy_is_found(policies: list[str], nonce: str) -> None:
    assert policy_nonce(policies) == nonce


def test_tag_carries_the_nonce() -> None:
    assert script_tag("/x.js", nonce="n") == b'<script src="/x.js" nonce="n" defer></script>'


@pytest.mark.parity("L9")
async def test_html_gets_the_script_and_nothing_is_cached(levante_client) -> None:
    async def page(request: Request) -> Response:
        headers = {"Content-Security-Policy": "script-src 'nonce-abc'"}
        return Response(text="<body>ü</body>", content_type="text/html", headers=headers)

    client = await levante_client(app_with(page))
    response = await client.get("/")
    text = await response.text()
    assert text == f'<body>ü<script src="{SCRIPT_PATH}?boot=b00t" nonce="abc" defer></script></body>'
    assert response.headers["Content-Length"] == str(len(text.encode()))
    assert response.headers["Cache-Control"] == "no-cache"


async def test_compressed_html_gets_the_script_too(levante_client) -> None:
    async def page(request: Request) -> Response:
        response = Response(text="<p>text</p>" * 500, content_type="text/html")
        response.enable_compression()
        return response

    client = await levante_client(app_with(page))
    assert SCRIPT_PATH in await (await client.get("/")).text()


@pytest.mark.parametrize("kind", ["json", "coded", "payload", "own", "off"])
async def test_what_is_not_a_plain_page_is_left_alone(levante_client, kind: str) -> None:
    async def answer(request: Request) -> Response:
        match kind:
            case "json":
                return json_response({"a": "</body>"}, headers={"Cache-Control": "max-age=1"})
            case "coded":
                return Response(body=b"</body>", content_type="text/html", headers={"Content-Encoding": "identity"})
            case "payload":
                return Response(body=iter_body(), content_type="text/html")
            case "own":
                return Response(text=f"{SCRIPT_PATH}</body>", content_type="text/html")
            case _:
                return Response(text="</body>", content_type="text/html")

    async def iter_body():
        yield b"</body>"

    client = await levante_client(app_with(answer, tools(livereload=kind != "off")))
    response = await client.get("/")
    assert b"<script" not in await response.read()
    assert response.headers["Cache-Control"] == ("max-age=1" if kind == "json" else "no-cache")


async def test_script_is_served_whatever_the_application_routes(levante_client) -> None:
    async def never(request: Request) -> Response:
        raise HTTPNotFound

    client = await levante_client(app_with(never))
    response = await client.get(SCRIPT_PATH)
    assert response.status == 200
    assert response.content_type == "text/javascript"
    assert "WebSocket" in await response.text()
    assert (await client.get("/_levante/other")).status == 404
    off = await levante_client(app_with(never, tools(livereload=False)))
    assert (await off.get(SCRIPT_PATH)).status == 404


@pytest.mark.parity("L9")
async def test_tab_is_greeted_told_and_let_go(levante_client) -> None:
    devtools = tools()

    async def never(request: Request) -> Response:
        raise HTTPNotFound

    client = await levante_client(app_with(never, devtools))
    async with client.ws_connect(SOCKET_PATH) as tab:
        assert await tab.receive_json(timeout=5) == {"type": "hello", "boot": "b00t"}
        await devtools.tell_tabs({"type": "style", "names": ["site.css"]})
        assert await tab.receive_json(timeout=5) == {"type": "style", "names": ["site.css"]}
        letting_go = asyncio.ensure_future(devtools.let_go(WSCloseCode.SERVICE_RESTART, grace=0, patience=5))
        message = await tab.receive(timeout=5)
        assert message.type is WSMsgType.CLOSE
        assert message.data == WSCloseCode.SERVICE_RESTART
        await letting_go


async def test_other_sites_do_not_listen(levante_client) -> None:
    async def never(request: Request) -> Response:
        raise HTTPNotFound

    client = await levante_client(app_with(never))
    response = await client.get(SOCKET_PATH, headers={"Origin": "https://evil.example"})
    assert response.status == 404


@pytest.mark.parity("L9")
async def test_failing_request_shows_the_error_page_to_browsers_only(levante_client) -> None:
    async def fail(request: Request) -> Response:
        raise ZeroDivisionError("the <cause>")

    client = await levante_client(app_with(fail))
    response = await client.get("/x?y=1", headers={**HTML, "Authorization": CREDENTIAL, "X-Seen": "yes"})
    text = await response.text()
    assert response.status == 500
    assert "the &lt;cause&gt;" in text
    assert "GET /x failed" in text
    assert "yes" in text
    assert CREDENTIAL not in text
    assert SCRIPT_PATH in text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    plain = await client.get("/", headers={"Accept": "application/json"})
    assert plain.status == 500
    assert "<html" not in await plain.text()


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("shop.localhost:8000", True),
        ("[::1]:8000", True),
        ("192.168.1.7", True),
        ("box:8000", True),
        ("box.local", True),
        ("evil.example:8000", False),
        ("localhost.evil.example", False),
        ("box.evil.example", False),
        ("127.0.0.1.evil.example", False),
    ],
)
@pytest.mark.hardening("S22")
def test_names_that_a_stranger_may_own_are_not_ours(host: str, own: bool) -> None:
    request = make_mocked_request("GET", "/", headers={"Host": host})
    assert has_own_name(request, hostname="box") is own


@pytest.mark.hardening("S22")
async def test_rebound_name_sees_neither_the_error_page_nor_the_tab_socket(levante_client) -> None:
    async def fail(request: Request) -> Response:
        raise ZeroDivisionError("the cause")

    stranger = {**HTML, "Host": "evil.example", "Origin": "http://evil.example"}
    client = await levante_client(app_with(fail))
    broken = await levante_client(broken_app(tools(), SyntaxError("the cause"), heading="shop does not start"))
    for answer in [await client.get("/", headers=stranger), await broken.get("/", headers=stranger)]:
        assert answer.status == 500
        assert "the cause" not in await answer.text()
    assert (await client.get(SOCKET_PATH, headers=stranger)).status == 404


async def test_http_exceptions_are_answers(levante_client) -> None:
    async def missing(request: Request) -> Response:
        raise HTTPNotFound

    client = await levante_client(app_with(missing))
    assert (await client.get("/", headers=HTML)).status == 404


async def test_broken_app_answers_everything(levante_client) -> None:
    error = SyntaxError("invalid syntax", ("shop/views.py", 3, 5, "def (:\n"))
    client = await levante_client(broken_app(tools(), error, heading="shop does not start"))
    response = await client.post("/any/where", headers=HTML)
    text = await response.text()
    assert response.status == 500
    assert "shop does not start" in text
    assert "shop/views.py:3" in text
    plain = await client.get("/")
    assert (await plain.text()).startswith("shop does not start: SyntaxError: invalid syntax")


async def test_navigation_to_a_leaving_server_is_sent_to_the_new_one(levante_client) -> None:
    devtools = tools()

    async def page(request: Request) -> Response:
        return Response(text="old", content_type="text/html")

    client = await levante_client(app_with(page, devtools))
    await devtools.let_go(WSCloseCode.SERVICE_RESTART, grace=0, patience=0)
    navigation = {"Sec-Fetch-Mode": "navigate"}
    response = await client.get("/a%20b?c=1", headers=navigation, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (307, "/a%20b?c=1")
    assert response.headers["Connection"] == "close"
    other = await client.get("/", allow_redirects=False)
    assert (other.status, other.headers["Connection"]) == (200, "close")


@pytest.mark.parametrize(
    ("method", "path", "mode", "sent_on"),
    [
        ("GET", "/a?b", "navigate", True),
        ("GET", "//evil.example/", "navigate", False),
        ("POST", "/a", "navigate", False),
        ("GET", "/a", "cors", False),
    ],
)
def test_only_navigations_within_the_site_are_sent_on(method: str, path: str, mode: str, sent_on: bool) -> None:
    assert is_navigation(make_mocked_request(method, path, {"Sec-Fetch-Mode": mode})) is sent_on


async def test_letting_go_ends_streams_and_sockets_but_lets_requests_complete(levante_client) -> None:
    devtools, started = tools(), asyncio.Queue()
    release = asyncio.Event()

    async def answer(request: Request) -> StreamResponse:
        match request.path:
            case "/socket":
                socket = WebSocketResponse()
                await socket.prepare(request)
                await started.put("socket")
                async for _ in socket:
                    pass
                return socket
            case "/events":
                stream = StreamResponse(headers={"Content-Type": "text/event-stream"})
                await stream.prepare(request)
                await stream.write(b"data: 1\n\n")
                await started.put("events")
                await asyncio.Event().wait()
                return stream
            case "/stuck":
                await started.put("stuck")
                await asyncio.Event().wait()
        await started.put("slow")
        await release.wait()
        return Response(text="complete")

    client = await levante_client(app_with(answer, devtools))
    async with asyncio.timeout(10):
        async with client.ws_connect("/socket") as socket:
            events = await client.get("/events")
            slow, stuck = (asyncio.ensure_future(_status(client, path)) for path in ("/slow", "/stuck"))
            assert {await started.get() for _ in range(4)} == {"socket", "events", "slow", "stuck"}
            letting_go = asyncio.ensure_future(devtools.let_go(WSCloseCode.SERVICE_RESTART, grace=0.01, patience=0.2))
            message = await socket.receive()
            assert message.data == WSCloseCode.SERVICE_RESTART
            release.set()
            assert await slow == 200
            await letting_go
            assert await stuck is None
            with pytest.raises(Exception, match=r".*"):
                while await events.content.readany():
                    pass
                raise EOFError("the stream has ended in order")


async def _status(client, path: str) -> int | None:
    try:
        response = await client.get(path)
        await response.read()
        return response.status
    except ConnectionError:
        return None
    except Exception as error:
        if "isconnect" in type(error).__name__ or isinstance(error, OSError):
            return None
        raise
