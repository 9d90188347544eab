"""Trusted proxies: headers that are believed, and those that are not."""

import asyncio
import logging
import pickle
import socket
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from levante import web
from levante.http.forwarded import Client

pytestmark = pytest.mark.parity("U16", "L20")

LOOPBACK = ["127.0.0.0/8"]


async def whoami(request: web.Request) -> web.Response:
    return web.json_response([request.remote, request.scheme, request.host, str(request.url), request.secure])


async def seen(serve: Any, *headers: tuple[str, str], **options: Any) -> Any:
    answer = await (await serve(whoami, **options)).request("GET", "/p?q=1", headers)
    assert answer.status == 200
    return answer.text


X = ("X-Forwarded-For", "192.0.2.7")
HTTPS = ("X-Forwarded-Proto", "https")
HOST = ("X-Forwarded-Host", "shop.example")


async def test_all_of_it(serve: Any) -> None:
    assert await seen(serve, X, HTTPS, HOST, trusted_proxies=LOOPBACK) == (
        '["192.0.2.7", "https", "shop.example", "https://shop.example/p?q=1", true]'
    )


@pytest.mark.hardening("S20")
@pytest.mark.parametrize("options", [{}, {"trusted_proxies": ["10.0.0.0/8"]}, {"trusted_proxies": ["unix", "::1"]}])
async def test_nobody_else_is_believed(serve: Any, options: Any) -> None:
    forwarded = ("Forwarded", "for=192.0.2.7;proto=https;host=shop.example")
    assert await seen(serve, X, HTTPS, HOST, forwarded, **options) == (
        '["127.0.0.1", "http", "localhost", "http://localhost/p?q=1", false]'
    )


def client(headers: list[tuple[str, str]], *networks: str, peer: str | None = "10.0.0.1", **options: Any) -> Client:
    trusted = web.TrustedProxies(networks, **options)
    return trusted.client(peer, CIMultiDictProxy(CIMultiDict(headers)))


@pytest.mark.parametrize(
    ("value", "remote"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7, 10.0.0.2, 10.9.9.9", "192.0.2.7"),
        ("10.0.0.5, 10.0.0.2", "10.0.0.5"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("192.0.2.7:80", "192.0.2.7"),
        ("nonsense", "10.0.0.1"),
        ("6.6.6.6, <script>, 10.0.0.2", "10.0.0.2"),
        ("", "10.0.0.1"),
    ],
)
def test_the_nearest_that_is_no_proxy(value: str, remote: str) -> None:
    assert client([("X-Forwarded-For", value)], "10.0.0.0/8").remote == remote


def test_several_lines_are_one_list() -> None:
    headers = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "192.0.2.7, 10.0.0.3")]
    assert client(headers, "10.0.0.0/8").remote == "192.0.2.7"


def test_only_the_header_that_was_named_is_read() -> None:
    headers = [
        ("Forwarded", "for=1.1.1.1;proto=https;host=a.example"),
        ("X-Forwarded-For", "2.2.2.2"),
        ("CF-Connecting-IP", "3.3.3.3"),
        ("X-Forwarded-Proto", "https"),
    ]
    by_x = client(headers, "10.0.0.1")
    assert (by_x.remote, by_x.scheme, by_x.host) == ("2.2.2.2", "https", None)
    by_standard = client(headers, "10.0.0.1", header="forwarded")
    assert (by_standard.remote, by_standard.scheme, by_standard.host) == ("1.1.1.1", "https", "a.example")
    by_cloud = client(headers, "10.0.0.1", header="CF-Connecting-IP")
    assert (by_cloud.remote, by_cloud.scheme, by_cloud.host) == ("3.3.3.3", "https", None)
    sent_by_client = [("CF-Connecting-IP", "6.6.6.6"), ("CF-Connecting-IP", "3.3.3.3")]
    assert client(sent_by_client, "10.0.0.1", header="CF-Connecting-IP").remote == "3.3.3.3"
    assert client([("CF-Connecting-IP", "x, 3.3.3.3")], "10.0.0.1", header="CF-Connecting-IP").remote == "10.0.0.1"


def test_hops_instead_of_addresses() -> None:
    headers = [("X-Forwarded-For", "6.6.6.6, 192.0.2.7, 203.0.113.9"), ("X-Forwarded-Proto", "http, https, http")]
    for hops, remote, scheme in ((1, "203.0.113.9", "http"), (2, "192.0.2.7", "https"), (3, "6.6.6.6", "http")):
        found = client(headers, hops=hops, peer="198.51.100.1")
        assert (found.remote, found.scheme) == (remote, scheme)
    assert client(headers, hops=9, peer="198.51.100.1").remote == "6.6.6.6"
    assert client([], hops=2, peer="198.51.100.1").remote == "198.51.100.1"
    assert client(headers, hops=1, peer=None).remote == "203.0.113.9"


