import asyncio
import threading
from typing import Any

import pytest

from levante import web
from levante.web import forms

URLENCODED = [("Content-Type", "application/x-www-form-urlencoded")]
MULTIPART = [("Content-Type", "multipart/form-data; boundary=B")]


def part(disposition: str, content: bytes, *more: str) -> bytes:
    head = "\r\n".join([f"Content-Disposition: form-data; {disposition}", *more])
    return b"--B\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


async def show(request: web.Request) -> web.Response:
    found = []
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            found.append([name, value.filename, value.content_type, value.file.read().decode()])
        elif isinstance(value, str):
            found.append([name, value])
        else:
            found.append([name, "bytes", bytes(value).decode()])
    return web.json_response(found)


async def posted(serve: Any, headers: Any, body: bytes, **kwargs: Any) -> Any:
    app = web.Application(**kwargs)
    app.router.add_route("*", "/", show)
    return await (await serve(app)).request("POST", "/", headers, body)


@pytest.mark.parity("S24")
async def test_urlencoded(serve: Any) -> None:
    answer = await posted(serve, URLENCODED, b"a=1&b=&a=%C3%A9+x&c  \r\n")
    assert answer.text == '[["a", "1"], ["b", ""], ["a", "\\u00e9 x"], ["c", ""]]'
    answer = await posted(serve, [], b"a=1")
    assert answer.text == '[["a", "1"]]'
    answer = await posted(serve, [("Content-Type", "application/x-www-form-urlencoded; charset=latin-1")], b"a=%E9")
    assert answer.text == '[["a", "\\u00e9"]]'


@pytest.mark.parity("S24")
async def test_what_is_no_form(serve: Any) -> None:
    assert (await posted(serve, [("Content-Type", "text/plain")], b"a=1")).text == "[]"
    served = await serve(show)
    assert (await served.request("GET", "/", URLENCODED, b"a=1")).text == "[]"
    assert (await served.request("POST", "/", URLENCODED)).text == "[]"


@pytest.mark.hardening("M01", "M14", "M28")
@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary="B',
        "multipart/form-data; boundary=B\\",
        "multipart/form-data; boundary=B; boundary=C",
        "multipart/form-data; boundary=B\xe9",
        f"multipart/form-data; boundary={'B' * 71}",
        "multipart/form-data; boundary=B" + "; a=b" * 40,
        "application/x-www-form-urlencoded; charset",
        "no type",
        "",
    ],
)
async def test_a_content_type_that_says_nothing_loses_nothing(serve: Any, kind: str) -> None:
    body = part('name="a"', b"1") + b"--B--\r\n"
    assert (await posted(serve, [("Content-Type", kind)], body)).status == 400


@pytest.mark.hardening("M28")
async def test_two_content_types(serve: Any) -> None:
    assert (await posted(serve, URLENCODED * 2, b"a=1")).status == 400
    assert (await posted(serve, [*URLENCODED, ("Content-Type", "text/plain")], b"a=1")).status == 400
    body = part('name="a"', b"1") + b"--B--\r\n"
    assert (await posted(serve, [*MULTIPART, ("Content-Type", "text/plain")], body)).status == 400


@pytest.mark.hardening("M03")
async def test_a_multipart_form_of_nothing(serve: Any) -> None:
    assert (await posted(serve, MULTIPART, b"")).status == 400
    assert (await posted(serve, [*MULTIPART, ("Content-Length", "0")], b"")).status == 400


@pytest.mark.parity("S24")
async def test_multipart(serve: Any) -> None:
    body = (
        part('name="text"', "é".encode())
        + part('name="file"; filename="a.txt"', b"content", "Content-Type: text/x-own; charset=utf-8")
        + part('name="plain"; filename="b"', b"2")
        + part('name="typed"', b"{}", "Content-Type: application/json")
        + part('name="latin"', b"\xe9", "Content-Type: text/plain; charset=latin-1")
        + b"--B--\r\n"
    )
    answer = await posted(serve, MULTIPART, body)
    assert answer.text == (
        '[["text", "\\u00e9"], ["file", "a.txt", "text/x-own", "content"], '
        '["plain", "b", "application/octet-stream", "2"], ["typed", "bytes", "{}"], ["latin", "\\u00e9"]]'
    )


