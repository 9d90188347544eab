"""What a server must make of urlencoded forms: rows M22 and M23 of the hardening catalogue, section 3.4, written from
the WHATWG URL standard.

Each case: (row, name, bytes, verdict). A verdict is the status that refuses it, or the pairs in order.
"""

FFFD = "\ufffd"

CASES = [
    ("M22", "1,000 pairs", b"&".join(b"k%d=v" % i for i in range(1000)), [(f"k{i}", "v") for i in range(1000)]),
    ("M22", "1,001 pairs", b"&".join(b"k%d=v" % i for i in range(1001)), 413),
    ("M22", "100,000 pairs", b"a=b&" * 100_000, 413),
    (
        "M22",
        "100,000 keys that collide for hashes without salt",
        b"&".join(b"%d=" % (i << 61) for i in range(100_000)),
        413,
    ),
    ("M22", "100,000 names without a value", b"a&" * 100_000, 413),
    ("M22", "separators alone", b"&" * 1000, []),
    ("M22", "separators beyond counting", b"&" * 100_000 + b"a=b", 413),
    ("M22", "pairs behind many separators", b"&" * 1500 + b"a=b&c=d", [("a", "b"), ("c", "d")]),
    ("M22", "pairs behind too many separators", b"&" * 2000 + b"a=b&c=d", 413),
    ("M22", "one pair many times", b"a=b&" * 1000, [("a", "b")] * 1000),
    ("M23", "nothing", b"", []),
    ("M23", "one pair", b"a=b", [("a", "b")]),
    ("M23", "semicolon is data", b"a=b;c=d&e=f", [("a", "b;c=d"), ("e", "f")]),
    ("M23", "bad escapes stand for themselves", b"a=%zz%4&%=%", [("a", "%zz%4"), ("%", "%")]),
    ("M23", "half an escape before a good one", b"a=%4%41", [("a", "%4A")]),
    ("M23", "an escape is decoded once", b"a=%2541", [("a", "%41")]),
    ("M23", "plus is a space", b"a+b=c+d%2B", [("a b", "c d+")]),
    ("M23", "no name", b"=v&=", [("", "v"), ("", "")]),
    ("M23", "no equals sign", b"a&b=", [("a", ""), ("b", "")]),
    ("M23", "several equals signs", b"a=b=c==", [("a", "b=c==")]),
    ("M23", "an escaped separator is data", b"a=b%26c%3Dd&%3D=e", [("a", "b&c=d"), ("=", "e")]),
    ("M23", "bad UTF-8", b"a=\xff&b=%FF%41", [("a", FFFD), ("b", FFFD + "A")]),
    ("M23", "UTF-8 cut short", b"a=%E2%82&b=\xe2\x82", [("a", FFFD), ("b", FFFD)]),
    ("M23", "overlong UTF-8", b"a=%C0%AE", [("a", FFFD * 2)]),
    ("M23", "a surrogate", b"a=%ED%A0%80", [("a", FFFD * 3)]),
    ("M23", "beyond Unicode", b"a=%F4%90%80%80", [("a", FFFD * 4)]),
    ("M23", "good UTF-8", b"a=%C3%A9\xc3\xa9", [("a", "\xe9\xe9")]),
    ("M23", "a byte order mark is data", b"\xef\xbb\xbfa=b", [("\ufeffa", "b")]),
    ("M23", "NUL", b"a%00=\0b", [("a\0", "\0b")]),
    ("M23", "controls are data", b"a=%0D%0A\r\nb", [("a", "\r\n\r\nb")]),
    ("M23", "the same name twice", b"a=1&a=2", [("a", "1"), ("a", "2")]),
    ("M23", "empty pieces", b"&&a=b&&c=d&&", [("a", "b"), ("c", "d")]),
]
