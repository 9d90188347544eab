import functools
from typing import Any

import jinja2
import pytest

from levante import web
from levante.web import templating
from levante.web.middlewares import security_headers

TEMPLATES = {
    "hello.html": "hello {{ name }}",
    "request.html": "{{ request.path }} {{ app is not none }}",
    "url.html": "{{ url('item', id=5, query_={'a': 'b'}) }} {{ url('item', id='x') }} {{ static('/site.css') }}",
    "nonce.html": "<script nonce='{{ csp_nonce }}'></script>{{ csp_nonce | string }}",
    "processed.html": "{{ plain }} {{ waited }} {{ name }}",
    "filter.html": "{{ 'x' | shout }}",
}


def set_up(app: web.Application, **options: Any) -> jinja2.Environment:
    return templating.setup(app, loader=jinja2.DictLoader(TEMPLATES), **options)


async def page(serve: Any, handler: Any, *, middlewares: Any = (), **options: Any) -> Any:
    app = web.Application(middlewares=middlewares)
    set_up(app, **options)
    app[templating.static_root_key] = "/static/"
    app.router.add_route("*", "/", handler)
    app.router.add_get("/items/{id}", handler, name="item")
    return await (await serve(app)).get("/")


@pytest.mark.parity("L12")
async def test_the_decorator(serve: Any) -> None:
    @templating.template("hello.html", status=201)
    async def handler(request: web.Request) -> dict[str, str]:
        return {"name": "<b>"}

    answer = await page(serve, handler)
    assert (answer.status, answer.text) == (201, "hello &lt;b&gt;")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parity("L12")
async def test_the_decorator_on_a_view(serve: Any) -> None:
    class Page(web.View):
        @templating.template("request.html")
        async def get(self) -> None:
            return None

    assert (await page(serve, Page)).text == "/ True"


@pytest.mark.parity("L12")
async def test_a_response_passes_through(serve: Any) -> None:
    @templating.template("hello.html")
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="own")

    assert (await page(serve, handler)).text == "own"


