"""Request targets and authorities: the engine and the splitter must agree on what they accept."""

from collections.abc import Iterator

from levante.http import (
    RemoteProtocolError,
    absolute_url,
    decode_path,
    decode_segment,
    local_path,
    parse_authority,
    relative_url,
    requote_path,
    split_target,
)

from .forms import INSTALLED
from .target import Target, expect, expect_equal

METHODS = ("GET", "OPTIONS", "CONNECT", "POST")
WORDS = (
    *(
        b"/",
        b"//",
        b"/..",
        b"/.",
        b"\\",
        b"?",
        b"#",
        b"%",
        b"%2F",
        b"%25",
        b"%00",
        b"%c0%af",
        b"%C3%A9",
        b"%zz",
        b"http://",
        b"https://",
    ),
    *(
        b":",
        b":80",
        b":65536",
        b"@",
        b"[",
        b"]",
        b"[::1]",
        b"[::ffff:1.2.3.4]",
        b"xn--",
        b"*",
        b"\xff",
        b"\0",
        b" ",
        b"+",
        b";",
        b"~",
        b".",
    ),
)


def check_target(data: bytes) -> None:
    method, raw = METHODS[data[0] & 3 if data else 0], data[1:]
    text = raw.decode("utf-8", "surrogateescape")
    check_texts(text)
    try:
        target = split_target(method, text)
    except RemoteProtocolError:
        target = None
    accepted = engine_accepts(method, raw)
    if accepted and target is None and "%00" not in text:
        expect(target is not None, f"the engine accepts {method} {text!r}, split_target() refuses it")
    if target is None:
        return
    path = decode_path(target.path)
    expect("\0" not in path, f"a NUL in the path {path!r}")
    expect_equal(path.count("/"), target.path.count("/"), f"the segments of {path!r}")
    if target.path.startswith("/"):
        expect(str(relative_url(target)) != "", "a URL of nothing")
    try:
        url = absolute_url("http", "example.org:8080", target)
    except RemoteProtocolError:
        return
    if target.authority is not None and target.scheme is not None:
        expect(url.host is not None, f"no host in {url!r}")


def check_texts(text: str) -> None:
    """What takes any text at all."""
    decode_segment(decode_path(text))
    expect(not local_path(text).startswith(("//", "/\\")), f"{local_path(text)!r} names another origin")
    if text.isprintable():
        once = requote_path(text)
        expect_equal(requote_path(once), once, "a path quoted twice")
    try:
        authority = parse_authority(text)
    except RemoteProtocolError:
        authority = None
    raw = text.encode("utf-8", "surrogateescape")
    if INSTALLED.octets.is_authority(raw, 0, len(raw)):
        expect(authority is not None, f"the engine takes {text!r} for an authority, parse_authority() does not")
    if authority is not None:
        expect_equal(parse_authority(str(authority)), authority, "an authority written anew")


def engine_accepts(method: str, target: bytes) -> bool:
    host = b"a:80" if method == "CONNECT" else target.partition(b"://")[2].partition(b"/")[0].partition(b"?")[0] or b"a"
    connection = INSTALLED.h1.Connection(INSTALLED.h1.Role.SERVER)
    connection.receive_data(b"%s %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (method.encode(), target, host))
    try:
        head = connection.next_event()
    except RemoteProtocolError:
        return False
    return not isinstance(head, INSTALLED.h1.Signal) and head.target.encode() == target


def seeds() -> Iterator[bytes]:
    for text in (
        *(
            "/",
            "/a/b?c=d",
            "//evil/x",
            "/%2F%25/%C3%A9%ff",
            "/..%2f../",
            "http://a/b?c",
            "https://[::1]:8080/x?y",
            "http://a",
            "*",
        ),
        *(
            "a:80",
            "[::1]:443",
            "example.org",
            "[::ffff:1.2.3.4]",
            "a:",
            "HTTP://EXAMPLE.org:80",
            "http://xn--a/",
            "/\\evil",
            "/a#b",
            "",
        ),
    ):
        for option in range(4):
            yield bytes([option]) + text.encode()


TARGETS = (Target("target", check_target, seeds, WORDS, is_compiled=True),)
