"""The grammars of single fields, and of a urlencoded body: text in, values out. They are plain code, fed whole."""

from collections.abc import Iterator
from datetime import UTC, datetime

from levante.http import (
    ETAG_ANY,
    Client,
    ETag,
    LimitExceeded,
    RemoteProtocolError,
    SetCookie,
    TrustedPeers,
    best_match,
    encode_urlencoded,
    evaluate_preconditions,
    format_cookie,
    format_date,
    negotiate_coding,
    parse_accept,
    parse_cookie,
    parse_cookie_date,
    parse_cookie_pairs,
    parse_date,
    parse_etags,
    parse_forwarded,
    parse_media_type,
    parse_preferences,
    parse_range,
    parse_ranges,
    parse_set_cookie,
    parse_urlencoded,
    quality,
    range_still_holds,
    resolve_client,
    resolve_ranges,
    split_codings,
    x_forwarded,
)
from levante.http.limits import (
    MAX_ACCEPT_ITEMS,
    MAX_COOKIE_HEADER,
    MAX_COOKIE_PAIRS,
    MAX_ETAGS,
    MAX_FORWARDED_HOPS,
    MAX_RANGES,
)

from .target import Target, expect, expect_equal

MOMENT = datetime(1994, 11, 6, 8, 49, 37, 500, tzinfo=UTC)
CHARSETS = ("utf-8", "latin-1", "utf-16", "utf-7", "hz", "shift_jis", "cp037", "utf-8-sig")
DATES = (
    *(
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 31 Feb 1994 08:49:37 GMT",
    ),
    *(
        "Thu, 01 Jan 1970 00:00:60 GMT",
        "Wed, 09-Jun-2021 10:18:14 GMT",
        "6 Nov 94 8:49:37 +0130",
        "Fri, 31 Dec 9999 23:59:59 -2359",
    ),
)
WORDS = (
    *(
        b",",
        b";",
        b"=",
        b'"',
        b"\\",
        b" ",
        b"\t",
        b"*",
        b"/",
        b"W/",
        b"q=0",
        b"q=0.5",
        b"-",
        b"0",
        b"bytes=",
        b":",
        b"[",
        b"]",
    ),
    *(
        b"for=",
        b"by=",
        b"proto=https",
        b"host=a",
        b"_x",
        b"unknown",
        b"%",
        b"%41",
        b"%ff",
        b"+",
        b"&",
        b"\0",
        b"\xff",
        b"\x80",
        b"\x7f",
    ),
    *(
        b"; path=/",
        b"; Domain=.a",
        b"; Max-Age=9",
        b"; Secure",
        b"; HttpOnly",
        b"; SameSite=None",
        b"; Expires=",
        b"__Host-",
        b"GMT",
    ),
    *(
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"gzip",
        b"identity",
        b"text/html",
        b"charset=utf-8",
        b"\xd9\xa0",
        b"\xe2\x80\xa8",
        b"\r\n",
    ),
)


def text_of(data: bytes) -> tuple[int, str]:
    """Options, and a value as a head hands it out: UTF-8, other bytes as surrogates."""
    return (data[0] if data else 0), data[1:].decode("utf-8", "surrogateescape")


def check_cookie(data: bytes) -> None:
    _, text = text_of(data)
    try:
        pairs = parse_cookie_pairs(text)
    except LimitExceeded:
        expect(len(text) > MAX_COOKIE_HEADER or text.count(";") >= MAX_COOKIE_PAIRS, "few and short cookies refused")
        return
    expect(len(pairs) <= MAX_COOKIE_PAIRS, f"{len(pairs)} cookies")
    expect_equal(set(parse_cookie(text)), {name for name, _ in pairs}, "the names of the cookies")
    try:
        written = format_cookie(pairs)
    except ValueError:
        return
    if len(written) <= MAX_COOKIE_HEADER:
        again = [name for name, _ in parse_cookie_pairs(written)]
        expect_equal(again, [name for name, _ in pairs], "the names of cookies written anew")


def check_set_cookie(data: bytes) -> None:
    _, text = text_of(data)
    for cookie in parse_set_cookie([text, "a=b"])[:-1]:
        expect(";" not in cookie.name + (cookie.raw_value or ""), f"{cookie!r} holds a semicolon")
        try:
            written = cookie.header()
        except ValueError:
            continue
        (again,) = parse_set_cookie([written])
        expect_equal(facts(again), facts(cookie), f"a cookie written anew as {written!r}")


