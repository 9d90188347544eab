"""Jinja2 templates, by the API that users of aiohttp-jinja2 know. Autoescaping is on. A template sees `request`,
`app`, `csp_nonce` (made when it is shown), the functions `url` and `static`, and what context processors add. jinja2
is an extra: `pip install levante-web[jinja2]`.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import jinja2
from yarl import URL

from .abc import AbstractView
from .app import Application
from .exceptions import HTTPInternalServerError
from .keys import AppKey, RequestKey
from .middlewares.security_headers import LazyNonce
from .request import Request
from .response import Response
from .stream_response import StreamResponse

if TYPE_CHECKING:
    from .types import Handler

Context: TypeAlias = Mapping[str, Any]
"""What a template is rendered with. Any: templates take every type."""

ContextProcessor: TypeAlias = Callable[[Request], Context | Awaitable[Context]]
"""Adds to the context of every template; a plain or a coroutine function."""

Filters: TypeAlias = Mapping[str, Callable[..., Any]] | Iterable[tuple[str, Callable[..., Any]]]

APP_KEY: AppKey[jinja2.Environment] = AppKey("jinja2_environment", jinja2.Environment)
APP_CONTEXT_PROCESSORS_KEY: AppKey[tuple[ContextProcessor, ...]] = AppKey("jinja2_context_processors")
static_root_key: AppKey[str] = AppKey("static_root_url", str)
"""`app[static_root_key] = "/static"` tells the template function `static` where files are served."""

_PROCESSED: RequestKey[dict[str, Any]] = RequestKey("jinja2_context")

F = TypeVar("F", bound=Callable[..., Any])


def setup(
    app: Application,
    *args: Any,  # Any: positional arguments of jinja2.Environment
    app_key: AppKey[jinja2.Environment] = APP_KEY,
    context_processors: Iterable[ContextProcessor] = (),
    filters: Filters | None = None,
    default_helpers: bool = True,
    **kwargs: Any,  # Any: keyword arguments of jinja2.Environment
) -> jinja2.Environment:
    """Make the environment of an application; `loader=jinja2.FileSystemLoader(...)` and the like go to
    `jinja2.Environment`.

    `context_processors` run once for each request that renders; coroutine functions among them run before the
    handler, since `render_template` does not wait.
    """
    kwargs.setdefault("autoescape", True)
    environment = jinja2.Environment(*args, **kwargs)  # noqa: S701  # on by default, two lines above
    if default_helpers:
        environment.globals["url"] = url_function
        environment.globals["static"] = static_function
    if filters is not None:
        environment.filters.update(filters)
    app[app_key] = environment
    processors = tuple(context_processors)
    if processors:
        app[APP_CONTEXT_PROCESSORS_KEY] = processors
        if any(_waits(processor) for processor in processors):
            app.middlewares.append(context_processors_middleware)
    return environment


def get_env(app: Application, *, app_key: AppKey[jinja2.Environment] = APP_KEY) -> jinja2.Environment:
    """The environment of an application. RuntimeError when `setup` was not called for it."""
    environment = app.get(app_key)
    if environment is None:
        raise RuntimeError("templates are not set up: call levante.web.templating.setup(app, loader=...) first")
    return environment


def render_string(
    template_name: str, request: Request, context: Context | None, *, app_key: AppKey[jinja2.Environment] = APP_KEY
) -> str:
    """The text of a template. HTTPInternalServerError when there is no such template, TypeError when the context is
    no mapping.
    """
    template, full = _prepare(template_name, request, context, app_key)
    return template.render(full)


async def render_string_async(
    template_name: str, request: Request, context: Context | None, *, app_key: AppKey[jinja2.Environment] = APP_KEY
) -> str:
    """`render_string` for an environment with `enable_async=True`."""
    template, full = _prepare(template_name, request, context, app_key)
    return await template.render_async(full)


def render_template(
    template_name: str,
    request: Request,
    context: Context | None,
    *,
    app_key: AppKey[jinja2.Environment] = APP_KEY,
    encoding: str = "utf-8",
    status: int = 200,
) -> Response:
    """A response with the text of a template, of type text/html."""
    text = render_string(template_name, request, context, app_key=app_key)
    return Response(text=text, status=status, content_type="text/html", charset=encoding)


async def render_template_async(
    template_name: str,
    request: Request,
    context: Context | None,
    *,
    app_key: AppKey[jinja2.Environment] = APP_KEY,
    encoding: str = "utf-8",
    status: int = 200,
) -> Response:
    """`render_template` for an environment with `enable_async=True`."""
    text = await render_string_async(template_name, request, context, app_key=app_key)
    return Response(text=text, status=status, content_type="text/html", charset=encoding)


def template(
    template_name: str,
    *,
    app_key: AppKey[jinja2.Environment] = APP_KEY,
    encoding: str = "utf-8",
    status: int = 200,
) -> Callable[[F], F]:
    """Decorate a handler, or a method of a View, that returns a context: the template is rendered with it. A response
    passes through.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        async def wrapped(*args: Any) -> StreamResponse:
            first = args[-1]
            request: Request = first.request if isinstance(first, AbstractView) else first
            context = await function(*args)
            if isinstance(context, StreamResponse):
                return context
            if _environment(request, app_key).is_async:
                return await render_template_async(
                    template_name, request, context, app_key=app_key, encoding=encoding, status=status
                )
            return render_template(template_name, request, context, app_key=app_key, encoding=encoding, status=status)

        return wrapped  # type: ignore[return-value]  # a handler of the same parameters

    return decorate


