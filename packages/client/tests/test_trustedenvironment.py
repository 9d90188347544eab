"""Sessions that trust the environment: proxies and netrc accounts, hop by hop."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from levante.client import BasicAuth, ClientSession
from levante.client.environment import _VARIABLES

AUTH = {
    "ann": BasicAuth("ann", "s").encode(),
    "default": BasicAuth("d", "e").encode(),
    "p": BasicAuth("p", "q").encode(),
}


@pytest.fixture
async def trusting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[ClientSession]:
    for name in (*_VARIABLES, "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password s\ndefault login d password e\n")
    async with ClientSession(trust_env=True) as it:
        yield it


@pytest.mark.parity("C19", "C1")
async def test_nothing_is_believed_unasked(serve, session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server = await serve()
    assert not session.trust_env
    async with session.get(server.url) as answer:
        assert answer.status == 200


@pytest.mark.parity("C19", "U8")
@pytest.mark.hardening("C54")
async def test_each_hop_has_the_proxy_of_its_url(serve, relay, response, trusting, monkeypatch) -> None:
    proxy, server = await serve(talk=relay.http), await serve()

    class Redirecting(type(relay)):
        async def http(self, reader, writer) -> None:
            from_us = await reader.readuntil(b"\r\n\r\n")
            self.hosts.append(from_us.decode())
            writer.write(response(b"", f"Location: {server.url}", status="302 Found"))

    moving = Redirecting()
    first = await serve(talk=moving.http)
    monkeypatch.setenv("http_proxy", f"http://p:q@127.0.0.1:{first.port}")
    monkeypatch.setenv("no_proxy", f"127.0.0.1:{server.port}")
    async with trusting.get("http://levante.test/") as answer:
        assert (answer.status, await answer.read()) == (200, b"ok")
        assert len(answer.history) == 1
    assert f"Proxy-Authorization: {AUTH['p']}" in moving.hosts[0]
    assert server.last.values("Proxy-Authorization") == []
    assert server.last.target == "/"
    monkeypatch.setenv("http_proxy", proxy.url)
    async with trusting.get("http://levante.test/") as answer:
        assert answer.status == 200
    assert relay.asked[0].values("Proxy-Authorization") == [AUTH["ann"]]


@pytest.mark.parity("C18", "V31")
@pytest.mark.hardening("C54", "C51")
async def test_a_field_for_the_proxy_does_not_go_to_another_origin(serve, relay, response) -> None:
    server = await serve()

    async def talk(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response(b"", f"Location: {server.url}", status="302 Found"))

    proxy = await serve(talk=talk)
    headers = [("Proxy-Authorization", "Basic one"), ("proxy-authorization", "Basic two")]
    async with (
        ClientSession(proxies={"all": proxy.url, "all://127.0.0.1": None}) as session,
        session.get("http://levante.test/", headers=headers) as answer,
    ):
        assert answer.status == 200
    assert server.last.values("Proxy-Authorization") == []


@pytest.mark.parity("C19")
async def test_a_variable_that_is_no_proxy(trusting, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", "ftp://p:1")
    with pytest.raises(ValueError, match="schemes"):
        await trusting.get("http://levante.test/")


@pytest.mark.parity("C19")
async def test_netrc_accounts(serve, trusting) -> None:
    server = await serve()

    async def sent(url: str, **options: object) -> list[str]:
        async with trusting.get(url, **options) as answer:
            assert answer.status == 200
        return server.last.values("Authorization")

    assert await sent(server.url) == [AUTH["ann"]]
    assert await sent(server.url.replace("127.0.0.1", "localhost")) == [AUTH["default"]]
    assert await sent(server.url, auth=BasicAuth("own")) == [BasicAuth("own").encode()]
    assert await sent(server.url, headers={"Authorization": "Bearer x"}) == ["Bearer x"]
    assert await sent(server.url.replace("http://", "http://u:v@")) == [BasicAuth("u", "v").encode()]


@pytest.mark.parity("C19", "C23")
@pytest.mark.hardening("C51")
async def test_accounts_are_looked_up_for_each_hop_and_the_default_one_does_not_stray(
    serve, response, trusting
) -> None:
    server = await serve()
    home = await serve(lambda seen: response(b"", f"Location: {seen.target[1:]}", status="302 Found"))
    async with trusting.get(home.url.replace("127.0.0.1", "localhost") + server.url) as answer:
        assert answer.status == 200
    assert home.last.values("Authorization") == [AUTH["default"]]
    assert server.last.values("Authorization") == [AUTH["ann"]]
    async with trusting.get(home.url + server.url.replace("127.0.0.1", "localhost")) as answer:
        assert answer.status == 200
    assert home.last.values("Authorization") == [AUTH["ann"]]
    assert server.last.values("Authorization") == []
