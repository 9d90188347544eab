"""Status codes: phrases, and what they say about a body."""

import pytest

from levante.http import status


def test_phrases_of_rfc_9110() -> None:
    assert status.reason_phrase(200) == "OK"
    assert status.reason_phrase(413) == "Content Too Large"
    assert status.reason_phrase(422) == "Unprocessable Content"
    assert status.reason_phrase(599) == ""


def test_all_phrases_are_safe_in_a_status_line() -> None:
    for code, phrase in status.REASONS.items():
        assert 100 <= code < 600
        assert phrase.isascii()
        assert phrase.isprintable()


@pytest.mark.parametrize(
    ("code", "expected"), [(100, True), (199, True), (204, True), (304, True), (200, False), (205, False)]
)
def test_bodiless(code: int, expected: bool) -> None:
    assert status.is_bodiless(code) is expected


@pytest.mark.parametrize(
    ("method", "code", "empty", "no_length"),
    [
        ("GET", 200, False, False),
        ("HEAD", 200, True, False),
        ("GET", 304, True, False),
        ("GET", 204, True, True),
        ("GET", 103, True, True),
        ("CONNECT", 200, True, True),
        ("CONNECT", 403, False, False),
    ],
)
def test_body_of_a_response(method: str, code: int, empty: bool, no_length: bool) -> None:
    assert status.has_empty_body(method, code) is empty
    assert status.forbids_content_length(method, code) is no_length
