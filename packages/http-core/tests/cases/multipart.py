"""What a server must make of multipart bodies: the rows M01 to M21 of the hardening catalogue, section 3.4.

Each case: (row, name, Content-Type, body, form, parts). `form` is what a form decoder says: the status that refuses the
body, or the fields as (name, file name, data). `parts` is what the reader of parts says, where each part is read whole,
held to the limits of forms: a status, or the data of the parts, those of a nested body as a list. PARTS stands for
the data of the fields.
"""

FORM = "multipart/form-data; boundary=b"
MIXED = "multipart/mixed; boundary=b"
PARTS = None

KIB = 1024
MIB = 1024 * 1024


def part(data: bytes = b"x", *lines: bytes, disposition: bytes = b'form-data; name="a"') -> bytes:
    head = (b"Content-Disposition: " + disposition, *lines) if disposition else lines
    return b"--b\r\n" + b"".join(line + b"\r\n" for line in head) + b"\r\n" + data + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b--\r\n"


def raw(head: bytes, data: bytes = b"x") -> bytes:
    """A body whose only part has this head as it is."""
    return b"--b\r\n" + head + data + b"\r\n--b--\r\n"


def nested(levels: int) -> bytes:
    """So many multipart bodies, one inside the other."""
    inner = b"x"
    for level in range(levels, 0, -1):
        boundary = b"level%d" % level
        kind = b"Content-Type: multipart/mixed; boundary=level%d\r\n" % (level + 1) if level < levels else b""
        inner = b"--" + boundary + b"\r\n" + kind + b"\r\n" + inner + b"\r\n--" + boundary + b"--\r\n"
    return inner


def in_lists(data: bytes, levels: int) -> list[object]:
    found: list[object] = [data]
    for _ in range(levels - 1):
        found = [found]
    return found


def disposed(value: bytes) -> bytes:
    return body(part(disposition=value))


PLAIN = ("a", None, b"x")
GOOD = body(part())
LONG = b"Content-Disposition: form-data; name=a; x="

# M01: nobody can tell where the parts begin.
BOUNDARIES = [
    ("M01", f"boundary parameter {parameter!r}", f"multipart/form-data{parameter}", GOOD, 400, 400)
    for parameter in (
        "",
        ";",
        "; boundary",
        "; boundary=",
        '; boundary=""',
        f"; boundary={'b' * 71}",
        "; boundary=b\rb",
        "; boundary=b\nb",
        "; boundary=b\0",
        "; boundary=b\r\nX: y",
        '; boundary="b "',
        '; boundary=" "',
        '; boundary="b',
        '; boundary="b\\',
        "; boundary=b; boundary=b",
        "; boundary=b; boundary=c",
        "; boundary=\xe9",
        '; boundary="b\\"c"',
        '; boundary="a;b"',
        "; boundary=b c",
        "; boundary = b",
        "; boundary=b" + ";" * 100_000,
    )
] + [
    ("M01", f"type {kind!r}", kind, GOOD, 400, 400)
    for kind in ("", "multipart", "multipart/", "text/plain; boundary=b", "multipart/form-data boundary=b")
]

# M03: every beginning of a good body, up to the one that has its last boundary.
WHOLE = body(part(), part(b"yz", disposition=b"form-data; name=f; filename=n"))
CUT_SHORT = [
    ("M03", f"the first {end} of {len(WHOLE)} bytes", FORM, WHOLE[:end], 400, 400) for end in range(len(WHOLE) - 2)
]

# M10: what a line of a part's head may not be.
HEADS = [
    ("M10", f"header lines {lines!r}", FORM, raw(b"Content-Disposition: form-data; name=a\r\n" + lines), 400, 400)
    for lines in (
        b"A: 1\r2\r\n\r\n",
        b"A: 1\r\r\n\r\n",
        b"A: 1\n2\r\n\r\n",
        b"A: 1\nB: 2\r\n\r\n",
        b"A: 1\n\r\n",
        b"\n",
        b"A: 1\r\n\n",
        b"A: \0\r\n\r\n",
        b"A\0: 1\r\n\r\n",
        b"A: \x7f\r\n\r\n",
        b"A: \x1b[2J\r\n\r\n",
        b"no colon\r\n\r\n",
        b"A\r\n\r\n",
        b": 1\r\n\r\n",
        b"A : 1\r\n\r\n",
        b"A\t: 1\r\n\r\n",
        b"A B: 1\r\n\r\n",
        b"\xc3\xa9: 1\r\n\r\n",
        b" A: 1\r\n\r\n",
        b"A: 1\r\n folded\r\n\r\n",
        b"A: 1\r\n\tfolded\r\n\r\n",
        b"--b\r\n\r\n",
        b"--b--\r\n\r\n",
    )
]

