"""Each way by which a file is found, opened and read, one after the other, for tests of what is served."""

import errno
import os
from functools import partial
from typing import Any

import pytest

from levante.web import file_access, openat2


class Everything(dict[str, None]):
    """Folders: all that there are."""

    def __contains__(self, _: Any) -> bool:
        return True


class Nothing(dict[str, None]):
    """Folders: none, whoever adds one."""

    def __setitem__(self, _: str, __: None) -> None:
        pass


@pytest.fixture(params=["by the loop", "by threads", "without openat2"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By the loop wherever it need not wait, by threads with openat2 (an overlay file system, say), or by threads on a
    system that has no such call.
    """
    name: str = request.param
    if name != "without openat2" and openat2.find() is None:
        pytest.skip("this system has no openat2")
    if name == "without openat2":
        monkeypatch.setattr(openat2, "find", lambda: None)
    folders = Everything() if name == "by the loop" else Nothing()
    monkeypatch.setattr(file_access, "_readable_at_once", folders)
    if name == "by the loop":
        monkeypatch.setattr(os, "preadv", partial(read_at_once, os.preadv))
    return name


def read_at_once(preadv: Any, descriptor: int, buffers: Any, offset: int, flags: int) -> Any:
    """preadv(), also of files of file systems that cannot tell whether it would wait."""
    try:
        return preadv(descriptor, buffers, offset, flags)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return preadv(descriptor, buffers, offset)
