"""Forged requests against real handlers: what is refused, what passes, and that the form survives the check."""

import logging
from functools import partial
from types import SimpleNamespace

import pytest
from markupsafe import Markup

from levante import web
from levante.sessions import (
    CsrfRules,
    EncryptedCookieStorage,
    csrf_context,
    csrf_exempt,
    csrf_middleware,
    csrf_token,
    get_session,
    session_middleware,
)
from levante.sessions.csrf import is_exempt


async def token(request):
    return web.Response(text=await csrf_token(request))


async def form(request):
    fields = await request.post()
    return web.Response(text=repr([(name, value) for name, value in fields.items() if name != "csrf_token"]))


async def body(request):
    return web.Response(text=await request.text())


async def renew(request):
    (await get_session(request)).renew()
    return web.Response()


async def logout(request):
    (await get_session(request)).invalidate()
    return web.Response()


ROUTES = {"/token": token, "/form": form, "/body": body, "/renew": renew, "/logout": logout}


@pytest.fixture
async def visitor(serve, keys):
    return await serve(ROUTES, EncryptedCookieStorage(keys, secure=False))


@pytest.fixture
async def with_session(visitor):
    """A visitor whose first page made the session, and a token of it."""
    visitor.token = (await visitor.get("/token")).text
    assert visitor.cookies
    return visitor


@pytest.mark.hardening("S17")
async def test_the_first_page_that_uses_a_token_makes_the_session(visitor):
    answer = await visitor.get("/token")
    assert answer.headers["Set-Cookie"].startswith("session=")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in (await visitor.get("/token")).headers


@pytest.mark.hardening("S16")
async def test_programs_without_a_session_pass(visitor):
    assert (await visitor.post("/body", body=b"{}", Content_Type="application/json")).text == "{}"
    assert (await visitor.post("/body", body=b"x", Content_Type="text/plain")).status == 200
    assert (await visitor.post("/form", form={"a": "1"})).text == "[('a', '1')]"
    for method in ("PUT", "PATCH", "DELETE"):
        assert (await visitor.send(method, "/body", {})).status == 200


@pytest.mark.hardening("S16")
async def test_a_page_of_our_own_passes(with_session):
    for headers in (
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": f"http://127.0.0.1:{with_session.port}"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},  # Referrer-Policy: no-referrer
    ):
        answer = await with_session.post("/form", form={"a": "1"}, **headers)
        assert (answer.status, answer.text) == (200, "[('a', '1')]")


FORGED = {
    "cross-site form": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "null origin": {"Origin": "null"},
    "missing both": {},
    "subdomain": {"Sec-Fetch-Site": "same-site", "Origin": "http://evil.127.0.0.1"},
    "other port": {"Origin": "http://127.0.0.1:1"},
    "method override": {"X-HTTP-Method-Override": "GET"},
    "unknown fetch site": {"Sec-Fetch-Site": "whatever"},
    "lying origin": {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
}


@pytest.mark.hardening("S16", "S17")
@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "application/json"])
async def test_a_forged_request_is_refused(with_session, headers, content_type):
    answer = await with_session.post("/body", body=b'{"a":1}', **{"Content-Type": content_type, **headers})
    assert answer.status == 403
    assert "CSRF check failed: " in answer.text
    for method in ("PUT", "PATCH", "DELETE"):
        assert (await with_session.send(method, "/body", headers)).status == 403


@pytest.mark.hardening("S17")
@pytest.mark.parametrize("name", ["cross-site form", "null origin", "subdomain", "other port"])
async def test_a_forged_login_is_refused_without_any_session(visitor, name):
    assert not visitor.cookies
    assert (await visitor.post("/form", form={"user": "attacker"}, **FORGED[name])).status == 403


@pytest.mark.hardening("S16")
async def test_a_token_does_not_outweigh_another_sites_mark(with_session):
    fields = {"csrf_token": with_session.token}
    for name in ("cross-site form", "subdomain", "other port", "unknown fetch site"):
        assert (await with_session.post("/form", form=fields, **FORGED[name])).status == 403


