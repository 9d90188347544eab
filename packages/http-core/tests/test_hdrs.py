"""Header names."""

from multidict import CIMultiDict, istr

from levante.http import hdrs


def test_names_are_istr_and_match_their_constant() -> None:
    names = {key: value for key, value in vars(hdrs).items() if isinstance(value, istr)}
    assert len(names) > 70
    for key, value in names.items():
        assert key == value.upper().replace("-", "_")


def test_lookup_disregards_case() -> None:
    headers = CIMultiDict({"content-TYPE": "text/plain"})
    assert headers[hdrs.CONTENT_TYPE] == "text/plain"


def test_methods() -> None:
    assert hdrs.METH_GET in hdrs.METH_ALL
    assert hdrs.METH_ANY not in hdrs.METH_ALL