async def context_processors_middleware(request: Request, handler: "Handler") -> "StreamResponse":
    """Run the context processors that are coroutine functions; `setup` installs this where there are any."""
    processed = request.get(_PROCESSED)
    if processed is None:
        processed = request[_PROCESSED] = {}
    for processor in request.app.get(APP_CONTEXT_PROCESSORS_KEY) or ():
        if _waits(processor):
            processed.update(_checked(await processor(request), processor))  # type: ignore[misc]  # as _waits() says
    return await handler(request)


async def request_processor(request: Request) -> dict[str, Request]:
    """A context processor of aiohttp-jinja2; `request` is in every context anyway."""
    return {"request": request}


def _environment(request: Request, app_key: AppKey[jinja2.Environment]) -> jinja2.Environment:
    """That of the current application, else of the nearest one around it."""
    found = request.config_dict.get(app_key)
    return get_env(request.app, app_key=app_key) if found is None else found


def _prepare(
    template_name: str, request: Request, context: Context | None, app_key: AppKey[jinja2.Environment]
) -> tuple[jinja2.Template, dict[str, Any]]:
    environment = _environment(request, app_key)
    if context is not None and not isinstance(context, Mapping):
        raise TypeError(f"the context of a template is a mapping; got {context!r}")
    try:
        found = environment.get_template(template_name)
    except jinja2.TemplateNotFound as exc:
        raise HTTPInternalServerError(text=f"Template '{template_name}' not found") from exc
    full: dict[str, Any] = {"request": request, "app": request.app, "csp_nonce": LazyNonce(request)}
    full.update(_added(request))
    full.update(context or {})
    return found, full


def _added(request: Request) -> dict[str, Any]:
    """What the context processors give: those of the application, and before them those of the ones around it."""
    added: dict[str, Any] = {}
    for app in _apps(request):
        for processor in app.get(APP_CONTEXT_PROCESSORS_KEY) or ():
            if not _waits(processor):
                added.update(_checked(processor(request), processor))
    processed = request.get(_PROCESSED)
    if processed is not None:
        added.update(processed)
    return added


def _waits(processor: ContextProcessor) -> bool:
    function: object = processor
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004  # its type does not matter


def _checked(part: object, processor: ContextProcessor) -> Context:
    if not isinstance(part, Mapping):
        raise TypeError(f"a context processor gives a mapping; {processor!r} gave {part!r}")
    return part


def _apps(request: Request) -> tuple[Application, ...]:
    """The applications from the root down to the current one."""
    apps = request.match_info.apps
    return apps[: apps.index(request.app) + 1]


@jinja2.pass_context
def url_function(
    context: jinja2.runtime.Context, route_name: str, query_: Mapping[str, str] | None = None, **parts: str | int
) -> URL:
    """In templates: `{{ url("item", id=item.id, query_={"page": "2"}) }}`, the URL of a named route, of the current
    application or else of the nearest one around it that has the name. TypeError for a part that is no str or int,
    KeyError for an unknown name.
    """
    given: Mapping[str, object] = parts  # of templates, which nobody checks
    for name, value in given.items():
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise TypeError(f"a part of a URL is a str or an int; {route_name!r} got {name}={value!r}")
    apps: list[Application] = [context["app"], *reversed(_apps(context["request"])[:-1])]
    resource = next((app.router[route_name] for app in apps if route_name in app.router), None)
    if resource is None:
        raise KeyError(f"no route is named {route_name!r}")
    url = resource.url_for(**{name: str(value) for name, value in parts.items()})
    return url if query_ is None else url.with_query(query_)


@jinja2.pass_context
def static_function(context: jinja2.runtime.Context, static_file_path: str) -> str:
    """In templates: `{{ static("site.css") }}`, the URL of a file below `app[static_root_key]`: of the current
    application, or else of the nearest one around it.
    """
    root = context["request"].config_dict.get(static_root_key)
    if root is None:
        raise RuntimeError(
            'static files have no address yet: set app[levante.web.templating.static_root_key] = "/static"'
        )
    return f"{root.rstrip('/')}/{static_file_path.lstrip('/')}"
