from typing import Any

import pytest

from levante import web
from levante.web.routing.match import MatchInfoError


async def handler(request: web.Request) -> web.Response:
    raise NotImplementedError


def matched() -> web.UrlMappingMatchInfo:
    resource = web.DynamicResource("/{x}")
    resource.add_route("GET", handler)
    match, _ = resource.find("GET", "/1")
    assert match is not None
    return match


@pytest.mark.parity("S13")
def test_a_match_is_a_dict_with_its_route() -> None:
    match = matched()
    assert match["x"] == "1"
    assert match.handler is handler
    assert match.route.method == "GET"
    assert match.http_exception is None
    assert match.get_info()["formatter"] == "/{x}"
    assert "MatchInfo {'x': '1'}" in repr(match)


@pytest.mark.parity("S13")
def test_the_applications() -> None:
    match = matched()
    with pytest.raises(RuntimeError):
        match.current_app  # noqa: B018
    inner, outer, other = web.Application(), web.Application(), web.Application()
    match.add_app(inner)
    match.add_app(outer)
    assert match.apps == (outer, inner)
    assert match.current_app is inner
    with match.set_current_app(outer):
        assert match.current_app is outer
    assert match.current_app is inner
    with pytest.raises(RuntimeError):
        match.current_app = other
    match.freeze()
    with pytest.raises(RuntimeError):
        match.add_app(other)


@pytest.mark.parity("S6")
def test_an_error_is_a_match() -> None:
    error: Any = web.HTTPNotFound()
    match = MatchInfoError(error)
    assert match.http_exception is error
    assert isinstance(match.route, web.SystemRoute)
    assert repr(match) == "<MatchInfoError 404: Not Found>"
    assert match == {}