@pytest.mark.hardening("S16")
async def test_plain_http_is_another_origin_than_https(serve, keys):
    visitor = await serve(ROUTES, EncryptedCookieStorage(keys))
    assert (await visitor.get("/token")).status == 200
    own = {"Host": "shop.example"}
    assert (await visitor.post("/form", form={}, Origin="https://shop.example", **own)).status == 200
    assert (await visitor.post("/form", form={}, Origin="http://shop.example", **own)).status == 403
    assert (await visitor.post("/form", form={}, Origin="https://shop.example:444", **own)).status == 403


@pytest.mark.hardening("S17")
async def test_the_token_passes_in_the_form_or_the_header_and_the_handler_still_reads_the_form(with_session):
    fields = {"a": "ñ", "csrf_token": with_session.token, "b": ""}
    answer = await with_session.post("/form", form=fields)
    assert (answer.status, answer.text) == (200, "[('a', 'ñ'), ('b', '')]")
    answer = await with_session.post("/form", form={"a": "1"}, **{"X-CSRF-Token": with_session.token})
    assert (answer.status, answer.text) == (200, "[('a', '1')]")
    answer = await with_session.post("/form", form=fields, Origin="null")
    assert answer.status == 200
    answer = await with_session.post("/body", body=b"{}", **{"X-CSRF-Token": with_session.token})
    assert (answer.status, answer.text) == (200, "{}")


MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n%s\r\n'
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'
)


@pytest.mark.hardening("S17")
async def test_the_token_passes_in_a_multipart_form(with_session):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await with_session.post("/form", body=MULTIPART % with_session.token.encode(), **headers)
    assert (answer.status, answer.text) == (200, "[('a', '1')]")
    assert (await with_session.post("/form", body=MULTIPART % b"wrong", **headers)).status == 403
    as_file = MULTIPART.replace(b'name="csrf_token"', b'name="csrf_token"; filename="t"')
    assert (await with_session.post("/form", body=as_file % with_session.token.encode(), **headers)).status == 403
    nameless = MULTIPART.replace(b'; name="csrf_token"', b"")
    assert (await with_session.post("/form", body=nameless % with_session.token.encode(), **headers)).status in (
        400,
        403,
    )


@pytest.mark.hardening("S17")
async def test_a_token_counts_only_in_form_or_header(with_session):
    good = with_session.token
    assert (await with_session.post(f"/form?csrf_token={good}", form={})).status == 403
    with_session.cookies["csrf_token"] = good
    assert (await with_session.post("/form", form={})).status == 403
    json = f'{{"csrf_token":"{good}"}}'.encode()
    assert (await with_session.post("/body", body=json, Content_Type="application/json")).status == 403
    wrong_header = {"X-CSRF-Token": "wrong"}
    assert (await with_session.post("/form", form={"csrf_token": good}, **wrong_header)).status == 403


@pytest.mark.hardening("S17")
async def test_a_token_dies_with_renew_logout_and_in_another_session(with_session, serve, keys):
    own = {"Sec-Fetch-Site": "same-origin"}
    fields = {"csrf_token": with_session.token}
    await with_session.post("/renew", form={}, **own)
    assert (await with_session.post("/form", form=fields)).status == 403
    fresh = {"csrf_token": (await with_session.get("/token")).text}
    assert (await with_session.post("/form", form=fresh)).status == 200

    other = await serve(ROUTES, EncryptedCookieStorage(keys, secure=False))
    await other.get("/token")
    assert (await other.post("/form", form=fresh)).status == 403

    await with_session.post("/logout", form={}, **own)
    assert not with_session.cookies
    await with_session.get("/token")
    assert (await with_session.post("/form", form=fresh)).status == 403


@pytest.mark.hardening("S16")
async def test_a_cookie_that_does_not_open_still_asks_for_evidence(visitor):
    visitor.cookies["session"] = "junk"
    assert (await visitor.post("/form", form={})).status == 403
    assert (await visitor.post("/form", form={}, **{"Sec-Fetch-Site": "same-origin"})).status == 200


@pytest.mark.hardening("S16", "S18")
async def test_reading_is_not_checked(with_session):
    for method in ("GET", "HEAD", "OPTIONS"):
        assert (await with_session.send(method, "/body", FORGED["cross-site form"])).status == 200


