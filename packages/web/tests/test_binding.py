import errno
import socket
from pathlib import Path
from typing import Any

import pytest

from levante.web import binding
from levante.web.addresses import Addresses
from levante.web.binding import bind_tcp, bind_unix, inode, look_up, remove_unix
from levante.web.sites import ListenError


def addresses(**given: Any) -> Addresses:
    values = {"host": None, "port": None, "path": None, "sock": None, "reuse_address": None, "reuse_port": None}
    return Addresses(**{**values, "backlog": 5, **given})


@pytest.mark.parity("S54")
def test_all_interfaces_have_one_port() -> None:
    sockets = bind_tcp(look_up(None, 0))
    assert len({sock.getsockname()[1] for sock in sockets}) == 1
    for sock in sockets:
        sock.close()


@pytest.mark.parity("S54")
def test_addresses_that_are_not_here_are_passed_over_if_others_are() -> None:
    here, elsewhere = look_up("127.0.0.1", 0), look_up("192.0.2.1", 0)
    (sock,) = bind_tcp([*elsewhere, *here])
    assert sock.getsockname()[0] == "127.0.0.1"
    sock.close()
    with pytest.raises(OSError, match=r".*") as caught:
        bind_tcp(elsewhere)
    assert caught.value.errno == errno.EADDRNOTAVAIL
    with pytest.raises(OSError, match=r".*") as caught:
        bind_tcp([])
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_one_taken_address_closes_the_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        infos = [*look_up("127.0.0.2", 0), *look_up("127.0.0.1", taken.getsockname()[1])]
        with pytest.raises(OSError, match=r".*") as caught:  # an unclosed socket would be a warning, and so a failure
            bind_tcp(infos)
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parity("S52")
def test_a_shared_port(monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = bind_tcp(look_up("127.0.0.1", 0), reuse_port=True)
    (second,) = bind_tcp(look_up("127.0.0.1", first.getsockname()[1]), reuse_port=True)
    assert first.getsockname() == second.getsockname()
    first.close()
    second.close()
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    with pytest.raises(ValueError, match="reuse_port is not supported"):
        bind_tcp(look_up("127.0.0.1", 0), reuse_port=True)


@pytest.mark.parity("S54")
def test_unix_sockets(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    first = bind_unix(path)
    made = inode(path)
    second = bind_unix(path)  # what was left there is replaced
    remove_unix(path, made if inode(path) != made else 0)
    assert Path(path).exists()
    remove_unix(path, inode(path))
    assert not Path(path).exists()
    assert inode(path) == 0
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match="in use"):
        bind_unix(str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "kept"
    hidden = bind_unix("\0levante-test-of-binding")
    assert inode("\0levante-test-of-binding") == 0
    for sock in (first, second, hidden):
        sock.close()


@pytest.mark.parity("S52", "U10")
def test_all_at_once_without_an_event_loop(tmp_path: Path) -> None:
    given = socket.socket()
    given.bind(("127.0.0.1", 0))
    wanted = addresses(host=["127.0.0.1"], port=0, path=[tmp_path / "a", str(tmp_path / "b")], sock=given)
    sockets = wanted.bind(secure=False)
    assert len(sockets) == 4
    for sock in sockets:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        sock.close()


def test_what_fails_is_named_and_the_rest_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ListenError, match=r"cannot listen at https://192\.0\.2\.1:8443: Cannot assign"):
        addresses(host=["127.0.0.1", "192.0.2.1"], port=None, path=tmp_path / "s").bind(secure=True)

    def broken(*_: object) -> None:
        raise RuntimeError("not the system's fault")

    monkeypatch.setattr("levante.web.addresses.look_up", broken)
    with pytest.raises(RuntimeError, match="not the system's fault"):
        addresses(host="127.0.0.1", port=0, path=tmp_path / "t").bind(secure=False)
    assert binding.inode(str(tmp_path / "t")) != 0
