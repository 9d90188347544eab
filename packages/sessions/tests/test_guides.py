"""The programs of the how-to pages on sessions and logins, run as they stand there."""

import json
import re
import sys
import time
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from processes import free_port
from servers import running
from yarl import URL

from levante.client import ClientSession
from levante.sessions import generate_key, get_session
from levante.sessions.oidc import OAuth2Login
from levante.web import AppRunner, Response, TCPSite

ROOT = Path(__file__).parents[3]
GUIDES = ROOT / "docs" / "how-to"
SUPPORT = ROOT / "tests" / "support"
TOKEN_SECRET = "0123456789abcdef" * 4
FERNET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def page(name):
    """What the blocks of a page leave, run one after the other."""
    names = {"__name__": "guide"}
    for text in re.findall(r"```python\n(.*?)```", (GUIDES / name).read_text(), re.DOTALL):
        exec(compile(text, name, "exec"), names)  # our own pages
    return names


@pytest.fixture
def environment(monkeypatch, redis_url, memcached_address):
    monkeypatch.setenv("SECRET_KEYS", generate_key())
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("MEMCACHED", memcached_address)
    monkeypatch.setenv("OLD_SECRET_KEY", FERNET)
    monkeypatch.setenv("TOKEN_SECRET", TOKEN_SECRET)
    monkeypatch.setenv("OIDC_CLIENT_ID", "shop")
    monkeypatch.setenv("OIDC_CLIENT_SECRET", "s3cret:+ /")
    return monkeypatch


@pytest.fixture
async def visit(serve):
    """`await visit(app)` gives a Visitor of an application as a page makes it."""
    visitor_class = type(await serve({}))
    runners = []

    async def start(app, **options):
        runner = AppRunner(app, **options)
        runners.append(runner)
        await runner.setup()
        await TCPSite(runner, "127.0.0.1", 0).start()
        return visitor_class(runner.addresses[0][1])

    yield start
    for runner in runners:
        await runner.cleanup()


async def mine(visitor, cookies=None):
    """The sessions of whose cookies these are."""
    visitor.cookies = visitor.cookies if cookies is None else cookies
    return json.loads((await visitor.get("/mine")).text)


@pytest.mark.parity("L1", "L5", "L7")
@pytest.mark.parametrize("make", ["make_app", "make_app_on_redis", "make_app_on_memcached"])
async def test_visits_are_counted(environment, visit, make):
    visitor = await visit(page("keep-sessions.md")[make]())
    assert [(await visitor.get("/")).text for _ in range(3)] == ["visit 1", "visit 2", "visit 3"]


@pytest.mark.parity("V49", "L7")
async def test_sessions_are_listed_and_ended(environment, serve):
    names = page("keep-sessions.md")
    routes = {
        "/login": names["log_in"],
        "/logout": names["log_out"],
        "/mine": names["my_sessions"],
        "/end/{handle}": names["end_one"],
        "/password": names["change_password"],
    }
    visitor = await serve(routes, names["storage"])
    others = []
    for _ in range(3):
        visitor.cookies = {}
        await visitor.get("/login")
        others.append(visitor.cookies)
    found = await mine(visitor)
    assert len(found) == 3
    await visitor.get(f"/end/{found[0]['handle']}")
    alive = [cookies for cookies in others if await mine(visitor, cookies)]
    assert len(alive) == 2
    visitor.cookies = alive[0]
    await visitor.get("/password")
    kept = visitor.cookies
    assert await mine(visitor, alive[1]) == []
    assert len(await mine(visitor, kept)) == 1
    visitor.cookies = kept
    await visitor.get("/logout")
    assert await mine(visitor, kept) == []


@pytest.mark.parity("L5")
async def test_storages_of_the_page(environment, browser, clock):
    names = page("keep-sessions.md")
    for make in ("make_storage", "make_storage_that_reads_old_cookies"):
        storage = names[make]()
        visitor = browser(storage)
        await visitor.visit(n=1)
        assert (await visitor.load())["n"] == 1
        await storage.close()


@pytest.mark.hardening("S19")
async def test_the_websocket_of_the_page(environment, serve):
    names = page("keep-sessions.md")
    visitor = await serve({"/login": names["log_in"], "/listen": names["listen"]}, names["storage"])
    await visitor.get("/login")
    origin = f"http://127.0.0.1:{visitor.port}"
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    headers = {"Origin": origin, "Cookie": cookie}
    async with ClientSession() as client, client.ws_connect(f"{origin}/listen", headers=headers) as ws:
        assert await ws.receive_str() == "hello ann"
        await ws.send_str("x")
        assert await ws.receive_str() == "x"
    assert (await visitor.get("/listen")).status in (400, 426)
    visitor.cookies = {}
    assert (await visitor.get("/listen")).status == 401


