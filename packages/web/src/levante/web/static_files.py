"""Folders of static files. What a request names is decoded once, checked as text, resolved on disk, and must still
lie inside the folder; whatever is wrong with it gives the same 404 (or the fallback), so that nothing can be learnt
about the system outside.
"""

import asyncio
import errno
import html
import os
import re
import stat
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, NamedTuple

from yarl import URL

from levante.http.mediatypes import parse_preferences
from levante.http.target import decode_segment

from .exceptions import HTTPForbidden, HTTPMovedPermanently, HTTPNotFound
from .file_access import FileAccess, WouldWait
from .file_caching import FileCaching, file_version
from .files import CHUNK_SIZE, REAL, FileResponse, accepted_codings
from .real_paths import list_folder
from .response import Response
from .routing.abstract import AbstractRoute, RouteInfo
from .routing.match import UrlMappingMatchInfo
from .routing.patterns import quote_value
from .routing.resources import NOTHING, Found, PrefixResource, ResourceRoute
from .stream_response import StreamResponse

if TYPE_CHECKING:
    from .types import ExpectHandler, Handler, Middleware, PathLike, Request

PUBLIC_DOT = ".well-known"
"""The one name beginning with a dot that is meant to be served (RFC 8615); the others hold secrets more often than
not.
"""

ABSENT = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL))
"""What the system says of a path where no file is, or can be: EINVAL is the word of Windows for forbidden characters.
"""

_INDEX = """<html>
<head><title>{title}</title></head>
<body>
<h1>{title}</h1>
<ul>
{items}
</ul>
</body>
</html>
"""


class Asked(NamedTuple):
    """What a request says about the file it wants: its name, whether the path as it was sent ends in a slash, where to
    go if it does not and should, `?v=`, whether it is for a page, not for a part of one, and Accept-Encoding.
    """

    filename: str
    with_slash: bool
    slashed: str
    version: str | None
    for_page: bool
    accepts: str | None


