import importlib
import subprocess
import sys

import pytest

from levante import web

# What users of aiohttp import from `web`, as far as it is here by now.
FAMILIAR = [
    "AbstractRoute",
    "AppKey",
    "AppRunner",
    "Application",
    "BaseRequest",
    "BaseRunner",
    "BaseSite",
    "CleanupError",
    "ContentCoding",
    "FileField",
    "FileResponse",
    "GracefulExit",
    "NotAppKeyWarning",
    "Request",
    "RequestKey",
    "RequestPayloadError",
    "Resource",
    "ResourceRoute",
    "Response",
    "ResponseKey",
    "RouteDef",
    "RouteTableDef",
    "Server",
    "ServerRunner",
    "SockSite",
    "StaticDef",
    "StaticResource",
    "StreamResponse",
    "TCPSite",
    "UnixSite",
    "UrlDispatcher",
    "UrlMappingMatchInfo",
    "View",
    "WSCloseCode",
    "WSMsgType",
    "WebSocketReady",
    "WebSocketResponse",
    "delete",
    "get",
    "head",
    "json_response",
    "middleware",
    "normalize_path_middleware",
    "options",
    "patch",
    "post",
    "put",
    "route",
    "run_app",
    "static",
    "view",
    "HTTPException",
    "HTTPFound",
    "HTTPNotFound",
]


@pytest.mark.parity("S9")
def test_the_public_names() -> None:
    assert set(FAMILIAR) <= set(web.__all__)
    assert len(set(web.__all__)) == len(web.__all__)
    for name in web.__all__:
        assert getattr(web, name) is not None
    public = {name for name in vars(web) if not name.startswith("_")}
    modules = {name for name in public if type(getattr(web, name)).__name__ == "module"}
    assert public - modules == set(web.__all__)


def test_no_function_is_hidden_by_a_module() -> None:
    for module in ("static_files", "templating", "schema", "health", "problems", "middlewares"):
        importlib.import_module(f"levante.web.{module}")
    for name in ("static", "view", "route", "get", "post", "middleware"):
        assert callable(getattr(web, name))


def test_extras_are_imported_by_those_who_use_them() -> None:
    code = (
        "import sys, levante.web;"
        "print([name for name in ('jinja2', 'marshmallow', 'uvloop', 'levante.client') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
