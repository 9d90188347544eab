"""The error page: complete, escaped, readable, and about the project's code first."""

import sys
from pathlib import Path

import pytest

from levante.devtools import error_page


def caught(action, *arguments) -> BaseException:
    try:
        action(*arguments)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def page(error: BaseException, **options) -> str:
    return error_page.render(error, heading="GET / failed", is_project=lambda file: file == __file__, **options)


def fail() -> None:
    value = {"key": "<script>alert(1)</script>"}
    value["missing & gone"]


def test_page_names_the_error_the_place_and_the_line() -> None:
    shown = page(caught(fail))
    assert "KeyError" in shown
    assert f"{__file__}:{fail.__code__.co_firstlineno + 2}" in shown
    assert "<mark>value[&quot;missing &amp; gone&quot;]</mark>" in shown
    assert "GET / failed" in shown


def test_page_escapes_everything() -> None:
    shown = page(caught(fail), facts=[("X", "<b>bold</b>")], nonce='"><u>', script='/a.js?b="c')
    assert "<script>alert" not in shown
    assert "<b>bold</b>" not in shown
    assert '"><u>' not in shown
    assert '<script src="/a.js?b=&quot;c" defer></script>' in shown


def test_chain_is_shown_and_the_suppressed_part_is_not() -> None:
    def chained() -> None:
        try:
            fail()
        except KeyError as error:
            raise ValueError("from it") from error

    def hidden() -> None:
        try:
            fail()
        except KeyError:
            raise LookupError("alone") from None

    def during() -> None:
        try:
            fail()
        except KeyError:
            raise LookupError("during")  # noqa: B904 - the implicit context is what is tested

    assert page(caught(chained)).count("<h1>") == 2
    assert page(caught(hidden)).count("<h1>") == 1
    assert page(caught(during)).count("<h1>") == 2


def test_members_of_a_group_are_shown() -> None:
    def several() -> None:
        raise ExceptionGroup("both", [ValueError("one"), TypeError("two")])

    shown = page(caught(several))
    assert "ValueError" in shown
    assert "TypeError" in shown


def test_deep_recursion_is_cut() -> None:
    def dive() -> None:
        dive()

    shown = page(caught(dive))
    assert shown.count("<details class=") <= error_page.MAX_FRAMES


def test_syntax_error_points_at_its_file(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("one = 1\ndef two(:\n    pass\n")
    error = caught(compile, file.read_text(), str(file), "exec")
    shown = page(error)
    assert f"{file}:2" in shown
    assert '<span class="failed"><i>    2</i> def two(<mark>:</mark></span>' in shown
    assert error_page.where(error, lambda _: True) == (str(file), 2)


def test_syntax_error_without_a_file_shows_its_text() -> None:
    shown = page(caught(compile, "def two(:", "<generated>", "exec"))
    assert "def two(<mark>:</mark>" in shown


def test_where_prefers_the_project() -> None:
    error = caught(Path("/nowhere/at/all").read_text)
    assert error_page.where(error, lambda file: file == __file__)[0] == __file__
    assert error_page.where(error, lambda _: False)[0].endswith((".py", ">"))
    assert error_page.where(ValueError("never raised"), lambda _: True) is None


def test_error_without_a_traceback_or_a_message() -> None:
    assert "ValueError" in page(ValueError())


@pytest.mark.parametrize("text", ["", "a" * 10_000, "\x00\x1b[31m"])
def test_any_message_is_shown(text: str) -> None:
    assert "RuntimeError" in page(RuntimeError(text))


def test_message_of_several_lines_and_notes() -> None:
    error = ValueError("first\nsecond")
    error.add_note("a note")
    shown = page(error)
    assert "<h1><b>ValueError</b> <span>first\nsecond</span></h1>" in shown
    assert "<title>ValueError: first</title>" in shown
    assert "a note" in shown


def test_own_frames_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from levante.devtools.discover import find_target, load_target

    (tmp_path / "frames_app.py").write_text("1 / 0\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(ZeroDivisionError) as caught:
        load_target(find_target(tmp_path / "frames_app.py"))
    error = caught.value.with_traceback(caught.value.__traceback__.tb_next)  # without this test's own frame
    trace = error_page.own_frames_removed(error).__traceback__
    assert trace.tb_frame.f_code.co_filename == str(tmp_path / "frames_app.py")


def test_error_of_our_own_keeps_its_frames() -> None:
    error = caught(error_page.render, None)
    assert error_page.own_frames_removed(error).__traceback__ is not None


def test_error_in_one_line(tmp_path: Path) -> None:
    def line(error: BaseException) -> str:
        return error_page.in_one_line(error, lambda _: True, root=tmp_path)

    assert line(SyntaxError("bad", (str(tmp_path / "f.py"), 1, 1, "x"))) == "SyntaxError: bad (f.py:1)"
    assert line(ValueError("one\ntwo")) == "ValueError: one"
    assert line(ValueError()) == "ValueError: "