# M14: dispositions that are no parameters.
DISPOSITIONS = [
    ("M14", f"disposition {value[:40]!r}", FORM, disposed(value), 400, [b"x"])
    for value in (
        b'form-data; name="a',
        b'form-data; name="a\\',
        b'form-data; name="a\\"',
        b"form-data; name=",
        b"form-data; name",
        b"form-data; name=a b",
        b"form-data; name = a",
        b"form-data name=a",
        b"form-data; name=\xc3\xa9",
        b"form-data; name=a; name=b",
        b"form-data; name=a; NAME=a",
        b"form-data; name=a, form-data; name=b",
        b"; name=a",
        b"form-data; name=a" + b";" * 4000,
        b"form-data; name=a" + b"; x=y" * 33,
    )
]

# M12: file names are handed out as they came.
FILE_NAMES = [
    (
        "M12",
        f"file name {sent[:20]!r} of {len(sent)}",
        FORM,
        disposed(b'form-data; name="a"; filename="' + sent + b'"'),
        [("a", seen, b"x")],
        PARTS,
    )
    for sent, seen in (
        (b"../../x", "../../x"),
        (b"..\\..\\x", "..\\..\\x"),
        (b"C:\\x", "C:\\x"),
        (b"C:\\\\x", "C:\\x"),
        (b"/etc/x", "/etc/x"),
        (b"..", ".."),
        (b"", ""),
        (b"a\\", None),
        (b"a;b=c", "a;b=c"),
        (b'a\\"b', 'a"b'),
        (b"%00", "%00"),
        (b"%2e%2e%2f", "%2e%2e%2f"),
        (b"\xc3\xa9", "\xe9"),
        (b"n" * 4000, "n" * 4000),
    )
    if seen is not None
]

