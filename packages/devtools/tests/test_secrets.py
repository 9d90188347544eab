"""`devtools secrets`: keys made, put first, put last, promoted, dropped; files kept private, and else as they are."""

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from levante.devtools.cli import main
from levante.sessions import generate_key, parse_keys

pytestmark = pytest.mark.hardening("S3", "S4")


def secrets(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["secrets", *arguments])


def keys_in(file: Path, name: str = "SECRET_KEYS") -> list[str]:
    (line,) = [line for line in file.read_text().splitlines() if line.startswith(f"{name}=")]
    return line.partition("=")[2].split(",")


@pytest.fixture
def env(tmp_path: Path) -> Path:
    file = tmp_path / ".env"
    file.write_text(f"# a comment\nPORT=8000\nSECRET_KEYS={generate_key()}\nHOST=0.0.0.0")
    return file


def test_a_new_key() -> None:
    first, second = secrets("new").output, secrets("new").output
    assert first != second
    assert len(parse_keys(first.strip())) == 1


def test_a_rotation(env: Path) -> None:
    (first,) = keys_in(env)
    done = secrets("rotate", str(env))
    assert (done.exit_code, done.output) == (0, f"{env}: 2 keys, 0 dropped; restart the service to use them\n")
    second, kept = keys_in(env)
    assert kept == first
    assert "1 dropped" in secrets("rotate", str(env)).output
    third, kept = keys_in(env)
    assert (kept, len({first, second, third})) == (second, 3)
    assert env.read_text().replace(f"{third},{second}", "") == "# a comment\nPORT=8000\nSECRET_KEYS=\nHOST=0.0.0.0"
    if sys.platform != "win32":
        assert env.stat().st_mode & 0o777 == 0o600
    assert list(env.parent.iterdir()) == [env]


def test_two_deploys(env: Path) -> None:
    (old,) = keys_in(env)
    assert secrets("rotate", str(env), "--last").exit_code == 0
    assert keys_in(env)[0] == old
    new = keys_in(env)[1]
    assert secrets("rotate", str(env), "--promote").exit_code == 0
    assert keys_in(env) == [new, old]
    assert secrets("rotate", str(env), "--promote", "--keep", "1").exit_code == 0
    assert keys_in(env) == [old]
    done = secrets("rotate", str(env), "--promote")
    assert (done.exit_code, keys_in(env)) == (2, [old])
    assert "has 1 keys; expected two or more" in done.output


@pytest.mark.parametrize("line", ["export SECRET_KEYS=", 'SECRET_KEYS="{}"', "SECRET_KEYS = '{}'  # of the shop"])
def test_lines_as_people_write_them(tmp_path: Path, line: str) -> None:
    file, key = tmp_path / ".env", generate_key()
    file.write_text(line.format(key) + "\nPORT=1\n")
    assert secrets("rotate", str(file)).exit_code == 0
    before, _, after = line.partition("{}")
    text = file.read_text()
    assert text.startswith(before)
    assert text.endswith(after + "\nPORT=1\n")
    assert len(parse_keys(text[len(before) : -len(after + "\nPORT=1\n")])) == 1 + ("{}" in line)


def test_a_file_of_keys_alone_and_another_name(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(generate_key() + "=\n")
    assert secrets("rotate", str(file)).exit_code == 0
    assert len(parse_keys(file.read_text().strip())) == 2
    file.write_text("SHOP_KEYS=\nOTHER=1\n")
    assert secrets("rotate", str(file), "--name", "SHOP_KEYS").exit_code == 0
    assert len(keys_in(file, "SHOP_KEYS")) == 1


def test_what_is_no_such_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert (secrets("rotate", str(file)).exit_code, file.exists()) == (2, False)
    file.write_text("PORT=1\n")
    done = secrets("rotate", str(file))
    assert (done.exit_code, file.read_text()) == (2, "PORT=1\n")
    assert "has no line SECRET_KEYS=..." in done.output
    file.write_text("SECRET_KEYS=hunter2\n")
    done = secrets("rotate", str(file))
    assert (done.exit_code, file.read_text()) == (2, "SECRET_KEYS=hunter2\n")
    assert "drop it before you rotate" in done.output
    assert "hunter2" not in done.output


def test_a_write_that_fails_changes_nothing(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = env.read_text()

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    assert isinstance(secrets("rotate", str(env)).exception, OSError)
    assert (env.read_text(), list(env.parent.iterdir())) == (before, [env])


def test_line_ends_stay_what_they_are(tmp_path: Path) -> None:
    file, key = tmp_path / ".env", generate_key()
    file.write_bytes(f"A=1\r\nSECRET_KEYS={key}\r\nB=2\r\n".encode())
    assert secrets("rotate", str(file)).exit_code == 0
    first, line, *rest = file.read_bytes().split(b"\r\n")
    assert (first, line.endswith(f",{key}".encode()), rest) == (b"A=1", True, [b"B=2", b""])


def test_a_name_that_stands_there_twice(env: Path) -> None:
    with env.open("a") as file:
        file.write(f"\nexport SECRET_KEYS={generate_key()}\n")
    before = env.read_text()
    done = secrets("rotate", str(env))
    assert (done.exit_code, env.read_text()) == (2, before)
    assert "has 2 lines SECRET_KEYS=..., and only one of them counts" in done.output


def test_somebody_elses_change_is_not_lost(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def change(descriptor: int) -> None:
        sync(descriptor)
        env.write_text("CHANGED=1\n")

    monkeypatch.setattr(os, "fsync", change)
    done = secrets("rotate", str(env))
    assert (done.exit_code, env.read_text()) == (2, "CHANGED=1\n")
    assert "was changed meanwhile; call this again" in done.output
    assert list(env.parent.iterdir()) == [env]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_stays_its_owners(env: Path) -> None:
    os.chown(env, 12345, 12346)
    assert secrets("rotate", str(env)).exit_code == 0
    assert (env.stat().st_uid, env.stat().st_gid, env.stat().st_mode & 0o777) == (12345, 12346, 0o600)


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such owners there")
def test_a_file_of_somebody_else(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, stat = env.read_text(), Path.stat

    def anothers(path: Path, **options: bool) -> os.stat_result:
        found = stat(path, **options)
        return os.stat_result([*found[:4], found[4] + 1, *found[5:]]) if path == env else found

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "stat", anothers)
    monkeypatch.setattr(os, "chown", refuse)
    done = secrets("rotate", str(env))
    assert (done.exit_code, env.read_text()) == (2, before)
    assert "belongs to another user" in done.output


def test_a_link_stays_one(env: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(env)
    assert secrets("rotate", str(link)).exit_code == 0
    assert link.is_symlink()
    assert len(keys_in(env)) == 2
