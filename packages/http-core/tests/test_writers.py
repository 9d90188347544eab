"""Heads and chunks to bytes."""

from http import HTTPMethod, HTTPStatus

import pytest
from multidict import CIMultiDict, istr

from levante.http import IllegalCharacter, LocalProtocolError
from levante.http.writers import (
    SEEN_CONTENT_LENGTH,
    chunk,
    encode,
    field_block,
    last_chunk,
    request_line,
    status_line,
)


class TestFields:
    @pytest.mark.parametrize(
        "headers",
        [
            [("A", "b"), ("C", "d")],
            (("A", "b"), ("C", "d")),
            {"A": "b", "C": "d"},
            CIMultiDict([("A", "b"), ("C", "d")]),
            [(istr("A"), "b"), (istr("C"), istr("d"))],
            iter([("A", "b"), ("C", "d")]),
        ],
        ids=["list", "tuple", "dict", "multidict", "istr", "iterator"],
    )
    def test_shapes(self, headers: object) -> None:
        assert field_block(headers).text == "A: b\r\nC: d\r\n"  # type: ignore[arg-type]

    def test_what_cannot_change_is_assembled_once(self) -> None:
        constant = (("A", "b"), ("C", "d"))
        assert field_block(constant) is field_block(constant)
        assert field_block(constant, SEEN_CONTENT_LENGTH) is not field_block(constant)
        pairs: tuple[list[str], ...] = (["A", "b"],)
        assert field_block(pairs).text == "A: b\r\n"  # type: ignore[arg-type]
        pairs[0][1] = "c"
        assert field_block(pairs).text == "A: c\r\n"  # type: ignore[arg-type]

    def test_what_is_noted(self) -> None:
        block = field_block(
            [("connection", "x, Close, UPGRADE"), ("Content-length", "007"), ("transfer-Encoding", " Chunked")]
        )
        assert (block.close, block.upgrade, block.length, block.chunked) == (True, True, 7, True)

    def test_dropping(self) -> None:
        block = field_block([("Content-Length", "1"), ("A", "b")], SEEN_CONTENT_LENGTH)
        assert (block.text, block.length, block.seen) == ("A: b\r\n", -1, 0)

    def test_bytes_come_back(self) -> None:
        assert encode((field_block([("X", "\u00e9\udcff\t\u2028")]).text,)) == b"X: \xc3\xa9\xff\t\xe2\x80\xa8\r\n"

    @pytest.mark.parity("S30")
    @pytest.mark.hardening("H87")
    @pytest.mark.parametrize("octet", [*range(9), *range(10, 32), 127])
    def test_control_characters(self, octet: int) -> None:
        for headers in ([("X", f"a{chr(octet)}b")], [(f"X{chr(octet)}", "b")]):
            with pytest.raises(IllegalCharacter):
                field_block(headers)
        with pytest.raises(IllegalCharacter):
            status_line(200, f"O{chr(octet)}K")

    @pytest.mark.parametrize("name", ["", "X Y", "X:", "\u212a", "X\u00e9"])
    def test_names(self, name: str) -> None:
        for _ in range(2):
            with pytest.raises(IllegalCharacter):
                field_block([(name, "x")])

    def test_names_must_be_text(self) -> None:
        with pytest.raises(TypeError):
            field_block([(b"X", "y")])  # type: ignore[list-item]

    def test_many_names_are_not_all_remembered(self) -> None:
        for number in range(3000):
            assert field_block([(f"X-{number}", "y")]).text == f"X-{number}: y\r\n"


class TestLines:
    def test_status(self) -> None:
        for _ in range(2):
            assert status_line(200, None) == "HTTP/1.1 200 OK\r\n"
        assert status_line(HTTPStatus.NOT_FOUND, None) == "HTTP/1.1 404 Not Found\r\n"
        assert status_line(299, "\u00e9\tx") == "HTTP/1.1 299 \u00e9\tx\r\n"
        assert status_line(599, None).startswith("HTTP/1.1 599 ")
        for reason in (None, "x"):
            with pytest.raises(LocalProtocolError):
                status_line(99, reason)

    def test_request(self) -> None:
        assert request_line("GET", "/x?y") == "GET /x?y HTTP/1.1\r\n"
        assert request_line(HTTPMethod.PUT, "*") == "PUT * HTTP/1.1\r\n"


class TestChunks:
    def test_chunk(self) -> None:
        assert chunk(b"x" * 255) == b"ff\r\n" + b"x" * 255 + b"\r\n"

    def test_last_chunk(self) -> None:
        assert last_chunk(None) == last_chunk({}) == b"0\r\n\r\n"
        assert last_chunk([("X", "y")]) == b"0\r\nX: y\r\n\r\n"

    @pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "Host", "Connection"])
    def test_trailers_that_would_frame(self, name: str) -> None:
        with pytest.raises(LocalProtocolError):
            last_chunk({name: "chunked" if name == "Transfer-Encoding" else "5"})
