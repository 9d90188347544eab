"""Whoever may write below a static folder swaps what was found for a link to the outside before it is opened."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_ways import way as way

from levante import web
from levante.web.file_access import AtOnce, Waiting

pytestmark = [pytest.mark.hardening("S21"), pytest.mark.usefixtures("way")]

ENOUGH = 300
"""Answers of each kind: that from inside, and a refusal."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder, text in ((tmp_path / "root" / "sub", "inside"), (tmp_path / "out", "SECRET")):
        folder.mkdir(parents=True)
        for name in ("page.html", "page.html.gz", f"{text}.txt"):
            (folder / name).write_text(text)
    (tmp_path / "to-out").symlink_to(tmp_path / "out")
    return tmp_path / "root"


async def serving(serve: Any, root: Path) -> Any:
    app = web.Application()
    app.router.add_static("/s", root, show_index=True)
    return await serve(app)


@pytest.fixture
def swapping(root: Path) -> Iterator[threading.Event]:
    """A thread in which a folder becomes a link to the outside, and a folder again, until the event is set: each for a
    moment, most of them shorter than a request takes, so that there are answers of both kinds.
    """
    done, chance = threading.Event(), random.Random(7)
    folder, aside, link = root / "sub", root.parent / "aside", root.parent / "to-out"

    def swap() -> None:
        while not done.is_set():
            folder.rename(aside)
            link.rename(folder)
            done.wait(chance.random() / 1000)
            folder.rename(link)
            aside.rename(folder)
            done.wait(chance.random() / 1000)

    thread = threading.Thread(target=swap)
    thread.start()
    yield done
    done.set()
    thread.join()


@pytest.mark.parametrize(
    ("target", "accepts"), [("/s/sub/page.html", "identity"), ("/s/sub/page.html", "gzip"), ("/s/sub/", "identity")]
)
async def test_a_folder_that_is_swapped_all_the_time(
    serve: Any, root: Path, swapping: threading.Event, target: str, accepts: str
) -> None:
    peer = await (await serving(serve, root)).connect()
    seen = {200: 0, 404: 0}
    while min(seen.values()) < ENOUGH:
        answer = await peer.request("GET", target, [("Accept-Encoding", accepts)])
        assert "SECRET" not in answer.text
        seen[answer.status] += 1
        if answer.status == 200:
            assert "inside" in answer.text
    swapping.set()


@pytest.mark.parametrize("moment", ["resolve", "look", "look_behind", "open"])
@pytest.mark.parametrize("what", ["file", "folder"])
async def test_what_is_swapped_at_the_worst_moment(
    serve: Any, root: Path, monkeypatch: pytest.MonkeyPatch, moment: str, what: str
) -> None:
    served = await serving(serve, root)
    swapped = root / "sub" if what == "folder" else root / "sub" / "page.html"
    target = root.parent / "out" if what == "folder" else root.parent / "out" / "page.html"

    def swap() -> None:
        if not swapped.is_symlink():
            swapped.rename(root.parent / "aside")
            swapped.symlink_to(target)

    for kind in (AtOnce, Waiting):
        real = getattr(kind, moment)

        def swap_around(*args: Any, real: Any = real, **options: Any) -> Any:
            if moment != "resolve":
                swap()
            try:
                return real(*args, **options)
            finally:
                swap()

        monkeypatch.setattr(kind, moment, swap_around)
    answer = await served.get("/s/sub/page.html")
    assert swapped.is_symlink()
    assert "SECRET" not in answer.text
    assert answer.status == 404 or (moment == "open" and answer.text == "inside")
    monkeypatch.undo()
    assert (await served.get("/s/sub/page.html")).status == 404