def facts(cookie: SetCookie) -> tuple[object, ...]:
    """All but the raw value, which has no quotes of its own, and the path that no header need have."""
    flags = (cookie.secure, cookie.httponly, cookie.samesite, cookie.partitioned, cookie.host_only)
    value = cookie.value.strip('"') if cookie.value.startswith('"') else cookie.value
    return cookie.name, value, cookie.path, cookie.domain, cookie.max_age, cookie.expires, flags


def check_urlencoded(data: bytes) -> None:
    options = data[0] if data else 0
    body = data[1:]
    charset = CHARSETS[options >> 1 & 7]
    if options & 1:  # the charset comes from the peer, too
        name, _, body = body.partition(b"|")
        charset = name.decode("utf-8", "surrogateescape")
    most = 5 if options & 16 else 1000
    try:
        pairs = parse_urlencoded(body, charset=charset, max_fields=most)
    except RemoteProtocolError:
        return
    expect(len(pairs) <= most, f"{len(pairs)} fields")
    expect_equal(parse_urlencoded(encode_urlencoded(pairs)), pairs, "a form written anew")


def check_media(data: bytes) -> None:
    _, text = text_of(data)
    items = parse_preferences(text)
    expect(len(items) <= MAX_ACCEPT_ITEMS, f"{len(items)} preferences")
    expect(all(0 <= item.weight <= 1 for item in items), "a weight outside of 0 to 1")
    ranges = parse_accept(text)
    expect(
        0 <= quality("text/html", text) <= 1 and 0 <= quality("text/html;a=b", ranges) <= 1,
        "a quality outside of 0 to 1",
    )
    expect(best_match(["text/html", "a/b"], text) in ("text/html", "a/b", None), "a media type that was not on offer")
    expect(negotiate_coding(text, ["br", "gzip"]) in ("br", "gzip", "identity", None), "a coding that was not on offer")
    expect("identity" not in split_codings(text), "identity is no coding")
    try:
        media = parse_media_type(text)
    except ValueError:
        return
    if not any("\t" in value for value in media.parameters.values()):  # which is read, and never written
        expect_equal(parse_media_type(str(media)), media, "a media type written anew")


def check_validators(data: bytes) -> None:
    options, text = text_of(data)
    size = (0, 1, 10, 1 << 40)[options & 3]
    tags = parse_etags(text) or ()
    expect(len(tags) <= MAX_ETAGS, f"{len(tags)} entity tags")
    if tags and tags[0].value != ETAG_ANY:
        expect_equal(parse_etags(", ".join(str(tag) for tag in tags)), tags, "entity tags written anew")
    for field in ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"):
        evaluate_preconditions("GET", {field: text}, etag=ETag("a"), last_modified=MOMENT)
    range_still_holds(text, etag=ETag("a"), last_modified=MOMENT)
    try:
        parse_range(text)
    except ValueError:
        pass
    try:
        ranges = parse_ranges(text)
    except ValueError:
        return
    expect(len(ranges) <= MAX_RANGES, f"{len(ranges)} ranges")
    sent = 0
    for start, stop in resolve_ranges(ranges, size):
        expect(0 <= start < stop <= size, f"the interval {start} to {stop} of {size} bytes")
        sent += stop - start
    expect(sent <= size, f"{sent} of {size} bytes would be sent")


def check_dates(data: bytes) -> None:
    _, text = text_of(data)
    moment = parse_date(text)
    if moment is not None:
        expect_equal(parse_date(format_date(moment)), moment, "a date written anew")
    moment = parse_cookie_date(text)
    if moment is not None:
        expect_equal(parse_cookie_date(format_date(moment)), moment, "a cookie's date written anew")


