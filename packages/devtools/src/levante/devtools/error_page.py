"""The page that development shows instead of an answer: what was raised, where, and the source around it.

Made from an exception alone, without the application, so that it works when nothing of the application could be
imported. Frames of the project stand open, those of libraries are folded; chained errors follow each other as Python
prints them. Everything is escaped; the page runs no script but the live-reload one, and is never made outside
development.
"""

import html
import importlib
import linecache
import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

# Files whose frames stand above the project's: ours, and the machinery of imports.
OWN_FRAMES = (str(Path(__file__).parent), "<frozen importlib", importlib.__file__)
# Lines of source shown before and after the one that failed.
CONTEXT = 4
# A recursion error has a thousand frames; the first and last of them say it all.
MAX_FRAMES = 40
# Members of an exception group shown one under the other.
MAX_CHAIN = 8


@cache
def stylesheet() -> str:
    """The page's style sheet."""
    return files(__package__).joinpath("assets", "error_page.css").read_text("utf-8")


def render(
    error: BaseException,
    *,
    heading: str,
    is_project: Callable[[str], bool],
    facts: Iterable[tuple[str, str]] = (),
    nonce: str = "",
    script: str = "",
) -> str:
    """The whole HTML page of an error.

    `heading` says what failed; `is_project(file)` tells the frames to show open; `facts` are (name, value) rows about
    the request; `nonce` goes on the inline style; `script` is the address of the live-reload script ('' for none).
    """
    summary = traceback.TracebackException.from_exception(error)
    parts = [_render_one(one, is_project=is_project) for one in _chain(summary)]
    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in facts)
    tag = f'<script src="{html.escape(script)}" defer></script>' if script else ""
    title = html.escape(_headline(summary).partition("\n")[0])
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style nonce="{html.escape(nonce)}">{stylesheet()}</style>'
        f"{tag}</head>\n<body><header><p>{html.escape(heading)}</p></header><main>{''.join(parts)}"
        f"{f'<section><h2>Request</h2><table>{rows}</table></section>' if rows else ''}"
        f"<section><details><summary>Traceback as text</summary><pre>{_text(summary)}</pre></details></section>"
        "</main><footer>Shown in development only. Save a file to try again: this page reloads by itself.</footer>"
        "</body></html>\n"
    )


def in_one_line(error: BaseException, is_project: Callable[[str], bool], *, root: Path) -> str:
    """The error in one line: `NameError: name 'x' is not defined (src/shop/app.py:7)`, the file relative to `root`."""
    place = where(error, is_project)
    at = "" if place is None else f" ({os.path.relpath(place[0], root)}:{place[1]})"
    # A syntax error's text repeats the place.
    text = str(error.msg) if isinstance(error, SyntaxError) else (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {text}{at}"


def where(error: BaseException, is_project: Callable[[str], bool]) -> tuple[str, int] | None:
    """File and line to look at first: the syntax error's, or the project's last frame, or the last one."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return error.filename, error.lineno
    frames = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    mine = [frame for frame in frames if is_project(frame[0])]
    chosen = mine or frames
    return chosen[-1] if chosen else None


def own_frames_removed(error: BaseException) -> BaseException:
    """`error`, its traceback starting where the project's code does: how that was called helps nobody."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(OWN_FRAMES):
        trace = trace.tb_next
    return error.with_traceback(trace) if trace is not None or isinstance(error, SyntaxError) else error


def _headline(summary: traceback.TracebackException) -> str:
    """The type and the message; a syntax error's comes after indented lines about its place, notes come after it."""
    return next((line for line in summary.format_exception_only() if not line.startswith("  ")), "").strip()


def _text(summary: traceback.TracebackException) -> str:
    return html.escape("".join(summary.format()))


def _chain(summary: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """The error first, then what it was raised from: the last one is read first, the others if need be."""
    todo, shown = [summary], 0
    while todo and shown < MAX_CHAIN:
        current = todo.pop(0)
        shown += 1
        yield current
        todo.extend(current.exceptions or ())
        if current.__cause__ is not None:
            todo.append(current.__cause__)
        elif current.__context__ is not None and not current.__suppress_context__:
            todo.append(current.__context__)


def _render_one(summary: traceback.TracebackException, *, is_project: Callable[[str], bool]) -> str:
    kind, _, message = _headline(summary).partition(": ")
    frames = [frame for frame in summary.stack if not frame.filename.startswith("<frozen ")]
    shown = frames if len(frames) <= MAX_FRAMES else frames[: MAX_FRAMES // 2] + frames[-MAX_FRAMES // 2 :]
    rendered = [_render_frame(frame, project=is_project(frame.filename), last=frame is frames[-1]) for frame in shown]
    if hasattr(summary, "offset"):  # only a syntax error has one
        rendered.append(_render_syntax(summary))
    return (
        f"<section><h1><b>{html.escape(kind)}</b> <span>{html.escape(message)}</span></h1>"
        f"{''.join(reversed(rendered))}</section>"  # the line that failed on top
    )


def _render_frame(frame: traceback.FrameSummary, *, project: bool, last: bool) -> str:
    place = f"{frame.filename}:{frame.lineno}"
    mark = (frame.colno, frame.end_colno) if frame.lineno == frame.end_lineno else (None, None)
    code = _source(frame.filename, frame.lineno or 0, mark=mark)
    return (
        f'<details class="{"project" if project else "library"}"{" open" if project or last else ""}>'
        f"<summary><code>{html.escape(place)}</code> in <code>{html.escape(frame.name)}</code></summary>"
        f"{code}</details>"
    )


def _render_syntax(summary: traceback.TracebackException) -> str:
    filename, line, text = summary.filename or "?", int(summary.lineno or 0), (summary.text or "").rstrip("\n")
    start = max(int(summary.offset or 1), 1) - 1
    end = max(int(summary.end_offset or 0) - 1, start + 1)
    mark = (len(text[:start].encode()), len(text[:end].encode()))
    code = _source(filename, line, mark=mark) or f"<pre><span>{_marked(text, mark)}</span></pre>"
    place = html.escape(f"{filename}:{line}")
    return f'<details class="project" open><summary><code>{place}</code></summary>{code}</details>'


def _source(filename: str, line: int, *, mark: tuple[int | None, int | None]) -> str:
    linecache.checkcache(filename)
    lines = linecache.getlines(filename)
    if not 0 < line <= len(lines):
        return ""
    first, rows = max(1, line - CONTEXT), []
    for number, text in enumerate(lines[first - 1 : line + CONTEXT], first):
        body = _marked(text.rstrip("\n"), mark) if number == line else html.escape(text.rstrip("\n"))
        rows.append(f'<span class="{"failed" if number == line else "near"}"><i>{number:>5}</i> {body}</span>')
    return f"<pre>{''.join(rows)}</pre>"


def _marked(text: str, mark: tuple[int | None, int | None]) -> str:
    start, end = mark
    if start is None or end is None:
        return html.escape(text)
    raw = text.encode()  # positions count bytes of UTF-8
    pieces = [html.escape(piece.decode(errors="replace")) for piece in (raw[:start], raw[start:end], raw[end:])]
    return f"{pieces[0]}<mark>{pieces[1]}</mark>{pieces[2]}"