@pytest.mark.hardening("S16")
async def test_a_trusted_origin_passes_and_no_other(serve, keys):
    rules = CsrfRules(trusted_origins=["https://admin.example"])
    visitor = await serve(ROUTES, EncryptedCookieStorage(keys, secure=False), csrf=rules)
    await visitor.get("/token")
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert (await visitor.post("/form", form={}, Origin="https://admin.example", **cross)).status == 200
    assert (await visitor.post("/form", form={}, Origin="https://admin.example.evil", **cross)).status == 403
    assert (await visitor.post("/form", form={}, **cross)).status == 403


@pytest.mark.hardening("S16")
async def test_an_exempt_route_is_not_checked_and_no_other(serve, keys):
    @csrf_exempt
    async def hook(request):
        return web.Response(text="hooked")

    class Api(web.View):
        @csrf_exempt
        async def post(self):
            return web.Response(text="posted")

        async def put(self):
            return web.Response(text="put")

    visitor = await serve({**ROUTES, "/hook": hook, "/api": Api}, EncryptedCookieStorage(keys, secure=False))
    await visitor.get("/token")
    forged = FORGED["cross-site form"]
    assert (await visitor.post("/hook", **forged)).text == "hooked"
    assert (await visitor.post("/api", **forged)).text == "posted"
    assert (await visitor.send("PUT", "/api", forged)).status == 403
    assert (await visitor.post("/form", **forged)).status == 403
    assert (await visitor.post("/nowhere", **forged)).status == 403


@pytest.mark.hardening("S16")
async def test_the_protection_can_be_left_out_or_wired_by_hand(serve, keys):
    forged = FORGED["cross-site form"]
    visitor = await serve(ROUTES, EncryptedCookieStorage(keys, secure=False), csrf=None)
    assert (await visitor.post("/form", form={}, **forged)).status == 200
    by_hand = [session_middleware(EncryptedCookieStorage(keys, secure=False)), csrf_middleware()]
    visitor = await serve(ROUTES, middlewares=by_hand)
    assert (await visitor.post("/form", form={}, **forged)).status == 403


@pytest.mark.hardening("S12", "S16")
async def test_refusals_are_logged_once_a_minute(visitor, caplog):
    with caplog.at_level(logging.WARNING, logger="levante.sessions"):
        for _ in range(10):
            await visitor.post("/form", form={}, **FORGED["cross-site form"])
    lines = [record.message for record in caplog.records if "CSRF" in record.message]
    assert lines == ["request refused by the CSRF check: the browser says that another site sent it"]


@pytest.mark.hardening("S17")
async def test_the_context_of_templates(serve, keys):
    async def page(request):
        context = await csrf_context(request)
        field = context["csrf_field"]()
        assert isinstance(field, Markup)
        return web.Response(text=f"{field}|{context['csrf_token']}|{context['csrf_token']()}")

    async def unused(request):
        await csrf_context(request)
        return web.Response()

    visitor = await serve({**ROUTES, "/page": page, "/unused": unused}, EncryptedCookieStorage(keys, secure=False))
    assert "Set-Cookie" not in (await visitor.get("/unused")).headers
    field, first, second = (await visitor.get("/page")).text.split("|")
    start, end = '<input type="hidden" name="csrf_token" value="', '">'
    assert field.startswith(start)
    assert field.endswith(end)
    tokens = {field.removeprefix(start).removesuffix(end), first, second}
    assert len(tokens) == 3
    for text in tokens:
        assert (await visitor.post("/form", form={"csrf_token": text})).status == 200


def test_exempt_marks_functions_partials_views_and_methods():
    @csrf_exempt
    async def function(request): ...

    async def plain(request): ...

    @csrf_exempt
    class Hook:
        async def post(self): ...

    class SubHook(Hook): ...

    class View:
        @csrf_exempt
        async def put(self): ...

        async def post(self): ...

    def exempt(handler, method="POST"):
        return is_exempt(SimpleNamespace(method=method, match_info=SimpleNamespace(handler=handler)))

    assert exempt(function)
    assert exempt(partial(partial(function), 1))
    assert not exempt(plain)
    assert exempt(Hook)
    assert exempt(SubHook)
    assert not exempt(View)
    assert exempt(View, "PUT")
    assert not exempt(View, "PATCH")
    assert not exempt(plain, "__CLASS__")
