"""The examples of the guides about proxies and credentials: they run as they stand there."""

import re
import socket
from pathlib import Path
from typing import Any

import pytest

from levante.client import BasicAuth
from levante.client.environment import _VARIABLES

GUIDES = Path(__file__).parents[3] / "docs" / "how-to"
BASIC = BasicAuth("ann", "secret").encode()


def examples(guide: str) -> dict[str, Any]:
    """The names that the programs of a guide leave, one after another."""
    names: dict[str, Any] = {"__name__": "guide"}
    for text in re.findall(r"```python\n(.*?)```", (GUIDES / guide).read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(text, guide, "exec"), names)  # our own pages
    return names


@pytest.mark.parity("C18", "C19", "U7", "U8")
async def test_go_through_a_proxy(serve, relay, server_tls, client_tls, tmp_path: Path, monkeypatch) -> None:
    guide = examples("go-through-a-proxy.md")
    http, socks = await serve(talk=relay.http), await serve(talk=relay.socks5)
    server, secure = await serve(), await serve(tls=server_tls)
    assert await guide["fetch"]("http://levante.test/", http.url) == "ok"
    assert relay.asked[0].value("Proxy-Authorization") == BASIC
    partner = await serve(talk=(other := type(relay)()).http)
    async with guide["session_of_a_branch"](f"socks5h://127.0.0.1:{socks.port}", partner.url) as session:
        async with session.get(server.url) as answer:
            assert answer.status == 200
        with pytest.raises(OSError, match=r"api\.partner\.example|TLS|SSL|hung"):
            await session.get("https://api.partner.example:1/")
    assert (relay.hosts, [seen.target for seen in other.asked]) == (["127.0.0.1"], ["api.partner.example:1"])
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", http.url)
    assert await guide["as_the_environment_says"]("http://elsewhere.test/") == 200
    assert relay.asked[-1].target == "http://elsewhere.test/"
    tls = await serve(talk=relay.http, tls=server_tls)
    assert await guide["by_the_company"](secure.url, tls.url, client_tls) == 200
    guide["folder"] = str(tmp_path)
    if hasattr(socket, "AF_UNIX"):
        await serve(path=f"{tmp_path}/levante.test-80.sock")
        async with guide["session_by_unix_sockets"]() as session, session.get("http://levante.test/") as answer:
            assert await answer.text() == "ok"


@pytest.mark.parity("C19", "C24", "C25")
async def test_say_who_you_are(serve, response, tmp_path: Path, monkeypatch) -> None:
    guide = examples("say-who-you-are.md")
    server = await serve()
    await guide["fetch"](server.url)
    assert server.last.value("Authorization") == BASIC
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("no_proxy", "*")
    await guide["fetch_as_netrc_says"](server.url)
    assert server.last.value("Authorization") == BASIC
    challenge = response(b"", 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"', status="401 No")
    meter = await serve(lambda seen: response(b"42") if seen.value("Authorization") else challenge)
    assert await guide["read_meter"](meter.url) == "42"
    assert "nc=00000001" in meter.last.value("Authorization")