@pytest.mark.parametrize(
    ("headers", "host", "url"),
    [
        ([("X-Forwarded-Port", "8443"), HTTPS, HOST], "shop.example:8443", "https://shop.example:8443/p?q=1"),
        ([("X-Forwarded-Port", "443"), HTTPS, HOST], "shop.example", "https://shop.example/p?q=1"),
        ([("X-Forwarded-Port", "8443"), HTTPS], "localhost:8443", "https://localhost:8443/p?q=1"),
        ([("X-Forwarded-Port", "99999"), HOST], "shop.example", "http://shop.example/p?q=1"),
        (
            [("X-Forwarded-Port", "1"), ("X-Forwarded-Host", "shop.example:2")],
            "shop.example:2",
            "http://shop.example:2/p?q=1",
        ),
        ([("X-Forwarded-Host", "evil.example/x")], "localhost", "http://localhost/p?q=1"),
        ([("X-Forwarded-Proto", "javascript")], "localhost", "http://localhost/p?q=1"),
        ([("X-Forwarded-Proto", "wss")], "localhost", "https://localhost/p?q=1"),
    ],
)
async def test_host_and_port(serve: Any, headers: Any, host: str, url: str) -> None:
    text = await seen(serve, X, *headers, trusted_proxies=LOOPBACK)
    assert f'"{host}", "{url}"' in text


async def test_everybody_sees_the_same(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The router of domains, middlewares, a clone, and the access log."""
    found: list[str | None] = []

    async def look(request: web.Request, handler: web.Handler) -> web.StreamResponse:
        found.append(request.remote)
        copy = request.clone(headers={**request.headers, "X-Other": "1"})
        found.append(copy.host)
        return await handler(copy)

    app, shop = web.Application(middlewares=[look]), web.Application()
    shop.router.add_get("/", whoami)
    app.add_domain("shop.example", shop)
    with caplog.at_level(logging.INFO, logger="levante.access"):
        answer = await (await serve(app, trusted_proxies=LOOPBACK)).request("GET", "/", [X, HTTPS, HOST])
    assert answer.status == 200
    assert "https://shop.example/" in answer.text
    assert found == ["192.0.2.7", "shop.example"]
    assert "192.0.2.7" in caplog.text


async def test_a_clone_with_another_host(make_request: Any) -> None:
    request = make_request(headers=[("Host", "a")])
    web.TrustedProxies(LOOPBACK).apply(request)
    assert request.clone(headers={"Host": "b"}).host == "b"


async def test_a_peer_on_a_unix_socket(serve: Any, make_request: Any, tmp_path: Any) -> None:
    served = await serve(whoami, trusted_proxies=["unix"])
    path = tmp_path / "s"
    await web.UnixSite(served.runner, path).start()
    for bound in (None, tmp_path / "peer"):
        sock = socket.socket(socket.AF_UNIX)
        if bound is not None:
            sock.bind(str(bound))
        sock.connect(str(path))
        sock.setblocking(False)
        peer = served.peer(*await asyncio.open_unix_connection(sock=sock))
        assert "192.0.2.7" in (await peer.request("GET", "/", [X])).text
        await peer.close()


async def test_requests_that_cannot_be_read(serve: Any) -> None:
    served = await serve(whoami, trusted_proxies=LOOPBACK)
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nX-Forwarded-For: 192.0.2.7\r\nbad header\r\n\r\n")
    assert (await peer.answer()).status == 400


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, "say which proxies"),
        ({"networks": ["::1"], "hops": 1}, "say which proxies"),
        ({"hops": 0}, "at least 1"),
        ({"networks": ["10.0.0.1/8"]}, "host bits"),
        ({"networks": ["proxy.example"]}, "proxy.example"),
    ],
)
def test_what_cannot_be(options: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        web.TrustedProxies(**options)


def test_one_network_in_the_place_of_several() -> None:
    with pytest.raises(TypeError, match=r"such as \['10.0.0.0/8'\]"):
        web.Server(whoami, trusted_proxies="10.0.0.0/8")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="several networks"):
        web.Server(whoami, proxy_protocol="10.0.0.0/8")  # type: ignore[arg-type]


def test_workers_are_handed_them() -> None:
    """By pickle: a worker process is told what `run_app` was told."""
    trusted = pickle.loads(pickle.dumps(web.TrustedProxies(["10.0.0.0/8", "unix"], header="Forwarded")))
    headers = CIMultiDictProxy(CIMultiDict([("Forwarded", "for=192.0.2.7")]))
    assert trusted.client("10.0.0.1", headers).remote == "192.0.2.7"
    assert trusted.client("192.0.2.1", headers).remote == "192.0.2.1"
