"""Sessions around real handlers, over a socket: what is saved when, and what is too late."""

import asyncio
import logging

import pytest

from levante import web
from levante.sessions import (
    AbstractStorage,
    EncryptedCookieStorage,
    MemoryStorage,
    SessionNotSetUp,
    SessionTooLarge,
    SessionWriteTooLate,
    get_session,
    new_session,
    session_middleware,
    setup,
)


async def count(request):
    session = await get_session(request)
    session["n"] = session.get("n", 0) + 1
    return web.Response(text=str(session["n"]))


async def show(request):
    session = await get_session(request)
    return web.Response(text=repr(dict(session)))


async def untouched(request):
    return web.Response(text="hello")


@pytest.mark.parity("L1", "L2")
async def test_a_session_lives_across_requests(serve, make_storage):
    visitor = await serve({"/": count}, make_storage())
    assert [(await visitor.get("/")).text for _ in range(3)] == ["1", "2", "3"]


@pytest.mark.parity("L1")
async def test_an_untouched_session_is_not_even_loaded(serve, keys, monkeypatch):
    storage = EncryptedCookieStorage(keys)
    visitor = await serve({"/": untouched, "/count": count}, storage)
    await visitor.get("/count")
    monkeypatch.setattr(storage, "load_session", None)
    answer = await visitor.get("/")
    assert answer.text == "hello"
    assert "Set-Cookie" not in answer.headers
    assert "Vary" not in answer.headers


