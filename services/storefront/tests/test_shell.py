"""The prompt of `make shell`."""

import asyncio

import pytest

from storefront.shell import AsyncConsole


def test_what_is_typed_is_awaited(capsys: pytest.CaptureFixture[str]) -> None:
    with asyncio.Runner() as runner:
        console = AsyncConsole({"asyncio": asyncio}, runner)
        console.push("x = await asyncio.sleep(0, 41)")
        console.push("x + 1")
        console.push("1 / 0")
    captured = capsys.readouterr()
    assert captured.out == "42\n"
    assert "ZeroDivisionError" in captured.err
