import pytest

from levante.web.sent_headers import SentHeaders


@pytest.mark.parity("S28")
def test_they_are_only_read() -> None:
    headers = SentHeaders([("A", "1"), ("a", "2")])
    assert headers.getall("A") == ["1", "2"]
    for change in (headers.clear, headers.popitem, lambda: headers.merge({"B": "1"}), lambda: headers.pop("A", None)):
        with pytest.raises(RuntimeError, match="on its way"):
            change()
    assert len(headers) == 2