@pytest.mark.hardening("S11", "S15")
async def test_the_headers_of_a_session(serve, make_storage):
    visitor = await serve({"/": count, "/show": show}, make_storage(secure=False))
    answer = await visitor.get("/")
    (cookie,) = answer.headers.getall("Set-Cookie")
    assert cookie.startswith("session=")
    attributes = {part.strip().partition("=")[0].lower() for part in cookie.split(";")[1:]}
    assert attributes == {"max-age", "expires", "path", "httponly", "samesite"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Vary"] == "Cookie"
    answer = await visitor.get("/show")
    assert answer.text == "{'n': 1}"
    assert "Set-Cookie" not in answer.headers
    assert "Cache-Control" not in answer.headers
    assert answer.headers["Vary"] == "Cookie"


@pytest.mark.parity("L1")
async def test_it_is_loaded_once_a_request(serve, make_storage):
    async def twice(request):
        first, second = await asyncio.gather(get_session(request), get_session(request))
        return web.Response(text=str(first is second is await get_session(request)))

    visitor = await serve({"/": twice}, make_storage())
    assert (await visitor.get("/")).text == "True"


class SlowStorage(MemoryStorage):
    async def load_session(self, request):
        await asyncio.sleep(0)
        return await super().load_session(request)


@pytest.mark.hardening("S9")
async def test_two_tasks_that_load_at_once_get_one_session(serve):
    async def twice(request):
        first, second = await asyncio.gather(get_session(request), get_session(request))
        first["a"] = 1
        second["b"] = 2
        return web.Response(text=str(first is second))

    visitor = await serve({"/": twice, "/show": show}, SlowStorage())
    assert (await visitor.get("/")).text == "True"
    assert (await visitor.get("/show")).text == "{'a': 1, 'b': 2}"


@pytest.mark.parity("L1")
@pytest.mark.parametrize("exception", [web.HTTPFound("/show"), web.HTTPBadRequest(), web.HTTPNoContent()])
async def test_it_is_saved_when_the_handler_raises_an_http_exception(serve, make_storage, exception):
    async def raises(request):
        (await get_session(request))["a"] = 1
        raise exception

    visitor = await serve({"/": raises, "/show": show}, make_storage())
    answer = await visitor.get("/")
    assert answer.status == exception.status
    assert len(answer.headers.getall("Set-Cookie")) == 1
    assert (await visitor.get("/show")).text == "{'a': 1}"


@pytest.mark.parity("L1")
async def test_nothing_is_saved_when_the_handler_fails(serve, make_storage):
    async def fails(request):
        (await get_session(request))["a"] = 1
        raise ZeroDivisionError

    visitor = await serve({"/": fails, "/show": show}, make_storage())
    answer = await visitor.get("/")
    assert answer.status == 500
    assert "Set-Cookie" not in answer.headers
    assert (await visitor.get("/show")).text == "{}"


async def test_an_outer_middleware_that_answers_otherwise_keeps_the_cookie(serve, make_storage):
    @web.middleware
    async def own_answers(request, handler):
        try:
            response = await handler(request)
        except web.HTTPException as error:
            return web.Response(status=error.status, text="in my own words")
        return web.Response(text=f"wrapped {response.text}")

    async def raises(request):
        (await get_session(request))["a"] = 1
        raise web.HTTPConflict

    visitor = await serve({"/": raises, "/count": count, "/show": show}, make_storage(), outer=[own_answers])
    answer = await visitor.get("/")
    assert (answer.status, answer.text) == (409, "in my own words")
    assert len(answer.headers.getall("Set-Cookie")) == 1
    assert (await visitor.get("/count")).text == "wrapped 1"
    assert (await visitor.get("/show")).text == "wrapped {'a': 1, 'n': 1}"


async def test_an_outer_middleware_that_hides_a_failure_saves_nothing(serve, make_storage):
    @web.middleware
    async def hide(request, handler):
        try:
            return await handler(request)
        except ZeroDivisionError:
            return web.Response(status=500, text="sorry")

    async def fails(request):
        (await get_session(request))["a"] = 1
        raise ZeroDivisionError

    visitor = await serve({"/": fails}, make_storage(), outer=[hide])
    answer = await visitor.get("/")
    assert answer.text == "sorry"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parity("L1")
async def test_a_stream_saves_what_was_changed_before_prepare(serve, make_storage):
    late = []

    async def stream(request):
        session = await get_session(request)
        session["a"] = [1]
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            session["b"] = 2
        except SessionWriteTooLate as error:
            late.append(str(error))
        await response.write(b"data")
        return response

    visitor = await serve({"/": stream, "/show": show}, make_storage())
    answer = await visitor.get("/")
    assert (answer.status, answer.text) == (200, "data")
    assert len(answer.headers.getall("Set-Cookie")) == 1
    assert late == [
        (
            "session key 'b' was set, and the response head was already made: the change cannot be saved; "
            "change the session before response.prepare() or return"
        )
    ]
    assert (await visitor.get("/show")).text == "{'a': [1]}"


@pytest.mark.parity("L1")
async def test_a_stream_may_read_late_and_not_write(serve, make_storage):
    seen = []

    async def stream(request):
        response = web.StreamResponse()
        await response.prepare(request)
        session = await get_session(request)
        seen.append(dict(session))
        for write in (lambda: session.update(b=1), session.renew):
            with pytest.raises(SessionWriteTooLate):
                write()
        with pytest.raises(SessionWriteTooLate, match="new_session"):
            await new_session(request)
        return response

    visitor = await serve({"/": stream, "/count": count}, make_storage())
    await visitor.get("/count")
    answer = await visitor.get("/")
    assert answer.status == 200
    assert seen == [{"n": 1}]


@pytest.mark.parity("L1")
async def test_a_nested_change_too_late_is_an_error(serve, make_storage, failures):
    async def stream(request):
        session = await get_session(request)
        session["a"] = [1]
        response = web.StreamResponse()
        await response.prepare(request)
        session["a"].append(2)
        await response.write_eof()
        return response

    visitor = await serve({"/": stream}, make_storage(), outer=[failures.note])
    await visitor.get("/")
    (error,) = failures
    assert isinstance(error, SessionWriteTooLate)
    assert "nested session data was changed" in str(error)


@pytest.mark.parity("L1")
@pytest.mark.parametrize("writes", [True, False])
async def test_without_setup_a_stream_can_only_read(serve, make_storage, failures, writes):
    async def stream(request):
        session = await get_session(request)
        if writes:
            session["a"] = 1
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write_eof()
        return response

    visitor = await serve({"/": stream}, middlewares=[failures.note, session_middleware(make_storage())])
    assert (await visitor.get("/")).status == 200
    assert len(failures) == writes
    assert all("use setup(app, storage)" in str(error) for error in failures)


@pytest.mark.parity("L1")
async def test_the_middleware_alone_saves_plain_responses(serve, make_storage):
    visitor = await serve({"/": count}, middlewares=[session_middleware(make_storage())])
    assert [(await visitor.get("/")).text for _ in range(2)] == ["1", "2"]


@pytest.mark.parity("L1")
async def test_without_the_middleware_it_says_what_to_do(serve, failures):
    visitor = await serve({"/": show}, middlewares=[failures.note])
    assert (await visitor.get("/")).status == 500
    (error,) = failures
    assert isinstance(error, SessionNotSetUp)
    assert isinstance(error, RuntimeError)
    assert "setup(app, storage)" in str(error)


@pytest.mark.hardening("S10")
async def test_a_session_that_is_too_large_is_an_error_and_the_old_one_stays(serve, make_sealed, failures):
    async def hoard(request):
        (await get_session(request))["big"] = "x" * 5000
        return web.Response()

    async def hoard_and_raise(request):
        (await get_session(request))["big"] = "x" * 5000
        raise web.HTTPFound("/")

    async def hoard_and_stream(request):
        (await get_session(request))["big"] = "x" * 5000
        response = web.StreamResponse()
        await response.prepare(request)
        return response

    routes = {"/": count, "/show": show, "/1": hoard, "/2": hoard_and_raise, "/3": hoard_and_stream}
    visitor = await serve(routes, make_sealed(), outer=[failures.note])
    await visitor.get("/")
    for path in ("/1", "/2", "/3"):
        answer = await visitor.get(path)
        assert answer.status == 500
        assert "Set-Cookie" not in answer.headers
    assert [type(error) for error in failures] == [SessionTooLarge] * 3
    assert (await visitor.get("/show")).text == "{'n': 1}"


@pytest.mark.parity("L1")
@pytest.mark.hardening("S6")
async def test_new_session_replaces_the_old_one(serve, make_storage):
    async def login(request):
        before = await get_session(request)
        session = await new_session(request)
        assert session is not before
        session["user"] = 7
        return web.Response(text=str(session is await get_session(request)))

    async def forget(request):
        await new_session(request)
        return web.Response()

    visitor = await serve({"/": count, "/login": login, "/forget": forget, "/show": show}, make_storage())
    await visitor.get("/")
    before = dict(visitor.cookies)
    assert (await visitor.get("/login")).text == "True"
    assert (await visitor.get("/show")).text == "{'user': 7}"
    after = dict(visitor.cookies)
    assert before != after
    answer = await visitor.get("/forget")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert not visitor.cookies


@pytest.mark.hardening("S12", "S15")
async def test_a_tampered_cookie_is_a_fresh_session_and_one_warning(serve, make_sealed, caplog):
    visitor = await serve({"/": count, "/show": show}, make_sealed())
    await visitor.get("/")
    ((name, value),) = visitor.cookies.items()
    for _ in range(5):
        visitor.cookies[name] = value[:-5] + ("AAAAA" if value[-5:] != "AAAAA" else "BBBBB")
        answer = await visitor.get("/show")
        assert (answer.status, answer.text) == (200, "{}")
        assert "Max-Age=0" in answer.headers["Set-Cookie"]
    lines = [record for record in caplog.records if record.name == "levante.sessions"]
    assert [(line.levelname, line.message) for line in lines if "rejected" in line.message] == [
        ("WARNING", "session cookie rejected (bad seal); a fresh session was started")
    ]
    assert value[:20] not in caplog.text


@pytest.mark.hardening("S11")
def test_an_insecure_cookie_is_told_once_at_setup(keys, caplog):
    with caplog.at_level(logging.WARNING):
        setup(web.Application(), EncryptedCookieStorage(keys))
        assert not caplog.records
        setup(web.Application(), EncryptedCookieStorage(keys, secure=False))
    (record,) = caplog.records
    assert "not Secure" in record.message


def test_a_storage_is_expected():
    with pytest.raises(TypeError, match="expected a session storage, got dict"):
        setup(web.Application(), {})


async def test_a_handler_that_returns_nothing_is_the_servers_to_complain_about(serve, make_storage):
    async def nothing(request):
        (await get_session(request))["a"] = 1

    visitor = await serve({"/": nothing}, make_storage())
    assert (await visitor.get("/")).status == 500


@pytest.mark.parity("L3")
async def test_a_storage_of_ones_own(serve):
    class Header(AbstractStorage):
        async def load_session(self, request):
            return await self.new_session()

        async def save_session(self, request, response, session):
            response.headers["X-Session"] = repr(dict(session))

    visitor = await serve({"/": count}, Header())
    assert (await visitor.get("/")).headers["X-Session"] == "{'n': 1}"


@pytest.mark.hardening("S9")
async def test_in_a_cookie_the_last_of_two_writes_wins(serve, keys):
    async def put(request):
        (await get_session(request))[request.query["key"]] = 1
        return web.Response()

    visitor = await serve({"/": put, "/show": show}, EncryptedCookieStorage(keys))
    await visitor.get("/?key=start")
    first, second = await asyncio.gather(visitor.get("/?key=a"), visitor.get("/?key=b"))
    visitor.keep(first)
    visitor.keep(second)
    assert (await visitor.get("/show")).text == "{'start': 1, 'b': 1}"
