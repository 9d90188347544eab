"""multipart bodies, forms made of them, and Content-Disposition."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from levante.http import (
    FormDecoder,
    MultipartDecoder,
    MultipartEncoder,
    MultipartLimits,
    RemoteProtocolError,
    disposition_filename,
    format_content_disposition,
    multipart_boundary,
    parse_content_disposition,
    safe_name,
)

from .cuts import MAX_BYTEWISE, Story, agree
from .forms import Form
from .target import Target, expect, expect_equal

TIGHT = MultipartLimits(max_parts=3, max_headers=2, max_header_size=50, max_field_size=20, max_text_size=30)
BOUNDARIES = ("b", "--b-", "a b", "boundary-of-30-characters-12345")
WORDS = (
    *(
        b"\r\n--b",
        b"\r\n--b--\r\n",
        b"--b\r\n",
        b"\r\n\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b"--",
        b"\0",
        b" ",
        b"\t",
        b":",
        b";",
        b"=",
    ),
    *(
        b'Content-Disposition: form-data; name="a"\r\n',
        b'; filename="x"',
        b"; filename*=utf-8''%41",
        b"\xff",
        b'"',
        b"\\",
    ),
    *(
        b"Content-Type: text/plain\r\n",
        b"Content-Type: multipart/mixed; boundary=c\r\n",
        b"form-data",
        b"%22",
        b"*0*=",
        b"'",
    ),
)


def note(event: Any, story: Story) -> None:
    """Append an event as a tuple; consecutive data become one."""
    name = type(event).__name__
    if name.endswith("Data"):
        before: Any = story.pop()[1] if story and story[-1][0] == "data" else b""
        expect(len(event.data) > 0, "an event of no bytes")
        story.append(("data", before + event.data))
    elif name == "PartHead":
        story.append((name, tuple(event.headers.items())))
    elif name == "FieldStart":
        story.append((name, event.name, event.filename, event.content_type, tuple(event.headers.items())))
    else:
        story.append((name,))


def tell(decoder: Any, pieces: list[bytes]) -> Story:
    """The events of a decoder, those before an error too: they are the same however the input is cut."""
    story: Story = []
    try:
        for piece in pieces:
            for event in decoder.feed(piece):
                note(event, story)
        decoder.feed_eof()
    except Exception as error:
        if "RemoteProtocolError" not in {base.__name__ for base in type(error).__mro__}:
            raise
        status: Any = error.status  # type: ignore[attr-defined]
        story.append(("error", type(error).__name__, status, str(error)))
    return story


def tell_fields(decoder: Any, pieces: list[bytes]) -> Story:
    """Of a form that is refused only the refusal: a decoder of forms gives all fields of a piece, or the error."""
    story = tell(decoder, pieces)
    return story[-1:] if story and story[-1][0] == "error" else story


def tell_parts(form: Form, pieces: list[bytes], *, options: int) -> Story:
    bounds = TIGHT if options & 4 else MultipartLimits()
    return tell(form.multipart.MultipartDecoder(BOUNDARIES[options & 3], limits=bounds), pieces)


def check_multipart(data: bytes) -> None:
    options = data[0] if data else 0
    story = agree(data[1:], partial(tell_parts, options=options))
    if story[-1][0] == "error":
        return
    boundary = BOUNDARIES[options & 3]
    encoder = MultipartEncoder(boundary)
    written = b""
    for event in story:
        value: Any = event[1:]
        if event[0] == "PartHead":
            try:
                written += encoder.part_head(value[0])
            except ValueError:  # bytes that are no text, or a control character, which a part of ours cannot have
                return
        elif event[0] == "data":
            written += value[0]
        elif event[0] == "PartEnd":
            written += encoder.part_end()
    expect_equal(tell(MultipartDecoder(boundary), [written + encoder.end()]), story, "a multipart body written anew")


def check_form(data: bytes) -> None:
    """No twin: a form's rules are plain code on top of the decoder."""
    options = data[0] if data else 0
    content_type = f'multipart/form-data; boundary="{BOUNDARIES[options & 3]}"'
    bounds = TIGHT if options & 4 else MultipartLimits()
    body = data[1:]
    story = tell_fields(FormDecoder(content_type, limits=bounds), [body])
    for pieces in ([body[:at], body[at:]] for at in {len(body) // 2, len(body) // 3, max(0, len(body) - 2)}):
        again = tell_fields(FormDecoder(content_type, limits=bounds), pieces)
        expect_equal([event[:3] for event in again], [event[:3] for event in story], "the cuts of a form")
    if len(body) < MAX_BYTEWISE:
        again = tell_fields(FormDecoder(content_type, limits=bounds), [body[at : at + 1] for at in range(len(body))])
        expect_equal([event[:3] for event in again], [event[:3] for event in story], "a form byte by byte")
    for event in story:
        if event[0] == "FieldStart":
            check_name(event[2])


def check_name(filename: Any) -> None:
    """A safe name is one, whatever it was made from, and stays as it is."""
    name = safe_name(filename)
    expect(0 < len(name.encode()) <= 255, f"a safe name of {len(name.encode())} bytes")
    bad = set('/\\<>:"|?*') | {chr(code) for code in (*range(32), 127)}
    expect(not bad & set(name) and name.strip(". ") == name, f"{name!r} is no safe name")
    expect_equal(safe_name(name), name, "a safe name made safe again")


def check_disposition(data: bytes) -> None:
    text = data[1:].decode("utf-8", "surrogateescape" if data[:1] and data[0] & 1 else "replace")
    try:
        multipart_boundary(text)
    except RemoteProtocolError:
        pass
    check_name(text)
    try:
        kind, parameters = parse_content_disposition(text)
    except ValueError:
        return
    for prefer_plain in (False, True):
        filename = disposition_filename(parameters, prefer_plain=prefer_plain)
        if filename is not None:
            check_name(filename)
    plain = {name: value for name, value in parameters.items() if "*" not in name}
    try:
        written = format_content_disposition(kind, plain, quote_fields=False)
    except ValueError:
        return
    expect_equal(parse_content_disposition(written), (kind, plain), "a disposition written anew")


def multipart_seeds() -> Iterator[bytes]:
    head = b'Content-Disposition: form-data; name="a"'
    file = head + b'; filename="x.txt"\r\nContent-Type: text/plain; charset=utf-8'
    for index, boundary in enumerate(name.encode() for name in BOUNDARIES):
        for options in (index, index | 4):
            start, end = b"--" + boundary + b"\r\n", b"\r\n--" + boundary + b"--\r\n"
            middle = b"\r\n--" + boundary
            one = bytes([options])
            yield one + start + head + b"\r\n\r\nvalue" + end
            yield one + start + head + b"\r\n\r\n" + end[2:]
            yield one + start + b"\r\n" + end
            yield (
                one
                + b"preamble\r\n"
                + start
                + head
                + b"\r\n\r\n1"
                + middle
                + b" \t\r\n"
                + file
                + b"\r\n\r\n2"
                + end
                + b"epilogue"
            )
            yield one + start + file + b"\r\n\r\n" + b"\r\n--" * 9 + middle + b"\r\n\r\n\r" + end
            yield one + start + b"A: 1\r\nB: 2\r\nC: 3\r\n\r\n\0\xff" + middle + b"x" + end
            yield one + start + b"A: " + b"x" * 60 + b"\r\n\r\n" + end


def disposition_seeds() -> Iterator[bytes]:
    for text in (
        *(
            'form-data; name="a"',
            'form-data; name="a\\"b"; filename="C:\\\\x.txt"',
            "attachment",
            "inline;;",
            "a; b; c=d",
        ),
        *("attachment; filename*=utf-8''na%C3%AFve%2f.txt; filename=x", "attachment; filename*=UTF-8'en'%e2%82"),
        *("attachment; filename*0*=utf-8''a%20; filename*1=b; filename*2*=%63", 'a; b="\t"', "../../con.txt", "a/b/."),
        *(
            "multipart/form-data; boundary=b",
            "multipart/mixed",
            " . . ",
            "x" * 300 + ".tar.gz",
            "\u202e\u00e9.\u212b",
            "NUL",
        ),
    ):
        yield b"\0" + text.encode()
        yield b"\1" + text.encode() + b"\xff"


TARGETS = (
    Target("multipart", check_multipart, multipart_seeds, WORDS, is_compiled=True),
    Target("form", check_form, multipart_seeds, WORDS),
    Target("disposition", check_disposition, disposition_seeds, WORDS),
)