@pytest.mark.parity("S24")
async def test_the_charset_field(serve: Any) -> None:
    body = part('name="_charset_"', b"latin-1") + part('name="x"', b"\xe9") + b"--B--\r\n"
    assert '["x", "\\u00e9"]' in (await posted(serve, MULTIPART, body)).text
    body = part('name="_charset_"', b"nonsense") + part('name="x"', "é".encode()) + b"--B--\r\n"
    assert '["x", "\\u00e9"]' in (await posted(serve, MULTIPART, body)).text
    assert (await posted(serve, MULTIPART, part('name="x"', b"\xe9") + b"--B--\r\n")).status == 400


@pytest.mark.parity("S24", "V12")
@pytest.mark.parametrize(
    "body",
    [
        part("filename=x", b"1") + b"--B--\r\n",
        part('name="x"', b"1"),
        part("name=x", b"--C--", "Content-Type: multipart/mixed; boundary=C") + b"--B--\r\n",
        b"--B\r\nbroken\r\n\r\n\r\n--B--\r\n",
        b"no boundary",
    ],
)
async def test_malformed_forms(serve: Any, body: bytes) -> None:
    assert (await asyncio.wait_for(posted(serve, MULTIPART, body), 5)).status == 400


@pytest.mark.parity("V22", "V30", "V29")
async def test_limits(serve: Any) -> None:
    fields = b"".join(part(f'name="f{n}"', b"x" * 400) for n in range(5)) + b"--B--\r\n"
    assert (await posted(serve, MULTIPART, fields, client_max_size=1500)).status == 413
    assert (await posted(serve, URLENCODED, b"a" * 20, client_max_size=10)).status == 413
    one = part('name="f"', b"x" * 1_500_000) + b"--B--\r\n"
    assert (await posted(serve, MULTIPART, one, client_max_size=0)).status == 413
    many = part('name="f"', b"", *(f"X-{n}: 1" for n in range(100))) + b"--B--\r\n"
    assert (await posted(serve, MULTIPART, many)).status == 413
    assert (await posted(serve, URLENCODED, b"&".join([b"a=1"] * 1001))).status == 413


@pytest.mark.parity("S24")
async def test_files_are_spooled_and_closed(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "SPOOL_SIZE", 1000)
    kept: list[web.FileField] = []

    async def handler(request: web.Request) -> web.Response:
        form = await request.post()
        assert await request.post() is form
        kept.extend(value for value in form.values() if isinstance(value, web.FileField))
        return web.Response(text=str(sum(len(field.file.read()) for field in kept)))

    served = await serve(handler)
    body = part('name="big"; filename=b', b"x" * 5000) + part('name="small"; filename=s', b"y" * 10) + b"--B--\r\n"
    assert (await served.request("POST", "/", MULTIPART, body)).text == "5010"
    await served.close()
    assert all(field.file.closed for field in kept)
    assert len(kept) == 2


