import pytest
from yarl import URL

from levante import web
from levante.web.routing.resources import NOTHING


async def handler(request: web.Request) -> web.Response:
    raise NotImplementedError


@pytest.mark.parity("S3")
def test_a_method_is_added_once() -> None:
    resource = web.PlainResource("/a")
    route = resource.add_route("get", handler)
    assert route.method == "GET"
    with pytest.raises(RuntimeError, match="never be reached"):
        resource.add_route("GET", handler)
    star = resource.add_route("*", handler)
    with pytest.raises(RuntimeError, match="never be reached"):
        resource.add_route("POST", handler)
    assert list(resource) == [route, star]
    assert len(resource) == 2
    assert resource.find("GET", "/a")[0].route is route  # type: ignore[union-attr]
    assert resource.find("PUT", "/a")[0].route is star  # type: ignore[union-attr]


def test_finding() -> None:
    resource = web.PlainResource("/a")
    resource.add_route("GET", handler)
    assert resource.find("GET", "/b") == NOTHING
    assert resource.find("POST", "/a") == (None, {"GET"})


@pytest.mark.parity("S4")
def test_values_are_decoded() -> None:
    resource = web.DynamicResource("/a/{x}")
    resource.add_route("GET", handler)
    match, _ = resource.find("GET", "/a/b%2Fc%25")
    assert match == {"x": "b/c%"}


@pytest.mark.parity("S7", "S8")
def test_plain_resources_describe_themselves() -> None:
    resource = web.PlainResource("/a b/п", name="n")
    resource.add_route("GET", handler)
    assert resource.canonical == "/a%20b/%D0%BF"
    assert resource.get_info() == {"path": "/a%20b/%D0%BF"}
    assert resource.url_for() == URL("/a%20b/%D0%BF", encoded=True)
    assert repr(resource) == "<PlainResource 'n'  /a b/п>"
    assert resource.raw_match("/a%20b/п")
    with pytest.raises(TypeError, match="no fields"):
        resource.url_for(x="1")
    route = next(iter(resource))
    assert route.name == "n"
    assert route.url_for() == resource.url_for()
    assert route.get_info() == resource.get_info()
    assert route.resource is resource
    assert "ResourceRoute [GET]" in repr(route)


@pytest.mark.parity("S7", "S8")
def test_dynamic_resources_describe_themselves() -> None:
    resource = web.DynamicResource(r"/a/{x:\d+}/{y}", name="n")
    assert resource.canonical == "/a/{x}/{y}"
    info = resource.get_info()
    assert info["formatter"] == "/a/{x}/{y}"
    assert info["pattern"].fullmatch("/a/1/b")
    url = resource.url_for(x="1", y="b/c d%")
    assert str(url) == "/a/1/b/c%20d%25"
    assert str(url.with_query(q="1")) == "/a/1/b/c%20d%25?q=1"
    assert repr(resource) == "<DynamicResource 'n'  /a/{x}/{y}>"
    assert resource.raw_match(r"/a/{x:\d+}/{y}")
    with pytest.raises(KeyError):
        resource.url_for(x="1")


@pytest.mark.parity("S11")
def test_prefixes() -> None:
    plain = web.PlainResource("/a")
    plain.add_prefix("/p%20q")
    assert plain.canonical == "/p%20q/a"
    assert plain.index_key == "/p q/a"
    dynamic = web.DynamicResource("/a/{x}")
    dynamic.add_prefix("/p")
    assert dynamic.canonical == "/p/a/{x}"
    assert dynamic.index_key == "/p/a"


@pytest.mark.parity("S1")
def test_an_empty_path_is_the_root_in_the_end() -> None:
    resource = web.PlainResource("")
    assert resource.canonical == ""
    resource.freeze()
    assert resource.canonical == "/"


@pytest.mark.parametrize("value", ["/evil.example", "//evil.example", "///evil.example"])
def test_no_value_makes_a_url_of_another_host(value: str) -> None:
    resource = web.DynamicResource("/{page:.*}")
    url = resource.url_for(page=value)
    assert str(url) == "/evil.example"
    assert URL("https://ours.example/").join(url).host == "ours.example"


def test_a_value_that_no_url_can_say_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        web.DynamicResource("/files/{name}").url_for(name="half\udcff")
