import pytest

from levante.web.routing.patterns import compile_path, is_dynamic, quote_value


def fields(path: str, text: str) -> dict[str, str] | None:
    match = compile_path(path).regex.fullmatch(text)
    return None if match is None else match.groupdict()


@pytest.mark.parity("S4")
@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("/a/{x}", "/a/b", {"x": "b"}),
        ("/a/{x}", "/a/b/c", None),
        ("/a/{x}", "/a/", None),
        ("/a/{x}", "/a/b%2Fc", {"x": "b%2Fc"}),
        ("/a/{x}/{_y2}", "/a/1/2", {"x": "1", "_y2": "2"}),
        (r"/n/{n:\d+}", "/n/12", {"n": "12"}),
        (r"/n/{n:\d+}", "/n/x", None),
        (r"/n/{n:\d{2}}", "/n/12", {"n": "12"}),
        (r"/n/{n:\d{2}}", "/n/123", None),
        ("/{tail:.*}", "/a/b/c", {"tail": "a/b/c"}),
        ("/x.{ext}", "/x.html", {"ext": "html"}),
        ("/x.{ext}", "/xyhtml", None),
        ("/путь/{x}", "/путь/й", {"x": "й"}),
        ("/%D0%BF/{x}", "/п/1", {"x": "1"}),
        ("/a b/{x}", "/a b/1", {"x": "1"}),
    ],
)
def test_matching(path: str, text: str, found: dict[str, str] | None) -> None:
    assert fields(path, text) == found


@pytest.mark.parity("S4")
@pytest.mark.parametrize(
    "path", ["/{", "/}", "/{x", "/x}", "/{1x}", "/{x:}", "/{x:(}", "/{x}/{x}", "/{x-y}", "/{}", "/a{b}}"]
)
def test_bad_paths(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        compile_path(path)


@pytest.mark.parity("S8")
def test_the_formatter_drops_regexes_and_encodes() -> None:
    pattern = compile_path(r"/п/{n:\d+}/x y/{m}")
    assert pattern.formatter == "/%D0%BF/{n}/x%20y/{m}"
    assert pattern.literal_prefix == "/п/"


def test_quoting() -> None:
    assert quote_value("a/b c%2F") == "a/b%20c%252F"
    assert is_dynamic("/{x}")
    assert not is_dynamic("/x")
