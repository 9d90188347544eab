"""Our application on the ASGI servers that people run: uvicorn, hypercorn and granian, each as a real process."""

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, InformationalResponseReceived, ResponseReceived, StreamEnded, TrailersReceived
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parity("U3"),
    pytest.mark.skipif(os.name != "posix", reason="signals end the servers"),
]

HERE = Path(__file__).parent
PATIENCE = 20.0
COMMANDS = {
    "uvicorn": ["uvicorn", "--port", "{port}", "--no-access-log"],
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:{port}"],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}"],
}


class Subject:
    """A server with our application."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.story = folder / "story"
        self.log = folder / "log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [part.format(port=self.port) for part in COMMANDS[name]]
        environment = {**os.environ, "ASGI_STORY": str(self.story), "PYTHONPATH": str(HERE), "PYTHONWARNINGS": ""}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command, "asgi_subject:application"],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.wait_for(self.answers)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.request("GET", "/hello/x")[0] == 200
        except OSError:
            return False

    def wait_for(self, condition: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def told(self) -> list[str]:
        return self.story.read_text().split("\n")[:-1] if self.story.exists() else []

    def wait_until_told(self, what: str) -> None:
        self.wait_for(lambda: what in self.told())

    def request(
        self, method: str, target: str, body: Any = None, headers: Any = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def announce(self, target: str, length: int) -> int:
        """The status of a POST whose body is announced and not sent: a server that closes behind its refusal, as
        hypercorn does, would reset a connection on which it is still being sent to."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as sock:
            sock.sendall(f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode())
            response = http.client.HTTPResponse(sock)
            response.begin()
            return response.status

    def open(self, target: str) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return sock

    def talk(self, **options: Any) -> Any:
        return connect(f"ws://127.0.0.1:{self.port}/talk", open_timeout=PATIENCE, proxy=None, **options)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.stop()


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.fixture(scope="module", params=sorted(COMMANDS))
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    started = Subject(request.param, tmp_path_factory.mktemp(request.param))
    yield started
    started.kill()


def test_requests(subject: Subject) -> None:
    status, headers, body = subject.request("GET", "/hello/w%20d%2Fx?q=%C3%A4")
    assert (status, body.decode()) == (200, "hello w d/x \u00e4")
    assert headers.get_all("X-Two") == ["1", "2"]
    assert headers["Set-Cookie"] == "a=b; Path=/"
    assert headers["Content-Length"] == str(len(body))
    assert len(headers.get_all("Date") or ()) == len(headers.get_all("Server") or ()) == 1
    status, headers, body = subject.request("HEAD", "/hello/x")
    assert (status, headers["Content-Length"], body) == (200, "8", b"")
    facts = json.loads(subject.request("GET", "/facts?x=1")[2])
    assert ("http.response.pathsend" in facts.pop("extensions")) is (subject.name == "granian")
    assert facts == {
        "url": f"http://127.0.0.1:{subject.port}/facts?x=1",
        "remote": "127.0.0.1",
        "version": [1, 1],
        "server": "127.0.0.1",
        "disconnected": False,
    }
    assert subject.request("GET", "/nothing")[0] == 404
    assert subject.request("POST", "/facts")[1]["Allow"] == "GET,HEAD"


def test_bodies(subject: Subject) -> None:
    body = bytes(range(256)) * 3000
    assert subject.request("POST", "/size", body)[2] == str(len(body)).encode()
    assert subject.announce("/size", 2 * len(body)) == 413
    assert subject.request("POST", "/echo", body * 4)[2] == body * 4
    assert subject.request("POST", "/echo", iter([body, b"tail"]))[2] == body + b"tail"  # in chunks
    assert subject.request("POST", "/size", b"")[2] == b"0"
    status, headers, sent = subject.request("GET", "/file")
    assert (status, sent) == (200, (HERE / "asgi_subject.py").read_bytes())
    part = subject.request("GET", "/file", headers={"Range": "bytes=1-9"})
    assert (part[0], part[2]) == (206, sent[1:10])
    tag = {"If-None-Match": headers["ETag"]}
    assert subject.request("GET", "/file", headers=tag)[0] == 304


def test_failures(subject: Subject) -> None:
    assert subject.request("GET", "/broken")[0] == 500
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        subject.request("GET", "/broken?late")
    assert subject.log.read_text().count('in broken\n    raise LookupError("on purpose")') == 2


