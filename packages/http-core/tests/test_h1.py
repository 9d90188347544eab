"""The sans-I/O connection: limits, states, and the rules of sending. The catalogues of malformed input are in
test_vectors.py."""

import pytest
from http_support.engine import GOOD, GOOD_EVENTS, bytewise, receive, serve, splits, whole

from levante.http import (
    NEED_DATA,
    PAUSED,
    Connection,
    ConnectionClosed,
    Data,
    EndOfMessage,
    IncompleteMessage,
    Limits,
    LineTooLong,
    LocalProtocolError,
    RemoteProtocolError,
    RequestHead,
    ResponseHead,
    Role,
)
from levante.http.outgoing import UNKNOWN_LENGTH


@pytest.mark.parity("V4")
@pytest.mark.hardening("H40")
@pytest.mark.parametrize("octet", [o for o in range(256) if o < 0x20 or o == 0x7F])
def test_control_bytes(octet: int) -> None:
    """Every control byte is refused in names and in values, but HTAB in values."""
    name = serve(whole(b"GET / HTTP/1.1\r\nHost: a\r\nX%cY: z\r\n\r\n" % octet))
    value = serve(whole(b"GET / HTTP/1.1\r\nHost: a\r\nX: y%cz\r\n\r\n" % octet))
    assert name[-1][0] == "error"
    assert value[-1][0] == ("end" if octet == 9 else "error")