@pytest.mark.parity("L14")
async def test_names_and_passwords(environment, visit):
    names = page("log-users-in.md")
    names["HASHES"] |= {name: await names["passwords"].hash(f"{name}'s password") for name in ("ann", "bob")}
    visitor = await visit(names["make_app"]())
    origin = {"Origin": f"http://127.0.0.1:{visitor.port}"}
    assert (await visitor.get("/items")).status == 401
    assert (await visitor.get("/items", Accept="text/html")).headers["Location"] == "/login?next=/items"
    form = {"name": "ann", "password": "wrong", "next": "/items"}
    assert (await visitor.post("/login", form=form, **origin)).status == 403
    form["password"] = "ann's password"
    answer = await visitor.post("/login", form=form, **origin)
    assert (answer.status, answer.headers["Location"]) == (303, "/items")
    assert (await visitor.get("/items")).text == "the items"
    assert (await visitor.post("/items", **origin)).text == "changed"
    await visitor.post("/logout", **origin)
    assert (await visitor.get("/items")).status == 401
    form = {"name": "bob", "password": "bob's password", "next": "//evil.test"}
    assert (await visitor.post("/login", form=form, **origin)).headers["Location"] == "/"
    assert (await visitor.get("/items")).status == 200
    assert (await visitor.post("/items", **origin)).status == 403
    form["password"] = "guess"
    assert [(await visitor.post("/login", form=form, **origin)).status for _ in range(6)] == [403] * 5 + [429]


@pytest.mark.parity("L14")
async def test_permissions_elsewhere(environment, visit):
    names = page("log-users-in.md")
    names["HASHES"]["ann"] = await names["passwords"].hash("a password")
    app = names["make_app"]()
    app.router.add_get("/report", names["report"])
    app.add_routes([names["admin"]])
    visitor = await visit(app)
    assert (await visitor.get("/report")).status == 401
    form = {"name": "ann", "password": "a password"}
    await visitor.post("/login", form=form, Origin=f"http://127.0.0.1:{visitor.port}")
    assert (await visitor.get("/report")).text == "ann, with the drafts"
    assert (await visitor.get("/admin/users")).status == 403


@pytest.mark.parity("L14")
async def test_bearer_tokens(environment, visit):
    visitor = await visit(page("log-users-in.md")["make_api"]())
    key = OctKey.import_key(TOKEN_SECRET.encode())
    claims = {"sub": "ann", "iss": "https://id.example.com", "exp": int(time.time()) + 60}
    for audience, status in (("orders", 200), ("billing", 401)):
        token = jwt.encode({"alg": "HS256"}, {**claims, "aud": audience}, key)
        assert (await visitor.get("/orders", Authorization=f"Bearer {token}")).status == status


@pytest.mark.parity("L14")
async def test_a_provider(environment, visit):
    port = free_port()
    command = [sys.executable, str(SUPPORT / "oidc_provider.py"), str(port)]
    with running(command, cwd=SUPPORT, port=port):
        environment.setenv("OIDC_ISSUER", f"http://127.0.0.1:{port}/good-guide")
        names = page("log-users-in.md")
        visitor = await visit(names["make_shop"]())
        async with ClientSession() as client:
            for hint, target in (("", "/items"), ("&login_hint=error:access_denied", "/")):
                location = (await visitor.get("/login?next=/items")).headers["Location"]
                async with client.get(URL(location + hint, encoded=True), allow_redirects=False) as answer:
                    back = URL(answer.headers["Location"])
                answer = await visitor.get(back.raw_path_qs)
                assert (answer.status, answer.headers["Location"]) == (303, target)
            assert isinstance(names["code_host"](client), OAuth2Login)
        assert (await visitor.get("/login/callback?state=x")).status == 400


@pytest.mark.parity("L14")
async def test_a_provider_that_tells_of_logouts(environment, visit):
    port = free_port()
    command = [sys.executable, str(SUPPORT / "oidc_provider.py"), str(port)]
    with running(command, cwd=SUPPORT, port=port):
        issuer = f"http://127.0.0.1:{port}/good-told"
        environment.setenv("OIDC_ISSUER", issuer)
        names = page("log-users-in.md")
        app = names["make_shop_that_hears_of_logouts"]()
        app.router.add_get("/who", who)
        visitor = await visit(app)
        async with ClientSession() as client:
            location = (await visitor.get("/login?next=/who")).headers["Location"]
            async with client.get(URL(location, encoded=True), allow_redirects=False) as answer:
                back = URL(answer.headers["Location"])
            assert (await visitor.get(back.raw_path_qs)).status == 303
            assert (await visitor.get("/who")).text == f"ann@{issuer}"
            async with client.get(f"{issuer}/logout-token") as answer:
                form = {"logout_token": await answer.text()}
            provider = type(visitor)(visitor.port)
            assert [(await provider.post("/login/ended", form=form)).status for _ in range(2)] == [200, 400]
        assert (await visitor.get("/who")).text == "None"


async def who(request):
    return Response(text=str((await get_session(request)).user))


@pytest.mark.parity("L20")
async def test_what_is_around(environment, visit):
    app = page("log-users-in.md")["make_guarded_app"]()
    visitor = await visit(app, trusted_proxies=["127.0.0.0/8"])
    assert (await visitor.get("/search")).status == 400
    shop = {"Host": "shop.example.com"}
    answer = await visitor.get("/search", **shop)
    assert answer.headers["Location"] == "https://shop.example.com/search"
    shop["X-Forwarded-Proto"] = "https"
    answers = [await visitor.get("/search", **shop) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert (
        await visitor.post("/upload", body=b"x" * 2_000_000, **shop)
    ).text == "2000000 bytes"  # the usual limit is 1 MiB
