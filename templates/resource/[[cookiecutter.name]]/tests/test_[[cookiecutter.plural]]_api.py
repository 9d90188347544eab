"""The JSON API of [[ cookiecutter.plural | replace("_", " ") ]]."""

from typing import Any

import pytest
from levante.devtools.testing import TestClient

URL = "/api/[[ cookiecutter.plural ]]"

SAMPLE: dict[str, Any] = {
[% for field in cookiecutter._fields %]
    "[[ field.name ]]": [[ field.sample ]],
[% endfor %]
}
OTHER: dict[str, Any] = {
[% for field in cookiecutter._fields %]
    "[[ field.name ]]": [[ field.other ]],
[% endfor %]
}
WRONG: dict[str, Any] = {
[% for field in cookiecutter._fields %]
    "[[ field.name ]]": [[ field.wrong ]],
[% endfor %]
}


async def created(client: TestClient, values: dict[str, Any]) -> str:
    response = await client.post(URL, json=values)
    assert response.status == 201, await response.text()
    return response.headers["Location"]


async def test_create_and_read(client: TestClient) -> None:
    response = await client.get(await created(client, SAMPLE))
    row = await response.json()
    assert row.pop("id") > 0
    assert row == SAMPLE


async def test_list_has_parts_and_a_total(client: TestClient) -> None:
    locations = [await created(client, SAMPLE) for _ in range(3)]
    response = await client.get(URL, params={"limit": "1", "offset": "1"})
    part = await response.json()
    assert (part["total"], part["limit"], part["offset"]) == (3, 1, 1)
    assert [f"{URL}/{row['id']}" for row in part["items"]] == [locations[1]]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=-1"])
async def test_wrong_query_is_refused(client: TestClient, query: str) -> None:
    response = await client.get(f"{URL}?{query}")
    assert response.status == 422
    assert query.partition("=")[0] in (await response.json())["errors"]


async def test_replace(client: TestClient) -> None:
    location = await created(client, SAMPLE)
    response = await client.put(location, json=OTHER)
    assert response.status == 200
    assert OTHER.items() <= (await (await client.get(location)).json()).items()


@pytest.mark.parametrize("name", sorted(OTHER))
async def test_patch_changes_one_field(client: TestClient, name: str) -> None:
    location = await created(client, SAMPLE)
    response = await client.patch(location, json={name: OTHER[name]})
    assert response.status == 200
    assert (SAMPLE | {name: OTHER[name]}).items() <= (await response.json()).items()


async def test_delete(client: TestClient) -> None:
    location = await created(client, SAMPLE)
    assert (await client.delete(location)).status == 204
    assert (await client.get(location)).status == 404


@pytest.mark.parametrize("name", sorted(WRONG))
async def test_wrong_field_is_named(client: TestClient, name: str) -> None:
    response = await client.post(URL, json=SAMPLE | {name: WRONG[name]})
    assert response.status == 422
    assert response.content_type == "application/problem+json"
    assert list((await response.json())["errors"]) == [name]


async def test_unknown_field_is_named(client: TestClient) -> None:
    response = await client.post(URL, json=SAMPLE | {"no_such_field": 1})
    assert response.status == 422
    assert list((await response.json())["errors"]) == ["no_such_field"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_missing_row_is_a_problem(client: TestClient, method: str) -> None:
    response = await client.request(method, f"{URL}/999999999", json=SAMPLE)
    assert response.status == 404
    assert response.content_type == "application/problem+json"


async def test_body_must_be_json(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    assert (await client.post(URL, data=b"{", headers=headers)).status == 400
    assert (await client.post(URL, data=b"a=1", headers={"Content-Type": "text/plain"})).status == 415
