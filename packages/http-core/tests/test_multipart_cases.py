"""The table of multipart bodies, in both forms, whole and in pieces: the decoder, the decoder of forms, the reader of
parts."""

import importlib
import time
from types import ModuleType
from typing import Any

import pytest
from http_support import load_cases
from http_support.parts import events_of, fields_of, parts_of, splits
from http_support.plain import plain

import levante.http
from levante.http import multipart_boundary
from levante.http.multipart import check_boundary

CASES = load_cases("multipart")
LARGE = 100_000

# The plain form is loaded under another name only where the compiled one has the usual name.
FORMS = ["built", "plain"] if levante.http.is_compiled() else ["built"]


def load(form: str, name: str) -> ModuleType:
    return plain(f"http.{name}") if form == "plain" else importlib.import_module(f"levante.http.{name}")


def cases() -> list[Any]:
    return [
        pytest.param(*case[2:], id=f"{case[0]} {case[1]}"[:80], marks=pytest.mark.hardening(case[0]) if case[0] else ())
        for case in CASES
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("content_type", "body", "fields", "parts"), cases())
async def test_a_body_gets_its_verdict(form: str, content_type: str, body: bytes, fields: Any, parts: Any) -> None:
    decoder, reader = load(form, "formdecoder"), load(form, "multipart_reader")
    if parts is None:
        parts = [data for _, _, data in fields]
    start = time.process_time()
    for pieces in splits(body) if len(body) < LARGE else [[body], [body[:1000], body[1000:]]]:
        assert fields_of(content_type, pieces, module=decoder) == fields
        assert await parts_of(content_type, pieces, module=reader) == parts
    assert (
        time.process_time() - start < 20
    )  # CPU seconds, for hundreds of ways to cut; quadratic work would take minutes


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("content_type", "body", "fields", "parts"), cases())
def test_events_do_not_depend_on_the_cuts(form: str, content_type: str, body: bytes, fields: Any, parts: Any) -> None:
    """Not even those before an error."""
    try:
        boundary = check_boundary(multipart_boundary(content_type))
    except ValueError:
        assert (fields, parts) == (400, 400)
        return
    module = load(form, "multipart")
    expected = events_of([body], boundary=boundary)
    for pieces in splits(body) if len(body) < LARGE else [[body[:1000], body[1000:]]]:
        assert events_of(pieces, boundary=boundary, module=module) == expected


def test_the_table_is_complete() -> None:
    rows = {case[0] for case in CASES}
    assert {f"M{number:02d}" for number in (*range(1, 16), 18, 19)} <= rows
    assert len({case[:2] for case in CASES}) == len(CASES)
    assert len(CASES) > 150
