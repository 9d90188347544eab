"""Messages that are said on one page and shown once on the next."""

import pytest

from levante import web
from levante.sessions import Flash, flash, flash_context, get_flashes
from levante.sessions.flash import MAX_WAITING


async def say(request):
    await flash(request, request.query.get("text", "saved"), *request.query.getall("category", []))
    raise web.HTTPSeeOther("/show")


async def show(request):
    return web.Response(text=repr([tuple(message) for message in await get_flashes(request)]))


@pytest.fixture
async def visitor(serve, make_storage):
    return await serve({"/say": say, "/show": show}, make_storage())


async def test_a_message_is_shown_once(visitor):
    assert (await visitor.get("/say")).status == 303
    assert (await visitor.get("/show")).text == "[('saved', 'info')]"
    assert not visitor.cookies  # nothing else was in the session
    assert (await visitor.get("/show")).text == "[]"


async def test_messages_keep_their_order_and_category(visitor):
    await visitor.get("/say?text=one&category=success")
    await visitor.get("/say?text=%3Cb%3E&category=error")
    assert (await visitor.get("/show")).text == "[('one', 'success'), ('<b>', 'error')]"


async def test_unread_messages_do_not_fill_the_cookie(visitor, caplog):
    for number in range(MAX_WAITING + 2):
        await visitor.get(f"/say?text={number}")
    shown = (await visitor.get("/show")).text
    assert shown.startswith("[('2', 'info')")
    assert shown.count("info") == MAX_WAITING
    assert sum("the oldest is dropped" in record.message for record in caplog.records) == 2


async def test_in_a_template_they_go_only_when_shown(serve, make_storage):
    async def page(request):
        get = (await flash_context(request))["get_flashes"]
        messages = get() if "read" in request.query else []
        assert all(isinstance(message, Flash) for message in messages)
        return web.Response(text=",".join(message.message for message in messages))

    visitor = await serve({"/say": say, "/page": page}, make_storage())
    await visitor.get("/say?text=hello")
    assert (await visitor.get("/page")).text == ""
    assert (await visitor.get("/page?read")).text == "hello"
    assert (await visitor.get("/page?read")).text == ""
