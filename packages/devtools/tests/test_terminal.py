"""Status lines, signals, and the end of a process in words."""

import asyncio
import os
import signal

import pytest

from levante.devtools import terminal


def test_say_writes_a_label_and_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say("serving", "shop")
    assert capsys.readouterr().out == "serving   shop\n"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exited with status 0"),
        (3, "exited with status 3"),
        (-11, "was killed by SIGSEGV"),
        (-250, "was killed by signal 250"),
    ],
)
def test_end_in_words(status: int, words: str) -> None:
    assert terminal.how_it_ended(status) == words


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
async def test_signals_reach_the_loop() -> None:
    got: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    terminal.mind_signals(got.set_result)
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        assert await asyncio.wait_for(got, 5) == signal.SIGHUP
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
def test_terminal_settings_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty
    import termios

    leader, follower = pty.openpty()
    monkeypatch.setattr(terminal.os, "isatty", lambda _: True)
    real_get, real_set = termios.tcgetattr, termios.tcsetattr
    monkeypatch.setattr(terminal.termios, "tcgetattr", lambda _: real_get(follower))
    monkeypatch.setattr(terminal.termios, "tcsetattr", lambda _, when, it: real_set(follower, when, it))
    settings = terminal.TerminalSettings()
    changed = real_get(follower)
    changed[3] &= ~termios.ECHO
    real_set(follower, termios.TCSANOW, changed)
    settings.restore()
    assert real_get(follower)[3] & termios.ECHO
    os.close(leader)
    os.close(follower)