CASES = [
    ("", "one field", FORM, GOOD, [PLAIN], PARTS),
    ("", "no field", FORM, body(), [], PARTS),
    ("", "no line end behind the last boundary", FORM, body(part())[:-2], [PLAIN], PARTS),
    ("", "type in capitals", "MULTIPART/Form-Data; BOUNDARY=b", GOOD, [PLAIN], PARTS),
    ("", "quoted boundary", 'multipart/form-data; boundary="b"', GOOD, [PLAIN], PARTS),
    (
        "",
        "boundary of 70",
        f"multipart/form-data; boundary={'b' * 70}",
        GOOD.replace(b"--b", b"--" + b"b" * 70),
        [PLAIN],
        PARTS,
    ),
    *BOUNDARIES,
    (
        "M02",
        "boundary without CRLF before",
        FORM,
        body(part(b"a--b\r\r--b--\n--b")),
        [("a", None, b"a--b\r\r--b--\n--b")],
        PARTS,
    ),
    (
        "M02",
        "half boundaries",
        FORM,
        body(part(b"\r\n--\r\n-b\r\n--a\r\n")),
        [("a", None, b"\r\n--\r\n-b\r\n--a\r\n")],
        PARTS,
    ),
    ("M02", "boundary in a head is data of the line", FORM, body(part(b"x", b"A: --b")), [PLAIN], PARTS),
    (
        "M02",
        "other boundary",
        FORM,
        body(part(b"1\r\n--c\r\n\r\n2\r\n--c--\r\n")),
        [("a", None, b"1\r\n--c\r\n\r\n2\r\n--c--\r\n")],
        PARTS,
    ),
    ("M02", "longer boundary", FORM, body(part(b"1\r\n--bb\r\n2")), 400, 400),
    ("M02", "bare LF behind a boundary", FORM, GOOD.replace(b"--b\r\n", b"--b\n"), 400, 400),
    ("M02", "bare CR behind a boundary", FORM, GOOD.replace(b"--b\r\n", b"--b\r\r\n"), 400, 400),
    ("M02", "text behind a boundary", FORM, GOOD.replace(b"--b\r\n", b"--b x\r\n"), 400, 400),
    ("M02", "padding behind a boundary", FORM, GOOD.replace(b"--b\r\n", b"--b \t \r\n"), [PLAIN], PARTS),
    ("M02", "endless padding behind a boundary", FORM, b"--b" + b" " * 10_000 + GOOD[3:], 400, 400),
    ("M02", "one hyphen behind a boundary", FORM, part() + b"--b-\r\n", 400, 400),
    ("M02", "padded hyphens behind a boundary", FORM, part() + b"--b --\r\n", 400, 400),
    *CUT_SHORT,
    ("M03", "nothing", FORM, b"", 400, 400),
    ("M03", "no boundary", FORM, b"a=1&b=2", 400, 400),
    ("M03", "another boundary", FORM, GOOD.replace(b"--b", b"--c"), 400, 400),
    ("M03", "bare LF throughout", FORM, GOOD.replace(b"\r\n", b"\n"), 400, 400),
    ("M03", "bare CR throughout", FORM, GOOD.replace(b"\r\n", b"\r"), 400, 400),
    ("M04", "preamble", FORM, b"To whom it may concern\r\n" + GOOD, [PLAIN], PARTS),
    ("M04", "preamble of line ends", FORM, b"\r\n\r\n" + GOOD, [PLAIN], PARTS),
    ("M04", "preamble that is nearly a boundary", FORM, b"x--b\r\n--\r\n--a" + b"\r\n" + GOOD, [PLAIN], PARTS),
    ("M04", "long preamble", FORM, b"\r\n-" * MIB + b"\r\n" + GOOD, [PLAIN], PARTS),
    ("M04", "epilogue", FORM, GOOD + b"--b\r\n\r\nno part\r\n--b--\r\n", [PLAIN], PARTS),
    ("M04", "epilogue on the line", FORM, GOOD[:-2] + b" and so on", [PLAIN], PARTS),
    ("M04", "long epilogue", FORM, GOOD + b"\r\n--b\r\n" * MIB, [PLAIN], PARTS),
    ("M05", "CR only", FORM, body(part(b"\r" * 10_000)), [("a", None, b"\r" * 10_000)], PARTS),
    ("M05", "LF only", FORM, body(part(b"\n" * 10_000)), [("a", None, b"\n" * 10_000)], PARTS),
    ("M05", "CRLF only", FORM, body(part(b"\r\n" * 5000)), [("a", None, b"\r\n" * 5000)], PARTS),
    ("M05", "half boundaries", FORM, body(part(b"\r\n--" * 2500)), [("a", None, b"\r\n--" * 2500)], PARTS),
    ("M06", "1,000 parts", FORM, body(part() * 1000), [PLAIN] * 1000, PARTS),
    ("M06", "1,001 parts", FORM, body(part() * 1001), 413, 413),
    ("M06", "10,000 parts", FORM, body(part(b"") * 10_000), 413, 413),
    ("M06", "100,000 parts without a head", FORM, body(b"--b\r\n\r\n\r\n" * 100_000), 400, 413),
    ("M07", "text of 1 MiB", FORM, body(part(b"x" * MIB)), [("a", None, b"x" * MIB)], PARTS),
    ("M07", "text of 1 MiB and a byte", FORM, body(part(b"x" * (MIB + 1))), 413, 413),
    ("M07", "text of 10 MiB", FORM, body(part(b"x" * (10 * MIB))), 413, 413),
    ("M07", "typed, but no file", FORM, body(part(b"x" * (MIB + 1), b"Content-Type: image/png")), 413, 413),
    ("M07", "four texts of 600 KiB", FORM, body(part(b"x" * (600 * KIB)) * 4), 413, [b"x" * (600 * KIB)] * 4),
    (
        "M08",
        "file of 3 MiB",
        FORM,
        body(part(b"x" * (3 * MIB), disposition=b"form-data; name=a; filename=n")),
        [("a", "n", b"x" * (3 * MIB))],
        413,
    ),
    ("M09", "16 headers", FORM, body(part(b"x", *[b"A: 1"] * 15)), [PLAIN], PARTS),
    ("M09", "17 headers", FORM, body(part(b"x", *[b"A: 1"] * 16)), 413, 413),
    ("M09", "160 headers", FORM, body(part(b"x", *[b"A: 1"] * 160)), 413, 413),
    ("M09", "header of 4,096 bytes", FORM, body(part(b"x", b"A:" + b"1" * 4094)), [PLAIN], PARTS),
    ("M09", "header of 4,097 bytes", FORM, body(part(b"x", b"A:" + b"1" * 4095)), 413, 413),
    ("M09", "header of 40,960 bytes", FORM, body(part(b"x", b"A:" + b"1" * 40_958)), 413, 413),
    ("M09", "endless header", FORM, part()[:-5] + b"A:" + b"1" * MIB, 413, 413),
    ("M09", "endless name", FORM, b"--b\r\n" + b"A" * MIB, 413, 413),
    ("M09", "endless headers", FORM, b"--b\r\n" + b"A: 1\r\n" * 100_000, 413, 413),
    ("M09", "endless empty values", FORM, b"--b\r\n" + b"A:\r\n" * 100_000, 413, 413),
    *HEADS,
    ("M10", "no space behind the colon", FORM, raw(b"content-disposition:form-data;name=a\r\n\r\n"), [PLAIN], PARTS),
    (
        "M10",
        "spaces around a value",
        FORM,
        raw(b"Content-Disposition: \t form-data; name=a \t \r\n\r\n"),
        [PLAIN],
        PARTS,
    ),
    ("M10", "empty value", FORM, body(part(b"x", b"A:")), [PLAIN], PARTS),
    ("M10", "8-bit value", FORM, body(part(b"x", b"A: \xff\xc3\xa9")), [PLAIN], PARTS),
    ("M11", "no disposition", FORM, body(part(disposition=b"")), 400, [b"x"]),
    ("M11", "empty disposition", FORM, raw(b"Content-Disposition:\r\n\r\n"), 400, [b"x"]),
    (
        "M11",
        "two dispositions, the first is no form's",
        FORM,
        raw(b"Content-Disposition: inline\r\nContent-Disposition: form-data; name=a\r\n\r\n"),
        400,
        [b"x"],
    ),
    (
        "M11",
        "two dispositions",
        FORM,
        raw(b"Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\n"),
        400,
        [b"x"],
    ),
    ("M11", "two types", FORM, body(part(b"x", b"Content-Type: text/plain", b"Content-Type: text/html")), 400, [b"x"]),
    ("M11", "attachment", FORM, disposed(b"attachment; name=a"), 400, [b"x"]),
    ("M11", "form data", FORM, disposed(b"form data; name=a"), 400, [b"x"]),
    ("M11", "no name", FORM, disposed(b"form-data"), 400, [b"x"]),
    ("M11", "no name, but a file name", FORM, disposed(b"form-data; filename=n"), 400, [b"x"]),
    ("M11", "empty name", FORM, disposed(b'form-data; name=""'), [("", None, b"x")], PARTS),
    ("M11", "extended name only", FORM, disposed(b"form-data; name*=utf-8''a"), 400, [b"x"]),
    ("M11", "name that is no UTF-8", FORM, disposed(b'form-data; name="\xff"'), 400, [b"x"]),
    (
        "M11",
        "name twice",
        FORM,
        body(part(b"1"), part(b"2"), part(b"3")),
        [("a", None, b"1"), ("a", None, b"2"), ("a", None, b"3")],
        PARTS,
    ),
    *FILE_NAMES,
    ("M12", "file name with a NUL", FORM, disposed(b'form-data; name="a"; filename="n\0.txt"'), 400, 400),
    ("M12", "file name that is no UTF-8", FORM, disposed(b'form-data; name="a"; filename="\xff"'), 400, [b"x"]),
    (
        "M13",
        "two file names",
        FORM,
        disposed(b"form-data; name=a; filename=plain; filename*=utf-8''other"),
        [("a", "plain", b"x")],
        PARTS,
    ),
    (
        "M13",
        "extended file name first",
        FORM,
        disposed(b"form-data; name=a; filename*=utf-8''other; filename=plain"),
        [("a", "plain", b"x")],
        PARTS,
    ),
    (
        "M13",
        "extended file name only",
        FORM,
        disposed(b"form-data; name=a; filename*=utf-8''%C3%A9"),
        [("a", "\xe9", b"x")],
        PARTS,
    ),
    (
        "M13",
        "extended file name in an unknown charset",
        FORM,
        disposed(b"form-data; name=a; filename*=utf-7''n"),
        [PLAIN],
        PARTS,
    ),
    ("M13", "broken escapes", FORM, disposed(b"form-data; name=a; filename*=utf-8''%FF%zz"), [PLAIN], PARTS),
    (
        "M13",
        "continuation",
        FORM,
        disposed(b"form-data; name=a; filename*0=n; filename*1=m"),
        [("a", "nm", b"x")],
        PARTS,
    ),
    ("M13", "broken continuation", FORM, disposed(b"form-data; name=a; filename*1=n; filename*3=m"), [PLAIN], PARTS),
    (
        "M13",
        "broken first of a continuation",
        FORM,
        disposed(b"form-data; name=a; filename*0*=x; filename*1*=%C3"),
        [PLAIN],
        PARTS,
    ),
    *DISPOSITIONS,
    ("M14", "type that is none", FORM, body(part(b"x", b"Content-Type: text")), 400, [b"x"]),
    ("M14", "100,000 semicolons", FORM, disposed(b"form-data; name=a" + b";" * 100_000), 413, 413),
    (
        "M15",
        "base64 is not decoded",
        FORM,
        body(part(b"eA==", b"Content-Transfer-Encoding: base64")),
        [("a", None, b"eA==")],
        PARTS,
    ),
    (
        "M15",
        "unknown transfer encoding",
        FORM,
        body(part(b"x", b"Content-Transfer-Encoding: x-unknown")),
        [PLAIN],
        PARTS,
    ),
    (
        "M15",
        "gzip is not decoded",
        FORM,
        body(part(b"\x1f\x8b", b"Content-Encoding: gzip")),
        [("a", None, b"\x1f\x8b")],
        PARTS,
    ),
    (
        "M15",
        "charset utf-7",
        FORM,
        body(part(b"+ADw-", b"Content-Type: text/plain; charset=utf-7")),
        [("a", None, b"+ADw-")],
        PARTS,
    ),
    *(
        (
            "M18",
            f"Content-Length {length!r}",
            FORM,
            body(part(b"xyz", b"Content-Length: " + length)),
            [("a", None, b"xyz")],
            PARTS,
        )
        for length in (b"+5", b"-1", b"0", b"1", b"1000000000000", b"0x3", b"\xd9\xa5", b"", b"5, 5")
    ),
    (
        "M19",
        "multipart in a form",
        FORM,
        body(part(b"--c--\r\n", b"Content-Type: multipart/mixed; boundary=c")),
        400,
        [[]],
    ),
    (
        "M19",
        "multipart in a form, without a boundary",
        FORM,
        body(part(b"x", b"Content-Type: multipart/mixed")),
        400,
        400,
    ),
    ("M19", "1 level", "multipart/mixed; boundary=level1", nested(1), 400, [b"x"]),
    ("M19", "2 levels", "multipart/mixed; boundary=level1", nested(2), 400, in_lists(b"x", 2)),
    ("M19", "4 levels", "multipart/mixed; boundary=level1", nested(4), 400, in_lists(b"x", 4)),
    ("M19", "5 levels", "multipart/mixed; boundary=level1", nested(5), 400, 400),
    ("M19", "1,000 levels", "multipart/mixed; boundary=level1", nested(1000), 400, 400),
    (
        "M19",
        "inner body cut short",
        MIXED,
        body(part(b"--c\r\n\r\nx", b"Content-Type: multipart/mixed; boundary=c")),
        400,
        400,
    ),
    (
        "M19",
        "outer boundary inside the inner body",
        MIXED,
        body(part(b"--c\r\n\r\nx\r\n--b\r\n\r\ny", b"Content-Type: multipart/mixed; boundary=c")),
        400,
        400,
    ),
]