class StaticResource(PrefixResource):
    """The files below `directory`, under `prefix`, for GET and HEAD.

    A symbolic link may point anywhere inside the folder, and outside only with `break_symlink_sandbox`. A folder is its
    file `index`, if that is named and there; else a listing with `show_index`, else 403; what is no regular file, or
    cannot be read, is 403; the rest is 404, or the file `fallback` for a client that wants a page (one that says
    `text/html` in Accept): the page of an application whose routes are the browser's.

    `cache_control` is sent with every file, but for those whose URL changes with their content: these are immutable if
    `immutable` says so, which knows them by their names (True: hexadecimal digits as bundlers put them there, or a
    pattern), or by the `?v=` that `append_version` makes `url_for` add. `content_etag`: see `FileResponse`. ValueError
    when `directory` is no folder, or there is no `fallback` in it.
    """

    def __init__(
        self,
        prefix: str,
        directory: "PathLike",
        *,
        name: str | None = None,
        expect_handler: "ExpectHandler | None" = None,
        chunk_size: int = CHUNK_SIZE,
        show_index: bool = False,
        break_symlink_sandbox: bool = False,
        append_version: bool = False,
        index: str | None = None,
        fallback: str | None = None,
        cache_control: str | None = None,
        immutable: bool | re.Pattern[str] = False,
        content_etag: bool = False,
        middlewares: "Sequence[Middleware]" = (),
    ) -> None:
        super().__init__(prefix, name=name)
        self._directory = _folder(directory)
        self._root = os.fspath(self._directory)
        self._root_below = self._root.rstrip(os.sep) + os.sep
        self._chunk_size = chunk_size
        self._content_etag = content_etag
        self._caching = FileCaching(cache_control, immutable)
        self._show_index = show_index
        self._index_name = index
        self._leaves_sandbox = break_symlink_sandbox
        self._append_version = append_version
        self._expect_handler = expect_handler
        self._fallback = fallback
        if fallback is not None and self._regular(fallback, REAL[1])[1] is None:
            raise ValueError(f"there is no file {fallback!r} in {str(self._directory)!r} to fall back to")
        self._routes = {
            method: ResourceRoute(method, self._handle, self, expect_handler=expect_handler, middlewares=middlewares)
            for method in ("GET", "HEAD")
        }

    # As a resource.

    def find(self, method: str, path: str, /) -> Found:
        # Nothing is normalised: a proxy in front, which rules by path, must see the path that is served.
        if not path.startswith(self._below) and path != self._prefix:
            return NOTHING
        allowed = set(self._routes)
        route = self._routes.get(method)
        if route is None:
            return None, allowed
        return UrlMappingMatchInfo({"filename": decode_segment(path[len(self._below) :])}, route), allowed

    def set_options_route(self, handler: "Handler") -> ResourceRoute:
        """Answer OPTIONS, as cross-origin requests need; RuntimeError the second time."""
        if "OPTIONS" in self._routes:
            raise RuntimeError("the OPTIONS route of this static resource was set already")
        route = ResourceRoute("OPTIONS", handler, self, expect_handler=self._expect_handler)
        self._routes["OPTIONS"] = route
        return route

    def url_for(  # type: ignore[override]  # a file has a name, not fields
        self, *, filename: "PathLike" = "", append_version: bool | None = None
    ) -> URL:
        """The URL of a file; with `append_version` it has `?v=` and a hash of the content, as long as the file is
        there.
        """
        relative = os.fspath(filename).lstrip("/")
        url = URL.build(path=f"{self.canonical}/{quote_value(relative)}", encoded=True)
        if append_version if append_version is not None else self._append_version:
            try:
                version = file_version(self._locate(relative, REAL[1]))
            except HTTPNotFound:
                return url
            return url if version is None else url.with_query(v=version)
        return url

    def get_info(self) -> RouteInfo:
        routes: dict[str, AbstractRoute] = {**self._routes}
        return {"directory": self._directory, "prefix": self._prefix, "routes": routes}

    def __len__(self) -> int:
        return len(self._routes)

    def __iter__(self) -> Iterator[AbstractRoute]:
        return iter(self._routes.values())

    def __repr__(self) -> str:
        name = "" if self.name is None else f"'{self.name}' "
        return f"<StaticResource {name}{self._prefix} -> {self._directory!r}>"

    # Serving.

    async def _handle(self, request: "Request") -> StreamResponse:
        sent = request.target.path
        asked = Asked(
            request.match_info["filename"],
            sent.endswith("/"),
            # Relative, for a proxy may have cut a prefix off; behind the dot nothing is taken for a scheme or a host.
            f"./{sent.rpartition('/')[2]}/" + (f"?{request.target.query}" if request.target.query else ""),
            request.query.get("v") if self._caching.immutable is not False else None,
            self._fallback is not None and _wants_page(request),
            accepted_codings(request),
        )
        at_once, waiting = REAL
        if asked.version is None:  # which is a hash of the content
            try:
                return self._answer(asked, at_once)
            except WouldWait:
                pass
        return await asyncio.get_running_loop().run_in_executor(None, self._answer, asked, waiting)

    def _answer(self, asked: Asked, access: FileAccess) -> StreamResponse:
        if self._fallback is None:
            return self._find(asked, access)
        vary = {"Vary": "Accept"}
        try:
            return self._find(asked, access)
        except (HTTPNotFound, HTTPForbidden) as exc:
            if not asked.for_page:
                exc.headers.update(vary)
                raise
        path, seen = self._regular(self._fallback, access)
        if seen is None:
            raise HTTPNotFound
        return self._file(path, seen, self._fallback, asked, access, headers=vary)

    def _find(self, asked: Asked, access: FileAccess) -> StreamResponse:
        path = self._locate(asked.filename, access)
        try:
            seen = access.look_behind(path)
            if seen is not None and stat.S_ISDIR(seen.st_mode):
                return self._folder_page(path, asked, access)
        except PermissionError as exc:
            raise HTTPForbidden from exc
        except OSError as exc:
            _check_absent(exc)
            raise HTTPNotFound from exc
        if seen is None or stat.S_ISLNK(seen.st_mode):
            raise HTTPNotFound
        if not stat.S_ISREG(seen.st_mode):
            raise HTTPForbidden
        if asked.filename.endswith("/"):
            raise HTTPNotFound  # a file is no folder
        return self._file(path, seen, asked.filename, asked, access, version=asked.version)

    def _file(
        self,
        path: str,
        seen: os.stat_result,
        filename: str,
        asked: Asked,
        access: FileAccess,
        *,
        version: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> FileResponse:
        response = FileResponse(
            path, self._chunk_size, headers=headers, content_etag=self._content_etag, follow_links=False
        )
        response.read_ahead(asked.accepts, access, seen=seen)
        cache_control = self._caching.header(filename.rpartition("/")[2], path, version)
        if cache_control is not None:
            response.headers["Cache-Control"] = cache_control
        return response

    def _folder_page(self, folder: str, asked: Asked, access: FileAccess) -> StreamResponse:
        if self._index_name is not None:
            name = f"{asked.filename.rstrip('/')}/{self._index_name}".lstrip("/")
            path, seen = self._regular(name, access)
            if seen is not None:
                if not asked.with_slash:
                    raise HTTPMovedPermanently(asked.slashed)  # the links of the page are relative to the folder
                return self._file(path, seen, name, asked, access)
        if not self._show_index:
            raise HTTPForbidden
        if access is not REAL[1]:
            raise WouldWait
        return self._listing(folder)

    def _regular(self, filename: str, access: FileAccess) -> tuple[str, os.stat_result | None]:
        """The path of a file, and what is seen there if it is a regular one."""
        try:
            path = self._locate(filename, access)
            seen = access.look_behind(path)
        except (HTTPNotFound, PermissionError):
            return "", None
        except OSError as exc:
            _check_absent(exc)
            return "", None
        return path, seen if seen is not None and stat.S_ISREG(seen.st_mode) else None

    def _locate(self, filename: str, access: FileAccess) -> str:
        """The real path of what a request names; HTTPNotFound unless it can lie in the folder."""
        if "\0" in filename or "\\" in filename or filename.startswith("/"):
            raise HTTPNotFound
        if ":" in filename and PureWindowsPath(filename).anchor:
            raise HTTPNotFound
        if "//" in filename:
            raise HTTPNotFound  # a file has one path
        for part in filename.split("/"):
            if part.startswith(".") and part != PUBLIC_DOT:
                raise HTTPNotFound
        try:
            path = access.resolve(self._root_below + filename)
        except OSError as exc:
            _check_absent(exc)
            raise HTTPNotFound from exc
        if not self._leaves_sandbox and path != self._root and not path.startswith(self._root_below):
            raise HTTPNotFound
        return path

    def _listing(self, folder: str) -> Response:
        relative = "" if folder == self._root else os.path.relpath(folder, self._root)
        title = html.escape(f"Index of /{relative}")
        base = f"{self.canonical}/{quote_value(relative)}".rstrip("/")
        lines = []
        for entry, is_folder in list_folder(folder):
            if entry.startswith(".") or not _is_text(entry):
                continue
            name = entry + ("/" if is_folder else "")
            href = html.escape(f"{base}/{quote_value(name)}")
            lines.append(f'<li><a href="{href}">{html.escape(name)}</a></li>')
        text = _INDEX.format(title=title, items="\n".join(lines))
        return Response(text=text, content_type="text/html")


def _folder(directory: "PathLike") -> Path:
    try:
        folder = Path(directory).expanduser().resolve(strict=True)
    except FileNotFoundError as exc:
        raise ValueError(f"there is no folder {os.fspath(directory)!r} to serve static files from") from exc
    if not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is no folder; static files are served from a folder")
    return folder


def _wants_page(request: "Request") -> bool:
    """Whether a browser goes there: only then it names the type; scripts and pictures ask for anything."""
    preferences = parse_preferences(", ".join(request.headers.getall("Accept", ())))
    return any(each.value == "text/html" and each.weight > 0 for each in preferences)


def _check_absent(error: OSError) -> None:
    """Raise `error` unless it says that there is no such file: what the system cannot tell now, for want of descriptors
    or memory or with a broken disk, is nothing that a client or a cache may take for an answer."""
    if error.errno not in ABSENT:
        raise error


def _is_text(name: str) -> bool:
    """Whether a file name is text, and not bytes that no URL can say."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def sandbox_option(*, old: bool) -> bool:
    """`break_symlink_sandbox` by its old name `follow_symlinks`, which is still understood."""
    warnings.warn("follow_symlinks is now break_symlink_sandbox", DeprecationWarning, stacklevel=3)
    return old
