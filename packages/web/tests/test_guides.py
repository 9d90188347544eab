"""The examples of the how-to pages about the framework: they run, and do what the pages say."""

import re
from pathlib import Path
from typing import Any

import pytest

GUIDES = Path(__file__).parents[3] / "docs" / "how-to"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(page: str) -> dict[str, Any]:
    """What the names of a page's examples stand for, all of them having run one after the other."""
    blocks = BLOCK.findall((GUIDES / f"{page}.md").read_text())
    assert blocks
    names: dict[str, Any] = {"__name__": "guide"}
    for block in blocks:
        exec(compile(block, f"{page}.md", "exec"), names)  # our own documentation
    return names


@pytest.mark.parity("U11")
async def test_group_routes(serve: Any) -> None:
    app = examples("group-routes")["app"]
    assert str(app.router["api.items"].url_for()) == "/api/v1/items"
    served = await serve(app)
    assert (await served.get("/account")).status == 401
    assert (await served.get("/account", Authorization="me")).text == "your account"
    assert (await served.get("/api/v1/items", Authorization="me")).text == "[]"
    for who, status in (("me", 403), ("admin", 204)):
        answer = await served.request("DELETE", "/api/v1/admin/items", [("Authorization", who)])
        assert answer.status == status
