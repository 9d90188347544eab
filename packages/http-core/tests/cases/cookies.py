"""What a server must make of cookies, and refuse to send: rows M29 to M34 of the hardening catalogue, section 3.4,
written from RFC 6265bis.

CASES: (row, name, text of a Cookie header, pairs or the status of a refusal). SENT: (row, name, arguments of SetCookie
beside its name and value, the Set-Cookie value or None where a ValueError is due). RECEIVED: (row, name, a Set-Cookie
value, (name, value) or None where it is dropped).
"""

MANY = [(f"c{i}", "v") for i in range(150)]
ESCAPES = "\\\\" * 4000

CASES = [
    ("M29", "150 pairs", "; ".join(f"c{i}=v" for i in range(150)), MANY),
    ("M29", "151 pairs", "; ".join(f"c{i}=v" for i in range(151)), 431),
    ("M29", "4,000 pairs", "; ".join(f"c{i}=v" for i in range(4000)), 431),
    ("M29", "64 KB in one value", "a=b; c=" + "v" * 65_536, 431),
    ("M29", "64 KB without a semicolon", "c=" + "v" * 65_536, 431),
    ("M29", "nested quotes and backslashes", f'a="{ESCAPES}"; b=c', [("a", "\\" * 4000), ("b", "c")]),
    ("M29", "quotes, the last one escaped", 'a="' + '\\"' * 4000 + "; b=c", [("a", '"' * 3999 + "\\"), ("b", "c")]),
    ("M29", "octal escapes, but of controls", 'a="\\101\\012\\400"', [("a", "A\\012400")]),
    ("M30", "no name", "=v; a=b", [("a", "b")]),
    ("M30", "no equals sign", "v; a=b", [("a", "b")]),
    ("M30", "a prefix in a value without name", "=__Host-x=v; a=b", [("a", "b")]),
    ("M30", "a prefix behind blanks and nothing", " =__Host-x=v", []),
    ("M30", "a prefix behind another space", "\xa0__Host-x=v; \x0b__Host-y=v; a=b", [("a", "b")]),
    ("M30", "a prefix by its own name", "__Host-x=v", [("__Host-x", "v")]),
    ("M30", "nothing", "", []),
    ("M30", "semicolons alone", ";;; ; ;", []),
    ("M31", "the same name twice", "a=1; b=2; a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
    ("M31", "names differ in case", "a=1; A=2", [("a", "1"), ("A", "2")]),
    *(
        ("M32", f"control {octet!r}", f"a=1; b=x{octet}y; c=3", [("a", "1"), ("c", "3")])
        for octet in ("\0", "\x01", "\x07", "\x0b", "\x1f", "\x7f", "\n", "\r")
    ),
    ("M32", "control in a name", "a=1; b\x01=2; c=3", [("a", "1"), ("c", "3")]),
    ("M32", "tab in a name", "a=1; b\tb=2; c=3", [("a", "1"), ("c", "3")]),
    ("M32", "8-bit", "a=1; b=\xe9; c=3", [("a", "1"), ("c", "3")]),
    ("M32", "a byte that was no UTF-8", "a=1; b=\udce9; c=3", [("a", "1"), ("c", "3")]),
    ("M32", "quotes around a semicolon do not hold it", 'a="b;c=d"; e=f', [("a", '"b'), ("c", 'd"'), ("e", "f")]),
    ("M32", "quotes around a value", 'a="b c"; d=""', [("a", "b c"), ("d", "")]),
    ("M32", "comma is data", "a=1,b=2; c=3", [("a", "1,b=2"), ("c", "3")]),
    ("M32", "equals signs in a value", "a=b=c; d==", [("a", "b=c"), ("d", "=")]),
    ("M32", "blanks around", " a = b ;\tc\t=\td\t", [("a", "b"), ("c", "d")]),
    ("M32", "$Version is a cookie like others", "$Version=1; a=b", [("$Version", "1"), ("a", "b")]),
]

SENT = [
    *(
        ("M33", f"{octet!r} in the {field}", {field: f"/x{octet}y" if field == "path" else f"x{octet}y"}, None)
        for field in ("name", "value", "path", "domain", "samesite")
        for octet in (";", "\r", "\n", "\r\n", " ", "\0", "\x7f")
    ),
    ("M33", "comma in the name", {"name": "a,b"}, None),
    ("M33", "comma in the value", {"value": "a,b"}, None),
    ("M33", "comma in the domain", {"domain": "a,b"}, None),
    ("M33", "equals sign in the name", {"name": "a=b"}, None),
    ("M33", "empty name", {"name": ""}, None),
    ("M33", "8-bit in the name", {"name": "\xe9"}, None),
    ("M33", "8-bit in the value", {"value": "\xe9"}, None),
    ("M33", "a surrogate in the value", {"value": "\udce9"}, None),
    ("M33", "8-bit in the path", {"path": "/\xe9"}, None),
    ("M33", "8-bit in the domain", {"domain": "\xe9.example"}, None),
    ("M33", "path without slash", {"path": "x"}, None),
    ("M33", "another attribute in the path", {"path": "/; Domain=evil.example"}, None),
    ("M33", "SameSite that is none", {"samesite": "Sometimes"}, None),
    ("M34", "__Host- without Secure", {"name": "__Host-a", "path": "/"}, None),
    ("M34", "__Host- without Path", {"name": "__Host-a", "secure": True}, None),
    ("M34", "__Host- with another Path", {"name": "__Host-a", "secure": True, "path": "/x"}, None),
    ("M34", "__Host- with Domain", {"name": "__Host-a", "secure": True, "path": "/", "domain": "a.example"}, None),
    ("M34", "__HOST- in capitals", {"name": "__HOST-a", "path": "/"}, None),
    ("M34", "__Host- as it must be", {"name": "__Host-a", "secure": True, "path": "/"}, "__Host-a=v; Path=/; Secure"),
    ("M34", "__Secure- without Secure", {"name": "__Secure-a"}, None),
    ("M34", "SameSite=None without Secure", {"samesite": "None"}, None),
    ("M34", "SameSite=none with Secure", {"samesite": "none", "secure": True}, "a=v; Secure; SameSite=None"),
    ("M34", "4,096 bytes", {"value": "v" * 4094}, "a=" + "v" * 4094),
    ("M34", "4,097 bytes", {"value": "v" * 4095}, None),
    ("M34", "4,097 bytes with attributes", {"value": "v" * 4087, "path": "/"}, None),
]

RECEIVED = [
    ("M30", "no name", "=v", None),
    ("M30", "no equals sign", "v; Path=/", None),
    ("M30", "a prefix in a value without name", "=__Host-x=v", None),
    ("M32", "a control", "a=\x01", None),
    ("M32", "CR LF", "a=b\r\nc=d", None),
    ("M32", "quotes do not hold a semicolon", 'a="b;c"; Path=/', ("a", '"b')),
    ("M34", "4,097 characters", "a=" + "v" * 4096, None),
    ("M34", "4,096 characters", "a=" + "v" * 4095, ("a", "v" * 4095)),
]
