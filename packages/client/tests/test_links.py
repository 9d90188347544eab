"""The Link field."""

import pytest
from yarl import URL

from levante.client.links import parse_links

BASE = URL("http://h/a/b")


@pytest.mark.parity("C34")
def test_links_by_relation() -> None:
    links = parse_links(['<c?x=1>; rel="next"; title="a, \\"b\\"", </z>; rel=last', "<http://o/>; rel=x"], BASE)
    assert links["next"]["url"] == URL("http://h/a/c?x=1")
    assert links["next"]["title"] == 'a, "b"'
    assert links["last"]["url"] == URL("http://h/z")
    assert links["x"]["url"] == URL("http://o/")


@pytest.mark.parity("C34")
def test_without_relation_the_target_is_the_key_and_rubbish_is_skipped() -> None:
    links = parse_links(["</only>", "rubbish", "<http://[bad>; rel=no"], BASE)
    assert list(links) == ["/only"]


def test_a_hostile_value_is_linear() -> None:
    assert not parse_links(["<" * 8000, "; " * 4000], BASE)
    parse_links(["<a>" + ";x" * 4000], BASE)