@pytest.mark.parity("V42")
@pytest.mark.parametrize(
    ("prefix", "status"),
    [(b"GET /", 414), (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", 431), (b"GET / HTTP/1.1\r\nHost: a\r\n", 431)],
)
def test_limits_hold_for_incomplete_lines(prefix: bytes, status: int) -> None:
    """A line without end is refused at its first byte too many, fed byte by byte."""
    connection = Connection(Role.SERVER)
    connection.receive_data(prefix)
    assert connection.next_event() is NEED_DATA
    line = prefix.rpartition(b"\n")[2]
    fed = len(line)
    with pytest.raises(LineTooLong) as caught:
        while True:
            connection.receive_data(b"a")
            fed += 1
            connection.next_event()
    assert (caught.value.status, fed) == (status, 8192)


def test_whole_head_limit_holds_for_incomplete_heads() -> None:
    events = serve([b"GET / HTTP/1.1\r\nHost: a\r\n", *(b"X: " + b"v" * 1000 + b"\r\n" for _ in range(70))])
    assert events[-1][1:3] == ("LimitExceeded", 431)


class TestReceiving:
    def test_error_is_raised_again(self) -> None:
        connection = Connection(Role.SERVER)
        connection.receive_data(b"\0")
        for _ in range(2):
            with pytest.raises(RemoteProtocolError):
                connection.next_event()
        assert "ERROR" in repr(connection)

    def test_close_when_idle_is_no_error(self) -> None:
        connection = Connection(Role.SERVER)
        connection.receive_data(None)
        assert connection.next_event() is ConnectionClosed
        assert connection.next_event() is ConnectionClosed

    @pytest.mark.hardening("H02")
    @pytest.mark.parametrize("lines", [b"\r\n", b"\r\n\r\n"])
    def test_close_behind_empty_lines_is_no_error(self, lines: bytes) -> None:
        """What is forgiven before a request is forgiven where none follows."""
        for pieces in splits(GOOD + lines):
            assert serve(pieces, eof=True) == GOOD_EVENTS
        for rest in (b"\r", lines + b"\r", lines + b"G"):
            assert serve([GOOD + rest], eof=True)[-1][1] == "IncompleteMessage"

    @pytest.mark.hardening("H75")
    @pytest.mark.parametrize(
        "data",
        [
            b"GET / HT",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        ],
    )
    def test_eof_inside_a_message(self, data: bytes) -> None:
        for pieces in splits(data):
            assert serve(pieces, eof=True)[-1][1] == "IncompleteMessage"

    @pytest.mark.parametrize("data", [b"T #", b"GET /\xff", b"GET / HTTP/1.1\r\nX Y"])
    def test_eof_behind_a_bad_byte(self, data: bytes) -> None:
        """The byte decides, also where its line was to be looked at once it is complete."""
        for pieces in splits(data):
            assert serve(pieces, eof=True)[-1][1] == "RemoteProtocolError"

    def test_unparsed_bytes_are_counted_and_kept(self) -> None:
        connection = Connection(Role.SERVER)
        connection.receive_data(GOOD + b"ab")
        assert isinstance(connection.next_event(), RequestHead)
        assert isinstance(connection.next_event(), EndOfMessage)
        connection.receive_data(b"cd")
        assert connection.next_event() is PAUSED
        assert connection.buffered() == 4
        assert connection.trailing_data() == b"abcd"
        assert connection.buffered() == 0

    def test_chunk_ends(self) -> None:
        connection = Connection(Role.SERVER)
        connection.receive_data(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n4\r\nf"
        )
        connection.next_event()
        assert connection.next_event() == Data(b"abcdef", (2, 5))
        assert connection.remaining_body() == UNKNOWN_LENGTH
        connection.receive_data(b"ghi\r\n0\r\n\r\n")
        assert connection.next_event() == Data(b"ghi", (3,))

    def test_remaining_body(self) -> None:
        connection = Connection(Role.SERVER)
        connection.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
        connection.next_event()
        connection.next_event()
        assert connection.remaining_body() == 3

    def test_client_refuses_bytes_before_a_request(self) -> None:
        connection = Connection(Role.CLIENT)
        connection.receive_data(b"HTTP/1.1 200 OK\r\n\r\n")
        with pytest.raises(RemoteProtocolError, match="unsolicited"):
            connection.next_event()

    def test_client_eof_while_idle(self) -> None:
        connection = Connection(Role.CLIENT)
        connection.receive_data(None)
        assert connection.next_event() is ConnectionClosed

    def test_client_eof_instead_of_an_answer(self) -> None:
        assert receive([], eof=True)[-1][1] == IncompleteMessage.__name__

    @pytest.mark.hardening("C35")
    def test_requested_101(self) -> None:
        connection = Connection(Role.CLIENT)
        connection.send_request("GET", "/", [("Host", "a"), ("Connection", "Upgrade"), ("Upgrade", "x")])
        connection.end()
        connection.receive_data(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: X\r\n\r\nrest")
        head = connection.next_event()
        assert isinstance(head, ResponseHead)
        assert head.upgrade == "x"
        assert connection.next_event() is PAUSED
        assert connection.is_switched()
        assert connection.trailing_data() == b"rest"

    def test_connect_becomes_a_tunnel(self) -> None:
        connection = Connection(Role.CLIENT)
        connection.send_request("CONNECT", "a:443", [("Host", "a:443")])
        connection.end()
        connection.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbytes")
        connection.next_event()
        assert connection.is_switched()
        assert connection.trailing_data() == b"bytes"

    def test_connect_refused_has_a_body(self) -> None:
        events = receive([b"HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno"], method="CONNECT")
        assert events[1] == ("data", b"no")


def answering(request: bytes = GOOD, limits: Limits | None = None) -> Connection:
    connection = Connection(Role.SERVER, limits)
    connection.receive_data(request)
    while not isinstance(connection.next_event(), EndOfMessage):
        pass
    return connection


def asked(method: bytes = b"GET", version: bytes = b"1.1", *lines: bytes) -> Connection:
    return answering(
        b"%s / HTTP/%s\r\nHost: a\r\n%s\r\n" % (method, version, b"".join(line + b"\r\n" for line in lines))
    )


class TestResponding:
    def test_known_length(self) -> None:
        connection = asked()
        head = connection.send_response(200, None, [("A", "b")], 3, True, "Date: d\r\n", "Server: s\r\n")
        assert head == b"HTTP/1.1 200 OK\r\nA: b\r\nDate: d\r\nServer: s\r\nContent-Length: 3\r\n\r\n"
        assert connection.takes_plain_bytes(3)
        assert not connection.takes_plain_bytes(4)
        assert connection.send_data(b"a") + connection.send_data(b"bc") + connection.end() == b"abc"
        connection.start_next_cycle()

    def test_given_fields_are_not_added_again(self) -> None:
        headers = [("date", "x"), ("SERVER", "y"), ("Content-Length", "1")]
        head = asked().send_response(200, "Fine", headers, 1, True, "Date: d\r\n", "Server: s\r\n")
        assert head == b"HTTP/1.1 200 Fine\r\ndate: x\r\nSERVER: y\r\nContent-Length: 1\r\n\r\n"

    @pytest.mark.parity("S29")
    def test_unknown_length_is_chunked(self) -> None:
        connection = asked()
        assert connection.send_response(200, None, ()) == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert connection.send_data(b"x" * 16) == b"10\r\n" + b"x" * 16 + b"\r\n"
        assert connection.send_data(b"") == b""
        assert connection.end([("X", "y")]) == b"0\r\nX: y\r\n\r\n"
        assert connection.keep_alive

    @pytest.mark.parity("S29")
    def test_unknown_length_for_http_10_lasts_until_close(self) -> None:
        connection = asked(b"GET", b"1.0", b"Connection: keep-alive")
        assert connection.send_response(200, None, ()) == b"HTTP/1.1 200 OK\r\n\r\n"
        assert connection.takes_plain_bytes(9)
        assert connection.send_data(b"x") + connection.end([("X", "y")]) == b"x"
        assert not connection.keep_alive

    @pytest.mark.parity("S30", "S59")
    @pytest.mark.parametrize(
        ("version", "lines", "keep", "expected"),
        [
            (b"1.1", (), True, b""),
            (b"1.1", (), False, b"Connection: close\r\n"),
            (b"1.1", (b"Connection: close",), True, b"Connection: close\r\n"),
            (b"1.0", (), True, b""),
            (b"1.0", (b"Connection: keep-alive",), True, b"Connection: keep-alive\r\n"),
            (b"1.0", (b"Connection: keep-alive",), False, b""),
        ],
    )
    def test_connection_field(self, version: bytes, lines: tuple[bytes, ...], keep: bool, expected: bytes) -> None:
        head = asked(b"GET", version, *lines).send_response(200, None, (), 0, keep)
        assert head == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + expected + b"\r\n"

    def test_application_closes(self) -> None:
        connection = asked()
        head = connection.send_response(200, None, {"Connection": "close"}, 0)
        assert head.count(b"close") == 1
        connection.end()
        assert not connection.keep_alive
        with pytest.raises(LocalProtocolError, match="next cycle"):
            connection.start_next_cycle()

    @pytest.mark.parity("S29")
    @pytest.mark.hardening("H88")
    @pytest.mark.parametrize("status", [204, 304])
    def test_statuses_without_body(self, status: int) -> None:
        connection = asked()
        head = connection.send_response(
            status, None, [("Content-Length", "5"), ("Transfer-Encoding", "chunked"), ("A", "b")]
        )
        assert head.split(b"\r\n")[1:] == [b"A: b", b"", b""]
        with pytest.raises(LocalProtocolError, match="has none"):
            connection.send_data(b"x")
        assert connection.end() == b""

    @pytest.mark.parity("S29")
    def test_head_keeps_the_length_and_drops_the_body(self) -> None:
        connection = asked(b"HEAD")
        assert b"Content-Length: 5\r\n" in connection.send_response(200, None, (), 5)
        assert connection.drops_body()
        assert connection.send_data(b"hello") + connection.end() == b""

    def test_head_may_claim_another_length(self) -> None:
        assert b"Content-Length: 9\r\n" in asked(b"HEAD").send_response(200, None, [("Content-Length", "9")], 0)

    @pytest.mark.hardening("H88")
    @pytest.mark.parametrize(
        "headers",
        [
            [("Content-Length", "5"), ("Transfer-Encoding", "chunked")],
            [("Content-Length", "4")],
            [("Content-Length", "5"), ("Content-Length", "6")],
            [("Content-Length", "x")],
            [("Content-Length", "\u0665")],
            [("Transfer-Encoding", "gzip")],
            [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
        ],
    )
    def test_framing_that_would_desynchronise(self, headers: list[tuple[str, str]]) -> None:
        with pytest.raises(LocalProtocolError):
            asked().send_response(200, None, headers, 5)

    def test_chunked_for_http_10(self) -> None:
        with pytest.raises(LocalProtocolError, match=r"HTTP/1\.0"):
            asked(b"GET", b"1.0").send_response(200, None, [("Transfer-Encoding", "chunked")])

    def test_chunked_on_wish_although_the_length_is_known(self) -> None:
        connection = asked()
        connection.send_response(200, None, [("Transfer-Encoding", "chunked")], 1)
        assert connection.send_data(b"x") == b"1\r\nx\r\n"

    @pytest.mark.hardening("H88")
    def test_body_unlike_its_length(self) -> None:
        connection = asked()
        connection.send_response(200, None, (), 3)
        with pytest.raises(LocalProtocolError, match="leaves 3"):
            connection.send_data(b"abcd")
        connection.send_data(b"ab")
        with pytest.raises(LocalProtocolError, match="before its Content-Length"):
            connection.end()
        assert not connection.keep_alive

    def test_trailers_need_chunks(self) -> None:
        connection = asked()
        connection.send_response(200, None, (), 0)
        with pytest.raises(LocalProtocolError, match="chunked"):
            connection.end([("X", "y")])

    def test_order_of_sending(self) -> None:
        connection = asked()
        with pytest.raises(LocalProtocolError, match="body data in state IDLE"):
            connection.send_data(b"x")
        with pytest.raises(LocalProtocolError, match="end of a message in state IDLE"):
            connection.end()
        connection.send_response(200, None, (), 0)
        with pytest.raises(LocalProtocolError, match="a head in state BODY"):
            connection.send_response(200, None, (), 0)
        with pytest.raises(LocalProtocolError, match="interim"):
            connection.send_informational(103)

    @pytest.mark.parametrize("status", [99, 1000, 101, 100])
    def test_statuses_that_are_no_final_ones(self, status: int) -> None:
        with pytest.raises(LocalProtocolError):
            asked().send_response(status, None, ())

    def test_informational(self) -> None:
        connection = asked()
        assert connection.send_informational(103, [("Link", "x"), ("Content-Length", "1")]) == (
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        )
        for status in (101, 200):
            with pytest.raises(LocalProtocolError):
                connection.send_informational(status)

    def test_switch(self) -> None:
        connection = asked()
        head = connection.switch(
            101, None, [("Upgrade", "x"), ("Connection", "Upgrade"), ("Content-Length", "1")], "Date: d\r\n"
        )
        assert head == b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\nDate: d\r\n\r\n"
        assert connection.is_switched()

    def test_switch_with_a_wrong_status(self) -> None:
        with pytest.raises(LocalProtocolError, match="status 200"):
            asked().switch(200, None, ())
        tunnel = answering(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
        assert tunnel.switch(200, None, ()) == b"HTTP/1.1 200 OK\r\n\r\n"

    @pytest.mark.hardening("H86")
    def test_switch_before_the_body(self) -> None:
        connection = Connection(Role.SERVER)
        connection.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        connection.next_event()
        with pytest.raises(LocalProtocolError, match="body"):
            connection.switch(101, None, ())

    def test_connect_2xx_has_no_body(self) -> None:
        connection = answering(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
        answer = connection.send_response(200, None, [("Content-Length", "1")], 1)
        assert answer == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

    def test_an_error_is_answered_without_a_request(self) -> None:
        connection = Connection(Role.SERVER)
        connection.receive_data(b"\0")
        with pytest.raises(RemoteProtocolError):
            connection.next_event()
        assert connection.send_response(400, None, (), 0).endswith(b"Connection: close\r\n\r\n")


class TestRequesting:
    def send(self, method: str = "GET", target: str = "/", headers: object = (), length: int = 0) -> bytes:
        return Connection(Role.CLIENT).send_request(method, target, [("Host", "a"), *headers], length)  # type: ignore[misc]

    def test_without_body(self) -> None:
        assert self.send() == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        assert self.send("POST") == b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"

    def test_with_body(self) -> None:
        assert self.send("GET", length=2).endswith(b"Content-Length: 2\r\n\r\n")
        assert self.send("PUT", length=UNKNOWN_LENGTH).endswith(b"Transfer-Encoding: chunked\r\n\r\n")
        assert self.send("PUT", headers=[("Content-Length", "7")], length=UNKNOWN_LENGTH).count(b"7") == 1

    def test_host_is_demanded(self) -> None:
        with pytest.raises(LocalProtocolError, match="Host"):
            Connection(Role.CLIENT).send_request("GET", "/", ())

    @pytest.mark.hardening("C60")
    @pytest.mark.parity("V8")
    @pytest.mark.parametrize(
        ("method", "target", "headers"),
        [
            ("GE T", "/", ()),
            ("GET\r\n", "/", ()),
            ("", "/", ()),
            ("G\u00c9T", "/", ()),
            ("GET", "/ x", ()),
            ("GET", "/\r\nX: y", ()),
            ("GET", "/\0", ()),
            ("GET", "/\u00e9", ()),
            ("GET", "/#x", ()),
            ("GET", "", ()),
            ("GET", "/", [("X", "a\r\nb")]),
            ("GET", "/", [("X", "a\0b")]),
            ("GET", "/", [("X\r\n", "a")]),
            ("GET", "/", [("", "a")]),
            ("GET", "/", [("X Y", "a")]),
            ("GET", "/", [("X\u212a", "a")]),
        ],
    )
    def test_hostile_text_is_refused(self, method: str, target: str, headers: object) -> None:
        with pytest.raises(ValueError):
            self.send(method, target, headers)

    def test_keep_alive_of_both_sides(self) -> None:
        client = Connection(Role.CLIENT)
        client.send_request("GET", "/", [("Host", "a"), ("Connection", "close")])
        client.end()
        client.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        client.next_event()
        client.next_event()
        assert not client.keep_alive

    def test_a_whole_cycle_twice(self) -> None:
        client = Connection(Role.CLIENT)
        server = Connection(Role.SERVER)
        for _ in range(2):
            wire = client.send_request("POST", "/x", [("Host", "a")], 5) + client.send_data(b"hello") + client.end()
            for piece in bytewise(wire):
                server.receive_data(piece)
            events = [server.next_event() for _ in range(3)]
            assert events[1:] == [Data(b"hello"), EndOfMessage()]
            wire = server.send_response(200, None, ()) + server.send_data(b"abc") + server.end({"T": "v"})
            client.receive_data(wire)
            assert isinstance(client.next_event(), ResponseHead)
            assert client.next_event() == Data(b"abc", (3,))
            end = client.next_event()
            assert isinstance(end, EndOfMessage)
            assert end.trailers["T"] == "v"
            client.start_next_cycle()
            server.start_next_cycle()


def test_an_idle_connection_keeps_nothing_of_the_last_body() -> None:
    connection = Connection(Role.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
    events = [connection.next_event() for _ in range(3)]
    assert events[1] == Data(b"hello")
    connection.send_response(200, None, (), 0)
    connection.end()
    connection.start_next_cycle()
    assert (connection.head, connection.data, connection.chunk_ends, connection.buffered()) == (None, b"", None, 0)