@pytest.mark.parity("L12")
async def test_rendering_by_hand(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert templating.render_string("hello.html", request, {"name": "x"}) == "hello x"
        return templating.render_template("hello.html", request, {"name": "é"}, encoding="latin-1", status=404)

    answer = await page(serve, handler)
    assert (answer.status, answer.body) == (404, "hello é".encode("latin-1"))


@pytest.mark.parity("L12")
async def test_an_asynchronous_environment(serve: Any) -> None:
    @templating.template("hello.html")
    async def handler(request: web.Request) -> dict[str, str]:
        text = await templating.render_string_async("hello.html", request, {"name": "x"})
        return {"name": text}

    assert (await page(serve, handler, enable_async=True)).text == "hello hello x"


@pytest.mark.parity("L12")
async def test_functions(serve: Any) -> None:
    @templating.template("url.html")
    async def handler(request: web.Request) -> dict[str, str]:
        return {}

    assert (await page(serve, handler)).text == "/items/5?a=b /items/x /static/site.css"


@pytest.mark.parity("L12")
async def test_filters(serve: Any) -> None:
    @templating.template("filter.html")
    async def handler(request: web.Request) -> dict[str, str]:
        return {}

    assert (await page(serve, handler, filters={"shout": str.upper})).text == "X"


@pytest.mark.parity("L12")
async def test_the_nonce(serve: Any) -> None:
    @templating.template("nonce.html")
    async def handler(request: web.Request) -> dict[str, str]:
        return {}

    answer = await page(serve, handler, middlewares=[security_headers()])
    nonce = answer.text.split("'")[1]
    assert answer.text == f"<script nonce='{nonce}'></script>{nonce}"
    assert f"'nonce-{nonce}'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parity("L12")
async def test_context_processors_that_are_wired_by_hand(serve: Any) -> None:
    async def waited(request: web.Request) -> dict[str, str]:
        return {"path": request.path}

    @templating.template("page.html")
    async def handler(request: web.Request) -> dict[str, str]:
        return {}

    app = web.Application(middlewares=[templating.context_processors_middleware])
    templating.setup(app, loader=jinja2.DictLoader({"page.html": "{{ path }} {{ request.method }}"}))
    app[templating.APP_CONTEXT_PROCESSORS_KEY] = (templating.request_processor, waited)
    app.router.add_get("/here", handler)
    assert (await (await serve(app)).get("/here")).text == "/here GET"


@pytest.mark.parity("L12")
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_context_processors(serve: Any, asynchronous: bool) -> None:
    def plain(request: web.Request) -> dict[str, str]:
        return {"plain": "p", "name": "processed"}

    async def waited(request: web.Request) -> dict[str, str]:
        return {"waited": request.path}

    @templating.template("processed.html")
    async def handler(request: web.Request) -> dict[str, str]:
        return {"name": "own"}

    processors: list[Any] = [plain, templating.request_processor]
    if asynchronous:
        processors.append(waited)
    answer = await page(serve, handler, context_processors=processors)
    assert answer.text == ("p / own" if asynchronous else "p  own")


@pytest.mark.parity("L12")
async def test_a_sub_application_uses_the_templates_around_it(serve: Any) -> None:
    @templating.template("hello.html")
    async def handler(request: web.Request) -> dict[str, str]:
        return {"name": "sub"}

    app, sub = web.Application(), web.Application()
    set_up(app)
    sub.router.add_get("/", handler)
    app.add_subapp("/sub", sub)
    assert (await (await serve(app)).get("/sub/")).text == "hello sub"


@pytest.mark.parity("L12")
async def test_mistakes(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        templating.render_template("none.html", request, {})
        raise AssertionError

    answer = await page(serve, handler)
    assert (answer.status, answer.text) == (500, "Template 'none.html' not found")

    async def wrong(request: web.Request) -> web.Response:
        return templating.render_template("hello.html", request, [])  # type: ignore[arg-type]

    assert (await page(serve, wrong)).status == 500
    assert "mapping" in caplog.text

    @templating.template("hello.html")
    async def fine(request: web.Request) -> dict[str, str]:
        return {}

    caplog.clear()
    assert (await page(serve, fine, context_processors=[lambda request: 5])).status == 500
    assert "context processor" in caplog.text
    app = web.Application()
    with pytest.raises(RuntimeError, match="set up"):
        templating.get_env(app)
    environment = set_up(app, default_helpers=False)
    assert templating.get_env(app) is environment
    assert "url" not in environment.globals

    async def unprepared(request: web.Request) -> web.Response:
        return templating.render_template("hello.html", request, {})

    caplog.clear()
    assert (await (await serve(unprepared)).get("/")).status == 500
    assert "templates are not set up" in caplog.text


@pytest.mark.parity("L12")
async def test_static_needs_an_address(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    @templating.template("url.html")
    async def handler(request: web.Request) -> dict[str, str]:
        return {}

    app = web.Application()
    set_up(app)
    app.router.add_get("/{id}", handler, name="item")
    assert (await (await serve(app)).get("/x")).status == 500
    assert "static_root_key" in caplog.text


@pytest.mark.parity("L12")
async def test_nested_applications(serve: Any) -> None:
    """The sub-application has its own environment and processors, and sees those around it."""

    class Waiting:
        async def __call__(self, request: web.Request, *, name: str = "waited") -> dict[str, str]:
            return {name: "w"}

    def inner_plain(request: web.Request) -> dict[str, str]:
        return {"name": "inner"}

    @templating.template("page.html")
    async def handler(request: web.Request) -> dict[str, str]:
        return {}

    text = (
        "{{ url('item', id=5) }} {{ url('own') }} {{ static('a.css') }} {{ plain }} {{ waited }} {{ more }} {{ name }}"
    )
    app, sub = web.Application(), web.Application()
    set_up(app, context_processors=[lambda request: {"plain": "p", "name": "outer"}, Waiting()])
    more = functools.partial(Waiting(), name="more")
    templating.setup(sub, loader=jinja2.DictLoader({"page.html": text}), context_processors=[inner_plain, more])
    app[templating.static_root_key] = "/static"
    app.router.add_get("/items/{id}", handler, name="item")
    sub.router.add_get("/", handler, name="own")
    app.add_subapp("/sub", sub)
    answer = await (await serve(app)).get("/sub/")
    assert answer.text == "/items/5 /sub/ /static/a.css p w w inner"


@pytest.mark.parity("L12")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("url('item', id=none)", "got id=None"),
        ("url('item', id=true)", "got id=True"),
        ("url('item', id=1.5)", "got id=1.5"),
        ("url('nothing')", "no route is named 'nothing'"),
    ],
)
async def test_urls_that_cannot_be(serve: Any, caplog: pytest.LogCaptureFixture, call: str, message: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return templating.render_template("page.html", request, {})

    app = web.Application()
    templating.setup(app, loader=jinja2.DictLoader({"page.html": f"{{{{ {call} }}}}"}))
    app.router.add_get("/{id}", handler, name="item")
    assert (await (await serve(app)).get("/x")).status == 500
    assert message in caplog.text


@pytest.mark.parity("L12")
async def test_two_environments_of_one_application(serve: Any) -> None:
    key: web.AppKey[jinja2.Environment] = web.AppKey("texts")

    @templating.template("mail.txt", app_key=key)
    async def handler(request: web.Request) -> dict[str, str]:
        return {"name": "<b>"}

    app = web.Application()
    set_up(app)
    loader = jinja2.DictLoader({"mail.txt": "dear {{ name }}"})
    environment = templating.setup(app, app_key=key, loader=loader, autoescape=False)
    assert templating.get_env(app, app_key=key) is environment
    app.router.add_get("/", handler)
    assert (await (await serve(app)).get("/")).text == "dear <b>"


@pytest.mark.parity("L12")
async def test_no_context_and_methods_of_other_classes(serve: Any) -> None:
    class Pages:
        @templating.template("hello.html", encoding="utf-16")
        async def show(self, request: web.Request) -> None:
            return None

    answer = await page(serve, Pages().show)
    assert (answer.body.decode("utf-16"), answer.headers["Content-Type"]) == ("hello ", "text/html; charset=utf-16")
