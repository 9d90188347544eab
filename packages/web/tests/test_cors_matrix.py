"""Who may read what of a site with somebody's cookies: nobody, unless a policy says so, and never whoever asks."""

import itertools
import re
from typing import Any

import pytest

from levante import web
from levante.web.middlewares import Cors, CorsPolicy

pytestmark = pytest.mark.hardening("S22")

SHOP, SUBDOMAIN = "https://shop.example", "https://a.shop.example"
STRANGERS = [
    "https://evil.example",
    "http://shop.example",
    "https://shop.example.evil.example",
    "https://shop.example:8443",
    "https://evilshop.example",
    "https://a.shop.example.evil.example",
    "null",
    "https://shop.example/",
    "HTTPS://shop.example",
    "*",
]
METHODS = ("GET", "POST", "OPTIONS")


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


def application(*middlewares: Any) -> web.Application:
    app = web.Application(middlewares=middlewares)
    app.router.add_route("*", "/any", hello)
    app.router.add_get("/", hello)
    app.router.add_post("/", hello)
    return app


async def told(served: Any, method: str, path: str, origin: str) -> dict[str, str]:
    """What a browser is told about who may read the answer."""
    headers = [("Origin", origin), ("Cookie", "session=1")]
    if method == "OPTIONS":
        headers += [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "content-type")]
    peer = await served.connect()
    answer = await peer.request(method, path, headers)
    await peer.close()
    return {
        name.lower().removeprefix("access-control-"): value
        for name, value in answer.headers.items()
        if name.lower().startswith("access-control-")
    }


async def test_nobody_is_let_in_by_default(serve: Any) -> None:
    for app in (application(), application(Cors(None))):
        served = await serve(app)
        for method, path, origin in itertools.product(METHODS, ("/", "/any", "/none"), [SHOP, *STRANGERS]):
            assert await told(served, method, path, origin) == {}, (method, path, origin)


POLICIES: dict[str, tuple[CorsPolicy, list[str]]] = {
    "named": (CorsPolicy([SHOP]), [SHOP]),
    "named, with credentials": (CorsPolicy([SHOP], headers=["content-type"], credentials=True), [SHOP]),
    "a pattern, with credentials": (
        CorsPolicy([re.compile(r"https://[a-z]+\.shop\.example")], headers="*", credentials=True),
        [SUBDOMAIN],
    ),
}


@pytest.mark.parametrize("name", POLICIES)
async def test_an_origin_is_repeated_to_those_who_are_named_only(serve: Any, name: str) -> None:
    policy, named = POLICIES[name]
    served = await serve(application(Cors(policy)))
    for method, origin in itertools.product(METHODS, [SHOP, SUBDOMAIN, *STRANGERS]):
        found = await told(served, method, "/", origin)
        if origin in named and (method != "OPTIONS" or policy.headers):
            assert found["allow-origin"] == origin
            assert ("allow-credentials" in found) is policy.credentials
        else:
            assert "allow-origin" not in found, (method, origin)
            assert "allow-credentials" not in found, (method, origin)


async def test_anybody_is_told_so_without_credentials(serve: Any) -> None:
    served = await serve(application(Cors(CorsPolicy("*", headers="*"))))
    for method, origin in itertools.product(METHODS, [SHOP, *STRANGERS]):
        found = await told(served, method, "/", origin)
        assert found["allow-origin"] == "*", (method, origin)
        assert "allow-credentials" not in found


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        ["*"],
        ["null"],
        [SHOP, "*"],
        [re.compile(".*")],
        [SHOP, re.compile(".+")],
        [re.compile("https?://.*")],
        [re.compile(r"(https://shop\.example|null)")],
        [re.compile(r"https://[a-z.]+(:\d+)?")],
    ],
)
def test_credentials_for_anybody_are_refused(origins: Any) -> None:
    with pytest.raises(ValueError, match="credentials are for origins that are named"):
        CorsPolicy(origins, credentials=True)
    CorsPolicy(origins)
