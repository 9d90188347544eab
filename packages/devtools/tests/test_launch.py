"""Both launchers start, kill and report children; the fork server says what it cannot load."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from levante.devtools.discover import find_target
from levante.devtools.launch import ForkLauncher, Launcher, SpawnLauncher, launcher_class
from levante.devtools.wire import Channel, Message

PATIENCE = 30.0
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Reports:
    """What a launcher has reported, to be waited for."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Message] = asyncio.Queue()

    def __call__(self, launcher: Launcher, message: Message) -> None:
        self.queue.put_nowait(message)

    async def next(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            return await self.queue.get()


Make = Callable[[type[Launcher]], Launcher]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    (tmp_path / "launched_app.py").write_text("from levante.web import Application\napp = Application()\n")
    target = find_target(tmp_path / "launched_app.py")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made: list[Launcher] = []

        def launcher(kind: type[Launcher]) -> Launcher:
            options = {"target": target.to_json(), "livereload": False, "verbose": False}
            made.append(
                kind(options, listening=listening, environment=dict(os.environ), folder=tmp_path, report=Reports())
            )
            return made[-1]

        yield launcher
        for one in made:
            await one.close()


async def start(launcher: Launcher, number: int) -> Channel:
    mine, theirs = socket.socketpair()
    launcher.start({"child": number, "died": ""}, theirs)
    return await Channel.open(mine)


async def ready(control: Channel) -> Message:
    async with asyncio.timeout(PATIENCE):
        message = await control.receive()
    assert message is not None
    return message


@pytest.mark.parametrize("kind", [pytest.param(ForkLauncher, marks=posix), SpawnLauncher])
async def test_child_serves_and_goes_when_told(make: Make, kind: type[Launcher]) -> None:
    launcher = make(kind)
    await launcher.open(["json"])
    control = await start(launcher, 1)
    message = await ready(control)
    assert (message["event"], message["problem"]) == ("ready", "")
    launcher.preload(["no_such_library", "decimal"])
    control.send({"order": "reload"})
    assert await control.receive() is None
    assert await launcher._report.next() == {"event": "exit", "child": 1, "status": 0}
    await control.close()


@pytest.mark.parametrize("kind", [pytest.param(ForkLauncher, marks=posix), SpawnLauncher])
async def test_child_is_killed(make: Make, kind: type[Launcher]) -> None:
    launcher = make(kind)
    await launcher.open(["no_such_library", "levante.web"])
    control = await start(launcher, 4)
    await ready(control)
    launcher.kill(3)
    launcher.kill(4)
    report = await launcher._report.next()
    assert (report["event"], report["child"]) == ("exit", 4)
    assert report["status"] != 0
    await control.close()


@pytest.mark.parametrize("kind", [pytest.param(ForkLauncher, marks=posix), SpawnLauncher])
async def test_child_goes_when_its_parent_is_gone(make: Make, kind: type[Launcher]) -> None:
    launcher = make(kind)
    await launcher.open([])
    control = await start(launcher, 1)
    await ready(control)
    await control.close()
    assert await launcher._report.next() == {"event": "exit", "child": 1, "status": 0}


async def test_spawned_children_are_ended_with_their_launcher(make: Make) -> None:
    launcher = make(SpawnLauncher)
    await launcher.open([])
    control = await start(launcher, 1)
    await launcher.close()
    assert (await launcher._report.next())["event"] == "exit"
    await control.close()


@posix
async def test_library_that_starts_a_thread_is_reported(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "threading_library.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    launcher = make(ForkLauncher)
    await launcher.open(["json", "threading_library"])
    assert await launcher._report.next() == {"event": "threaded", "module": "threading_library"}
    assert await launcher._report.next() == {"event": "gone"}
    launcher.preload(["json"])  # lost, and no error


@posix
async def test_fork_server_that_does_not_go_is_killed(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "endless_library.py").write_text(
        "import pathlib, threading\npathlib.Path('loading').touch()\nthreading.Event().wait()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("levante.devtools.launch.FAREWELL", 0.05)
    launcher = make(ForkLauncher)
    await launcher.open(["endless_library"])
    await launcher.close()
    assert launcher._process.returncode != 0
    make_closed(launcher)


def make_closed(launcher: Launcher) -> None:
    """Let the fixture close it a second time without effect."""

    async def nothing() -> None:
        return None

    launcher.close = nothing


def test_spawn_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVANTE_DEV_LAUNCHER", "spawn")
    assert launcher_class() is SpawnLauncher
    monkeypatch.delenv("LEVANTE_DEV_LAUNCHER")
    assert launcher_class() is (ForkLauncher if hasattr(os, "fork") else SpawnLauncher)
    monkeypatch.delattr(socket, "send_fds")
    assert launcher_class() is SpawnLauncher