async def test_files_are_closed_when_the_form_is_broken(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    real = forms.tempfile.SpooledTemporaryFile

    def spy(*args: Any, **kwargs: Any) -> Any:
        made.append(real(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(forms.tempfile, "SpooledTemporaryFile", spy)
    served = await serve(show)
    body = part('name="a"; filename=a', b"1") + part('name="b"; filename=b', b"2")[:-2]
    assert (await served.request("POST", "/", MULTIPART, body)).status == 400
    assert [file.closed for file in made] == [True, True]


@pytest.mark.parity("S23")
async def test_reading_parts_as_they_come(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        found = []
        async for each in await request.multipart():
            found.append([each.name, (await each.read()).decode()])
        return web.json_response(found)

    served = await serve(handler)
    body = part('name="a"', b"1") + part('name="b"; filename=x', b"2") + b"--B--\r\n"
    assert (await served.request("POST", "/", MULTIPART, body)).text == '[["a", "1"], ["b", "2"]]'


@pytest.mark.parity("S24")
@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "no-such"])
async def test_a_charset_in_which_text_could_turn_into_other_text(serve: Any, charset: str) -> None:
    body = part('name="a"', b"+ADw-", f"Content-Type: text/plain; charset={charset}") + b"--B--\r\n"
    assert (await posted(serve, MULTIPART, body)).status == 415


@pytest.mark.parity("S23", "S24")
async def test_a_form_after_its_body_was_read_and_the_other_way_round(serve: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.query_string == "form first":
            form = await request.post()
            text = await request.text()
        else:
            text = await request.text()
            form = await request.post()
        with pytest.raises(RuntimeError, match="clone"):
            request.clone()
        return web.json_response([len(text), form["a"]])

    served = await serve(handler)
    body = part('name="a"', b"1") + b"--B--\r\n"
    assert (await served.request("POST", "/", URLENCODED, b"a=1")).text == '[3, "1"]'
    assert (await served.request("POST", "/?form%20first", URLENCODED, b"a=1")).text == '[3, "1"]'
    assert (await served.request("POST", "/", MULTIPART, body)).text == f'[{len(body)}, "1"]'


@pytest.mark.parity("S23", "W7")
@pytest.mark.parametrize(("limit", "status"), [(0, 200), (1000, 200), (999, 413)])
async def test_parts_read_whole_are_held_to_the_limit_of_the_application(serve: Any, limit: int, status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        async for each in await request.multipart():
            try:
                await each.read()
            except web.HTTPRequestEntityTooLarge as error:
                assert (error.max_size, error.actual_size) == (999, 1000)
                raise
        return web.Response()

    app = web.Application(client_max_size=limit)
    app.router.add_post("/", handler)
    body = part('name="a"', b"x" * 1000) + b"--B--\r\n"
    assert (await (await serve(app)).request("POST", "/", MULTIPART, body)).status == status


@pytest.mark.parity("S24")
@pytest.mark.hardening("M08")
async def test_the_disk_is_touched_in_threads_and_small_files_never_reach_it(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small files hold no descriptors."""
    touched: list[bool] = []

    class Spooled(forms.tempfile.SpooledTemporaryFile):  # type: ignore[type-arg]
        def rollover(self) -> None:
            touched.append(threading.current_thread() is threading.main_thread())
            super().rollover()

    monkeypatch.setattr(forms.tempfile, "SpooledTemporaryFile", Spooled)
    monkeypatch.setattr(forms, "SPOOL_SIZE", 1000)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.post())))

    served = await serve(handler)
    small = part('name="a"; filename=a', b"x" * 1000) * 500
    large = part('name="b"; filename=b', b"x" * 1001)
    answer = await served.request("POST", "/", MULTIPART, small + b"--B--\r\n")
    assert (answer.text, touched) == ("500", [])
    answer = await served.request("POST", "/", MULTIPART, large * 2 + small + b"--B--\r\n")
    assert (answer.text, touched) == ("502", [False, False])


@pytest.mark.parity("S24")
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("POST", '[["a", "1"]]'),
        ("PUT", '[["a", "1"]]'),
        ("PATCH", '[["a", "1"]]'),
        ("DELETE", '[["a", "1"]]'),
        ("OPTIONS", "[]"),
        ("PROPFIND", "[]"),
    ],
)
async def test_the_methods_that_send_forms(serve: Any, method: str, expected: str) -> None:
    app = web.Application()
    app.router.add_route("*", "/", show)
    served = await serve(app)
    assert (await served.request(method, "/", URLENCODED, b"a=1")).text == expected
    body = part('name="a"', b"1") + b"--B--\r\n"
    assert (await served.request(method, "/", MULTIPART, body)).text == expected


@pytest.mark.hardening("M11")
@pytest.mark.parametrize(
    "lines",
    [
        ['Content-Disposition: form-data; name="b"'],
        ["Content-Type: text/plain", "Content-Type: text/html"],
    ],
)
async def test_a_part_that_says_two_things_is_refused(serve: Any, lines: list[str]) -> None:
    assert (await posted(serve, MULTIPART, part('name="a"', b"1", *lines) + b"--B--\r\n")).status == 400


@pytest.mark.parity("S24", "S25")
@pytest.mark.parametrize("kind", ["urlencoded", "multipart"])
async def test_the_fields_that_an_application_accepts(serve: Any, kind: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        if "most" in request.query:
            most = int(request.query["most"])
            request = request.clone(client_max_fields=most)
            assert request.client_max_fields == most
        try:
            return web.Response(text=str(len(await request.post())))
        except web.HTTPRequestEntityTooLarge as exc:
            assert exc.max_size == request.client_max_fields
            raise

    def form(count: int) -> tuple[list[tuple[str, str]], bytes]:
        if kind == "urlencoded":
            return URLENCODED, b"&".join([b"a=1"] * count)
        part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        return [("Content-Type", "multipart/form-data; boundary=x")], part * count + b"--x--\r\n"

    app = web.Application(client_max_fields=2)
    app.router.add_post("/", handler)
    served = await serve(app)
    assert (await served.request("POST", "/", *form(3))).status == 413
    for target, count in (("/", 2), ("/?most=3", 3), ("/?most=0", 1500)):
        assert (await served.request("POST", target, *form(count))).text == str(count)
    usual = await serve(handler)
    assert (await usual.request("POST", "/", *form(1001))).status == 413
