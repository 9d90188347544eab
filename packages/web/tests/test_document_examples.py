"""The examples of the pages about uploads, compression and tests, and of the README, as they stand there; and no page
has an example that no test runs.
"""

import gzip
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from levante import web

ROOT = Path(__file__).parents[3]
README = Path("packages/web/README.md")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted(
    page
    for page in [*(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")), README]
    if BLOCK.search((ROOT / page).read_text(encoding="utf-8"))
)


def examples(page: str | Path) -> dict[str, Any]:
    """The names that the examples of a page leave, run one after the other."""
    names: dict[str, Any] = {"__name__": "guide"}
    for block in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        exec(compile(block, str(page), "exec"), names)  # our own pages
    return names


async def test_the_readme(serve: Any) -> None:
    app = examples("packages/web/README.md")["app"]
    assert (await (await serve(app)).get("/hello/ann")).text == '{"hello": "ann"}'


async def test_compress_responses(serve: Any) -> None:
    names = examples("docs/how-to/compress-responses.md")
    app: web.Application = names["app"]

    async def long(_: web.Request) -> web.Response:
        return web.Response(text="long " * 1000)

    app.router.add_get("/", long)
    answer = await (await serve(app)).get("/", Accept_Encoding="gzip")
    assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(answer.body) == b"long " * 1000
    answer = await (await serve(names["handler"])).get("/", Accept_Encoding="gzip")
    assert gzip.decompress(answer.body) == b"..."


async def test_take_uploads(serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = examples("docs/how-to/take-uploads.md")
    names["UPLOADS"].mkdir()
    names["MAX_FILE"] = 10
    app = web.Application()
    app.add_routes([web.post("/upload", names["upload"]), web.post("/stream", names["stream"])])
    served = await serve(app)

    async def send(path: str, content: bytes, disposition: str) -> Any:
        head = f'--b\r\nContent-Disposition: form-data; name="picture"{disposition}\r\n\r\n'.encode()
        form = ("Content-Type", "multipart/form-data; boundary=b")
        return await served.request("POST", path, [form], head + content + b"\r\n--b--\r\n")

    answer = await send("/upload", b"12345", '; filename="../../cat.png"')
    assert (answer.status, answer.text) == (200, "cat.png: 5 bytes")
    assert (tmp_path / "uploads" / "cat.png").read_bytes() == b"12345"
    assert (await send("/upload", b"text", "")).status == 400
    assert (await send("/stream", b"0123456789", "")).text == "10"
    assert (await send("/stream", b"0123456789a", "")).status == 413


async def test_test_a_service(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client that a fixture of levante-devtools gives is played here, for web does not depend on devtools."""

    async def items(_: web.Request) -> web.Response:
        return web.Response(text="Items: none")

    def create_app() -> web.Application:
        app = web.Application()
        app.router.add_get("/items", items)
        return app

    class Client:
        def __init__(self, served: Any) -> None:
            self._served = served

        def get(self, path: str) -> "Client":
            self._path = path
            return self

        async def __aenter__(self) -> "Client":
            self._answer = await self._served.get(self._path)
            self.status = self._answer.status
            return self

        async def __aexit__(self, *_: object) -> None:
            return None

        async def text(self) -> str:
            return str(self._answer.text)

    async def levante_client(app: web.Application) -> Client:
        return Client(await serve(app))

    module = ModuleType("shop.app")
    module.create_app = create_app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.app", module)
    await examples("docs/how-to/test-a-service.md")["test_the_list_is_there"](levante_client)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_page_has_an_example_that_no_test_runs(page: Path) -> None:
    """A test that runs the examples of a page names it, by its file or, of a guide, by its stem."""
    names = [f'"{page.name}"', f'"{page.stem}"', f'"{page}"'] if page != README else [f'"{page}"']
    naming = [
        path
        for folder in (*(ROOT / "packages").glob("*/tests"), ROOT / "tests")
        for path in folder.rglob("test_*.py")
        if any(name in (text := path.read_text(encoding="utf-8")) for name in names)
        and re.search(r"\bexec\(|\(program=", text)
    ]
    assert naming, f"the examples of {page} are run by no test"
