"""Folders of static files. What a request names is decoded once, checked as text, resolved on disk, and must still
lie inside the folder; whatever is wrong with it gives the same 404, so that nothing can be learnt about the system
outside.
"""

import asyncio
import base64
import hashlib
import html
import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from yarl import URL

from levante.http.target import decode_segment

from .exceptions import HTTPForbidden, HTTPNotFound
from .files import CHUNK_SIZE, FileResponse
from .response import Response
from .routing.abstract import AbstractRoute, RouteInfo
from .routing.match import UrlMappingMatchInfo
from .routing.patterns import quote_value
from .routing.resources import NOTHING, Found, PrefixResource, ResourceRoute
from .stream_response import StreamResponse

if TYPE_CHECKING:
    from .types import ExpectHandler, Handler, PathLike, Request

PUBLIC_DOT = ".well-known"
"""The one name beginning with a dot that is meant to be served (RFC 8615); the others hold secrets more often than
not.
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


class StaticResource(PrefixResource):
    """The files below `directory`, under `prefix`, for GET and HEAD.

    A symbolic link may point anywhere inside the folder, and outside only with `break_symlink_sandbox`. A folder is
    403, or a listing with `show_index`; what is no regular file, or cannot be read, is 403; the rest is 404.
    `append_version` makes `url_for` add a hash of the content. ValueError when `directory` is no folder.
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
    ) -> None:
        super().__init__(prefix, name=name)
        try:
            folder = Path(directory).expanduser().resolve(strict=True)
        except FileNotFoundError as exc:
            raise ValueError(f"there is no folder {os.fspath(directory)!r} to serve static files from") from exc
        if not folder.is_dir():
            raise ValueError(f"{str(folder)!r} is no folder; static files are served from a folder")
        self._directory = folder
        self._chunk_size = chunk_size
        self._show_index = show_index
        self._leaves_sandbox = break_symlink_sandbox
        self._append_version = append_version
        self._expect_handler = expect_handler
        self._routes = {
            method: ResourceRoute(method, self._handle, self, expect_handler=expect_handler)
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
                content = self._locate(relative).read_bytes()
            except (OSError, HTTPNotFound):
                return url
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
            return url.with_query(v=digest.decode("ascii"))
        return url

    def get_info(self) -> RouteInfo:
        routes: dict[str, AbstractRoute] = {**self._routes}
        return {"directory": self._directory, "prefix": f"{self._prefix}/", "routes": routes}

    def __len__(self) -> int:
        return len(self._routes)

    def __iter__(self) -> Iterator[AbstractRoute]:
        return iter(self._routes.values())

    def __repr__(self) -> str:
        name = "" if self.name is None else f"'{self.name}' "
        return f"<StaticResource {name} {self._prefix} -> {self._directory!r}>"

    # Serving.

    async def _handle(self, request: "Request") -> StreamResponse:
        return await asyncio.get_running_loop().run_in_executor(None, self._answer, request.match_info["filename"])

    def _answer(self, filename: str) -> StreamResponse:
        """In an executor: it asks the file system."""
        path = self._locate(filename)
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                return self._index(path)
        except PermissionError as exc:
            raise HTTPForbidden from exc
        except OSError as exc:
            raise HTTPNotFound from exc
        if not stat.S_ISREG(mode):
            raise HTTPForbidden
        if filename.endswith("/"):
            raise HTTPNotFound  # a file is no folder
        return FileResponse(path, self._chunk_size)

    def _locate(self, filename: str) -> Path:
        """The real path of what a request names; HTTPNotFound unless it can lie in the folder."""
        if "\0" in filename or "\\" in filename or filename.startswith("/") or PureWindowsPath(filename).anchor:
            raise HTTPNotFound
        for part in filename.split("/"):
            if part.startswith(".") and part != PUBLIC_DOT:
                raise HTTPNotFound
        try:
            path = self._directory.joinpath(filename).resolve()
        except (OSError, RuntimeError) as exc:  # RuntimeError: a circle of links
            raise HTTPNotFound from exc
        if not self._leaves_sandbox and not path.is_relative_to(self._directory):
            raise HTTPNotFound
        return path

    def _index(self, folder: Path) -> Response:
        if not self._show_index:
            raise HTTPForbidden
        relative = "" if folder == self._directory else os.path.relpath(folder, self._directory)
        title = html.escape(f"Index of /{relative}")
        base = f"{self.canonical}/{quote_value(relative)}".rstrip("/")
        lines = []
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith(".") or not _is_text(entry.name):
                continue
            name = entry.name + ("/" if entry.is_dir() else "")
            href = html.escape(f"{base}/{quote_value(name)}")
            lines.append(f'<li><a href="{href}">{html.escape(name)}</a></li>')
        text = _INDEX.format(title=title, items="\n".join(lines))
        return Response(text=text, content_type="text/html")


def _is_text(name: str) -> bool:
    """Whether a file name is text, and not bytes that no URL can say."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def sandbox_option(new: bool, *, old: bool | None) -> bool:  # the value of a keyword
    """`break_symlink_sandbox`, with its old name `follow_symlinks` still understood."""
    if old is None:
        return new
    warnings.warn("follow_symlinks is now break_symlink_sandbox", DeprecationWarning, stacklevel=3)
    return old
