import json

import pytest

from levante.web.problems import problem


def test_a_problem() -> None:
    response = problem(404)
    assert response.status == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(response.text or "") == {"title": "Not Found", "status": 404}
    response = problem(422, "Bad Thing", "this one", type="https://x.example/bad", errors={"a": ["b"]})
    assert json.loads(response.text or "") == {
        "title": "Bad Thing",
        "status": 422,
        "detail": "this one",
        "type": "https://x.example/bad",
        "errors": {"a": ["b"]},
    }
    assert json.loads(problem(599).text or "")["title"] == "Error"


def test_nothing_is_given_twice() -> None:
    with pytest.raises(TypeError):
        problem(404, status=5)  # type: ignore[misc]
