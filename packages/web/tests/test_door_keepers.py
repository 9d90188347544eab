"""The middlewares that decide who comes in: by host, by address, by HTTPS, by name and password."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from levante import web
from levante.web.middlewares import BASIC_USER, allowed_addresses, allowed_hosts, basic_auth, https_redirect

pytestmark = pytest.mark.parity("L20")


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=request.get(BASIC_USER, "hello"))


async def serving(serve: Any, middleware: Any, **options: Any) -> Any:
    app = web.Application(middlewares=[middleware])
    for path in ("/", "/healthz", "/{name}"):
        app.router.add_route("*", path, hello)
    return await serve(app, **options)


async def ask(served: Any, host: str, *, target: str = "/", method: str = "GET", more: str = "") -> Any:
    peer = await served.connect()
    await peer.send(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode())
    return await peer.answer(method=method)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("shop.example", 200),
        ("SHOP.example:8080", 200),
        ("shop.example.", 200),
        ("a.b.api.example", 200),
        ("api.example", 400),
        ("notapi.example", 400),
        ("shop.example.evil.example", 400),
        ("evil.example", 400),
        ("[::1]:80", 200),
        ("", 400),
    ],
)
async def test_hosts(serve: Any, host: str, status: int) -> None:
    served = await serving(serve, allowed_hosts(["Shop.example", "*.api.example", "[::1]"], exempt=["/healthz"]))
    assert (await ask(served, host)).status == status
    if host:
        assert (await ask(served, host, target="/healthz")).status == 200


async def test_the_host_of_a_trusted_proxy(serve: Any) -> None:
    served = await serving(serve, allowed_hosts(["shop.example"]), trusted_proxies=["127.0.0.1"])
    assert (await ask(served, "inside", more="X-Forwarded-Host: shop.example\r\n")).status == 200
    assert (await ask(served, "shop.example", more="X-Forwarded-Host: evil.example\r\n")).status == 400


@pytest.mark.parametrize("host", ["", "*", "https://shop.example", "shop.example:80", "a.*.example", "*.", "a b"])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(ValueError, match="host"):
        allowed_hosts([host])


async def test_addresses(serve: Any) -> None:
    middleware = allowed_addresses(["192.0.2.0/24", "2001:db8::/32"], exempt=["/healthz"])
    served = await serving(serve, middleware, trusted_proxies=["127.0.0.1"])
    for address, status in (("192.0.2.7", 200), ("2001:db8::7", 200), ("198.51.100.1", 403), ("unknown", 403)):
        assert (await ask(served, "a", more=f"X-Forwarded-For: {address}\r\n")).status == status
    assert (await ask(served, "a")).status == 403
    assert (await ask(served, "a", target="/healthz")).status == 200
    direct = await serving(serve, allowed_addresses(["192.0.2.0/24"]))
    assert (await ask(direct, "a", more="X-Forwarded-For: 192.0.2.7\r\n")).status == 403


async def test_what_is_exempt_is_what_is_routed(serve: Any) -> None:
    served = await serving(serve, allowed_addresses(["192.0.2.0/24"], exempt=["/healthz", "/a/b"]))
    assert (await ask(served, "a", target="/%68ealthz")).status == 200
    assert (await ask(served, "a", target="/healthz/")).status == 403
    assert (await ask(served, "a", target="/a%2Fb")).status == 403  # that is /{name}


async def test_https(serve: Any) -> None:
    served = await serving(serve, https_redirect(exempt=["/healthz"]), trusted_proxies=["127.0.0.1"])
    answer = await ask(served, "shop.example:8080", target="/x?y=%2F&z=1")
    assert (answer.status, answer.headers["Location"]) == (308, "https://shop.example/x?y=%2F&z=1")
    assert (await ask(served, "shop.example", method="HEAD")).status == 308
    assert (await ask(served, "shop.example", method="POST", more="Content-Length: 0\r\n")).status == 403
    assert (await ask(served, "shop.example", target="/healthz")).status == 200
    assert (await ask(served, "shop.example", more="X-Forwarded-Proto: https\r\n")).status == 200
    assert (await ask(served, "a b")).status == 400


async def test_https_without_a_host(serve: Any, tmp_path: Path) -> None:
    served = await serving(serve, https_redirect())
    await web.UnixSite(served.runner, tmp_path / "s").start()
    peer = served.peer(*await asyncio.open_unix_connection(str(tmp_path / "s")))
    await peer.send(b"GET / HTTP/1.0\r\n\r\n")
    assert (await peer.answer()).status == 400


@pytest.mark.parametrize(
    ("options", "host", "target", "location"),
    [
        ({"port": 8443}, "shop.example", "/a", "https://shop.example:8443/a"),
        ({"host": "www.example"}, "evil.example", "/a", "https://www.example/a"),
        ({}, "[::1]:80", "/a", "https://[::1]/a"),
        ({}, "shop.example", "//evil.example/a", "https://shop.example//evil.example/a"),
    ],
)
async def test_where_https_is(serve: Any, options: Any, host: str, target: str, location: str) -> None:
    app = web.Application(middlewares=[https_redirect(**options)])
    answer = await ask(await serve(app), host, target=target)
    assert (answer.status, answer.headers["Location"]) == (308, location)


def credentials(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    return f"Authorization: Basic {base64.b64encode(data).decode()}\r\n"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (credentials("ann:secret"), 200),
        (credentials("ann:secret").replace("Basic", "bAsIc"), 200),
        (credentials("bob:pass:w\u00f6rd"), 200),
        (credentials("ann:Secret"), 401),
        (credentials("ann:"), 401),
        (credentials("eve:"), 401),
        (credentials(":"), 401),
        (credentials("ann"), 401),
        (credentials("eve:secret"), 401),
        (credentials(b"ann:\xff"), 401),
        ("Authorization: Basic !!!\r\n", 401),
        ("Authorization: Bearer x\r\n", 401),
        ("Authorization: Basic\r\n", 401),
        ("", 401),
    ],
)
async def test_names_and_passwords(serve: Any, header: str, status: int) -> None:
    users = {"ann": "secret", "bob": "pass:w\u00f6rd"}
    served = await serving(serve, basic_auth(users, realm="staging", exempt=["/healthz"]))
    answer = await ask(served, "a", more=header)
    assert answer.status == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="staging", charset="UTF-8"'
    else:
        assert answer.text in users
    assert (await ask(served, "a", target="/healthz", more=header)).status == 200


async def test_a_function_of_ones_own(serve: Any) -> None:
    async def verify(name: str, password: str) -> bool:
        return name == password

    served = await serving(serve, basic_auth(verify))
    assert (await ask(served, "a", more=credentials("x:x"))).text == "x"
    assert (await ask(served, "a", more=credentials("x:y"))).status == 401

    def careless(name: str, password: str) -> Any:
        return "yes"

    served = await serving(serve, basic_auth(careless))
    assert (await ask(served, "a", more=credentials("x:x"))).status == 401


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "a\nb"])
def test_what_is_no_realm(realm: str) -> None:
    with pytest.raises(ValueError, match="realm"):
        basic_auth({}, realm=realm)


def test_one_in_the_place_of_several() -> None:
    for make in (
        lambda: allowed_hosts("shop.example"),
        lambda: allowed_addresses("10.0.0.0/8"),
        lambda: basic_auth({}, exempt="/healthz"),
    ):
        with pytest.raises(TypeError, match="such as"):
            make()
    with pytest.raises(ValueError, match="host bits"):
        allowed_addresses(["10.0.0.1/8"])
