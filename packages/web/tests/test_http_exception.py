import pytest

from levante import web
from levante.web.http_exception import refuse_line_breaks


@pytest.mark.parity("1.8")
def test_what_all_exceptions_have() -> None:
    exc = web.HTTPConflict(text="why", content_type="a/b")
    assert isinstance(exc, Exception)
    assert (exc.status, exc.reason, exc.text, exc.headers["Content-Type"]) == (409, "Conflict", "why", "a/b")
    assert not exc.cookies
    assert not hasattr(exc, "prepare")


@pytest.mark.parity("V32")
def test_line_breaks() -> None:
    refuse_line_breaks("reason", "fine\tthing")
    with pytest.raises(ValueError, match="reason"):
        refuse_line_breaks("reason", "a\rb")