def check_forwarded(data: bytes) -> None:
    options, text = text_of(data)
    lines = text.split("|")
    trusted = TrustedPeers(["10.0.0.0/8", "::1", "unix"])
    peer = (None, "10.0.0.1", "1.2.3.4", "::ffff:10.0.0.1")[options & 3]
    for hops in (parse_forwarded(lines), x_forwarded(for_=lines, proto=lines[:1], host=lines[1:])):
        expect(len(hops) <= MAX_FORWARDED_HOPS, f"{len(hops)} hops")
        client = resolve_client(peer, hops, trusted)
        expect(client.scheme in (None, "http", "https", "ws", "wss"), f"scheme {client.scheme!r}")
        if peer == "1.2.3.4":
            expect_equal(client, Client("1.2.3.4", None, None), "an untrusted peer is believed")


def seeds_of(*texts: str, options: int = 4) -> Iterator[bytes]:
    for text in texts:
        for option in range(options):
            yield bytes([option]) + text.encode()


def cookie_seeds() -> Iterator[bytes]:
    yield from seeds_of(
        "a=b",
        'a="b c"; d=e',
        "a; =b; c=;;",
        "__Host-x=1; \xa0y=2",
        'a="\\054\\"',
        "; ".join("a=b" for _ in range(200)),
        options=1,
    )


def set_cookie_seeds() -> Iterator[bytes]:
    yield from seeds_of(
        *("a=b", "a=b; Path=/x; Domain=.Example.org; Max-Age=10; Secure; HttpOnly; SameSite=lax; Partitioned"),
        *(
            'a="b"; expires=Wed, 09-Jun-2021 10:18:14 GMT',
            "a=b path=/ secure",
            "__Host-a=b; secure; path=/",
            "a=b; max-age=-1",
        ),
        *(f"a=b; Expires={date}" for date in DATES),
        options=1,
    )


def urlencoded_seeds() -> Iterator[bytes]:
    for options in range(0, 32, 2):
        yield bytes([options]) + b"a=1&b=%20+%zz&&=&c&d=%ff%C3%A9&a=2&e=3&f=4"
    for charset in (*CHARSETS, "punycode", "idna", "zip", "undefined", "no\0ne", "unicode-escape", "x" * 99):
        yield b"\1" + charset.encode() + b"|a=%81%40&+AGE-=b"


def media_seeds() -> Iterator[bytes]:
    yield from seeds_of(
        *("text/html; charset=utf-8", 'a/b; c="d\\"e"; f=g', "text/*;q=0.3, text/html;level=1;q=0.7, */*;q=0.1", "*/*"),
        *(
            "gzip;q=1.0, identity; q=0.5, *;q=0",
            "x-gzip, br",
            'a;b="c,d", e',
            "a/b;;",
            'a/b; c="\t"',
            ",".join("a/b" for _ in range(70)),
        ),
        options=1,
    )


def validators_seeds() -> Iterator[bytes]:
    yield from seeds_of(
        *(
            '"a"',
            'W/"a", "b"',
            "*",
            '"*"',
            "bytes=0-499",
            "bytes=-5",
            "bytes=5-",
            "bytes=0-0,-1, 3-4",
            "bytes=9-1",
            "bytes=-0",
        ),
        *(
            "bytes=0-9,5-20,30-",
            "items=0-1",
            *DATES,
            ",".join('"a"' for _ in range(70)),
            "bytes=" + ",".join("0-1" for _ in range(17)),
        ),
    )


def forwarded_seeds() -> Iterator[bytes]:
    yield from seeds_of(
        *(
            'for=1.2.3.4;proto=https;host="a:80", for="[2001:db8::1]:4711"',
            "for=_hidden, for=unknown;by=10.0.0.1",
            "for=10.0.0.2:80",
        ),
        *(
            "10.0.0.2, 1.2.3.4",
            "::1|10.0.0.3|https",
            'for="a, for=10.0.0.1',
            ",".join("for=10.0.0.1" for _ in range(40)),
            "fe80::1%eth0",
        ),
    )


def date_seeds() -> Iterator[bytes]:
    yield from seeds_of(*DATES, options=1)


TARGETS = (
    Target("cookie", check_cookie, cookie_seeds, WORDS),
    Target("set-cookie", check_set_cookie, set_cookie_seeds, WORDS),
    Target("urlencoded", check_urlencoded, urlencoded_seeds, WORDS),
    Target("media-types", check_media, media_seeds, WORDS),
    Target("validators", check_validators, validators_seeds, WORDS),
    Target("dates", check_dates, date_seeds, WORDS),
    Target("forwarded", check_forwarded, forwarded_seeds, WORDS),
)
