"""The session cookie, and forms that somebody else made up."""

from dataclasses import replace

import pytest
from levante.devtools.pytest_plugin import ClientFactory
from levante.devtools.testing import TestClient

from [[ cookiecutter.package ]].app import create_app
from [[ cookiecutter.package ]].settings import Settings

from .browser import Browser

COOKIE = "[[ cookiecutter.name ]]"


async def test_first_page_sets_the_cookie(client: TestClient) -> None:
    response = await client.get("/")
    cookie = response.cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


async def test_api_sets_no_cookie(client: TestClient) -> None:
    response = await client.get("/api/items")
    assert response.status == 200
    assert not response.cookies


@pytest.mark.parametrize("storage", ["encrypted", "signed"])
async def test_tampered_cookie_is_a_fresh_session(
    levante_client: ClientFactory, settings: Settings, storage: str
) -> None:
    client = await levante_client(create_app(replace(settings, session_storage=storage)))
    first = (await client.get("/")).cookies[COOKIE].value
    tampered = first[:-4] + ("AAAA" if first[-4:] != "AAAA" else "BBBB")
    client.session.cookie_jar.update_cookies({COOKIE: tampered}, client.make_url("/"))
    response = await client.get("/")
    assert response.status == 200
    assert response.cookies[COOKIE].value not in {first, tampered}


@pytest.mark.parametrize("token", ["", "made-up"])
async def test_form_without_the_token_is_refused(browser: Browser, token: str) -> None:
    response = await browser.submit("/items/new", {"csrf_token": token})
    assert response.status == 403