@pytest.mark.parity("U12", "U13")
def test_clients_that_leave(subject: Subject) -> None:
    sock = subject.open("/endless")
    assert sock.recv(10)
    reset(sock)
    subject.wait_until_told("endless PeerDisconnected")
    for target, end in (("/wait", "disconnected"), ("/cancelled", "cancelled")):
        before = subject.told().count("waiting")
        sock = subject.open(target)
        subject.wait_for(lambda before=before: subject.told().count("waiting") > before)
        reset(sock)
        subject.wait_until_told(end)
    assert subject.answers()


@pytest.mark.parity("U22")
def test_what_has_no_message(subject: Subject) -> None:
    assert subject.request("GET", "/early")[2] == b"body"  # hints and trailers are lost, and nothing else


class OverHTTP2:
    """A client of HTTP/2 by prior knowledge: what one request comes to."""

    def __init__(self, subject: Subject) -> None:
        self.sock = socket.create_connection(("127.0.0.1", subject.port), timeout=PATIENCE)
        self.engine = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.engine.initiate_connection()

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[list[Any], bytes]:
        """The heads that came (interim, final, trailers), and the body."""
        stream = self.engine.get_next_available_stream_id()
        fields = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "a"), ("te", "trailers")]
        self.engine.send_headers(stream, fields, end_stream=body is None)
        if body is not None:
            self.engine.send_data(stream, body, end_stream=True)
        heads: list[Any] = []
        received = b""
        while True:
            self.sock.sendall(self.engine.data_to_send())
            for event in self.engine.receive_data(self.sock.recv(65536)):
                if isinstance(event, DataReceived):
                    received += event.data
                elif isinstance(event, StreamEnded):
                    return heads, received
                elif isinstance(event, InformationalResponseReceived | ResponseReceived | TrailersReceived):
                    heads.append(dict(event.headers))


@pytest.mark.parity("U22")
def test_http2(tmp_path: Path) -> None:
    subject = Subject("hypercorn", tmp_path)
    try:
        client = OverHTTP2(subject)
        heads, body = client.request("GET", "/early")
        assert heads[0][":status"] == "103"
        assert heads[0]["link"] == "</a.css>; rel=preload"
        assert heads[1][":status"] == "200"
        assert "transfer-encoding" not in heads[1]
        assert heads[2] == {"x-sum": "4"}
        assert body == b"body"
        assert client.request("POST", "/size", b"x" * 1000)[1] == b"1000"  # without a Content-Length
        assert client.request("GET", "/hello/x")[1] == b"hello x "
        assert json.loads(client.request("GET", "/facts")[1])["version"] == [2, 0]
        client.sock.close()
    finally:
        subject.kill()


def test_websockets(subject: Subject) -> None:
    with subject.talk(subprotocols=["other", "chat"]) as client:
        assert client.subprotocol == "chat"
        if subject.name != "granian":  # which sends no headers of the application with 101
            assert client.response.headers["X-Own"] == "yes"
        client.send("h\u00e4llo")
        assert client.recv(PATIENCE) == "h\u00e4llo at /talk"
        client.send("ping")  # answered by the server, and not seen by either
        client.send(b"\0\1" * 40_000)
        assert client.recv(PATIENCE) == b"\0\1" * 40_000
        for number in range(200):
            client.send(f"{number}")
        assert [client.recv(PATIENCE) for _ in range(200)] == [f"{number} at /talk" for number in range(200)]
        client.close(4001)
    # hypercorn keeps the client's code to itself
    subject.wait_until_told("talk ended 1006" if subject.name == "hypercorn" else "talk ended 4001")


def ended(client: Any) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(PATIENCE)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def test_how_websockets_end(subject: Subject) -> None:
    with subject.talk() as client:
        client.send("bye")
        assert ended(client) == (4000, "said bye")
    with subject.talk() as client:
        client.send("break")
        assert ended(client)[0] == 1011
    with subject.talk() as client:
        client.send(b"x" * 200_000)
        assert ended(client)[0] == 1009
    with subject.talk() as client:
        client.send("hi")
        client.recv(PATIENCE)
        before = len(subject.told())
        client.socket.shutdown(socket.SHUT_RDWR)
        subject.wait_for(lambda: len(subject.told()) > before)
    assert subject.told()[-1].startswith("talk ended 10")
    with pytest.raises(InvalidStatus) as refused:
        subject.talk(origin="http://elsewhere")
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_startup_and_cleanup(name: str, tmp_path: Path) -> None:
    subject = Subject(name, tmp_path)
    try:
        assert subject.told() == ["startup"]
        status = subject.stop()
    finally:
        subject.kill()
    assert status in (0, -signal.SIGTERM)
    assert subject.told() == ["startup", "cleanup"]
    assert "Traceback" not in subject.log.read_text()
