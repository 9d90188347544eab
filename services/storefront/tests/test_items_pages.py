"""The pages of items, as a browser uses them."""

import pytest

from .browser import Browser

URL = "/items"
FIRST = "name"
WRONG = "x" * 201

TYPED = {
    "name": "A first one",
    "description": "A few words",
    "price": "12.5",
    "in_stock": "true",
}


async def row_path(browser: Browser) -> str:
    """Make a row; the path of its form."""
    response = await browser.submit(f"{URL}/new", TYPED)
    assert response.status == 303, await response.text()
    listed = await (await browser.client.get(f"/api{URL}")).json()
    return f"{URL}/{listed['items'][0]['id']}"


async def test_empty_list(browser: Browser) -> None:
    assert "Make the first one" in await browser.read(URL)


async def test_created_row_is_listed_with_a_message(browser: Browser) -> None:
    path = await row_path(browser)
    page = await browser.read(URL)
    assert f'href="{path}"' in page
    assert "Item created." in page
    assert "Item created." not in await browser.read(URL)


async def test_wrong_value_comes_back_with_its_message(browser: Browser) -> None:
    response = await browser.submit(f"{URL}/new", TYPED | {FIRST: WRONG})
    page = await response.text()
    assert response.status == 422
    assert f'id="{FIRST}-error"' in page
    assert WRONG in page


async def test_what_is_typed_is_escaped(browser: Browser) -> None:
    response = await browser.submit(f"{URL}/new", TYPED | {FIRST: '"><script>' + "x" * 10_001})
    page = await response.text()
    assert response.status == 422
    assert '"><script>' not in page


async def test_edit(browser: Browser) -> None:
    path = await row_path(browser)
    assert "<h1>Edit " in await browser.read(path)
    wrong = await browser.submit(path, TYPED | {FIRST: WRONG})
    assert wrong.status == 422
    saved = await browser.submit(path, TYPED)
    assert saved.status == 303
    assert "Item saved." in await browser.read(URL)


async def test_delete(browser: Browser) -> None:
    path = await row_path(browser)
    response = await browser.submit(f"{path}/delete", {})
    assert response.status == 303
    assert f'href="{path}"' not in await browser.read(URL)
    assert (await browser.client.get(path)).status == 404


@pytest.mark.parametrize("page", ["0", "2", "-1", "x", "9" * 30])
async def test_page_out_of_range_is_the_nearest(browser: Browser, page: str) -> None:
    await row_path(browser)
    assert "data-id" in await browser.read(f"{URL}?page={page}")


async def test_long_list_has_pages(browser: Browser) -> None:
    for _ in range(21):
        await browser.submit(f"{URL}/new", TYPED)
    assert "Page 1 of 2" in await browser.read(URL)
    assert (await browser.read(f"{URL}?page=2")).count("data-id") == 1
