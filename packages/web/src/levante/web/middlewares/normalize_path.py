"""One spelling for each path: redirects to the path with merged slashes, with or without a slash at its end, but only
if something is there.
"""

import re
from typing import TYPE_CHECKING

from yarl import URL

from levante.http.target import local_path
from levante.web.exceptions import HTTPMove, HTTPPermanentRedirect
from levante.web.request import Request

from .elsewhere import found_by

if TYPE_CHECKING:
    from levante.web.types import Handler, Middleware, StreamResponse

_SLASHES = re.compile(r"//+")


def normalize_path_middleware(
    *,
    append_slash: bool = True,
    remove_slash: bool = False,
    merge_slashes: bool = True,
    redirect_class: type[HTTPMove] = HTTPPermanentRedirect,
) -> "Middleware":
    """A middleware that, where nothing was found, tries the path with merged slashes, with the slash at the end
    appended or removed, and both.

    It redirects to the first of them that has the method, keeping the query. The target always begins with a single
    slash, so that no path can lead a browser to another host. AssertionError when both `append_slash` and
    `remove_slash` are set.
    """
    if append_slash and remove_slash:
        raise AssertionError("append_slash and remove_slash contradict each other; set one of them to False")

    async def normalize(request: Request, handler: "Handler") -> "StreamResponse":
        if request.match_info.http_exception is None or request.pre_handler_error is not None:
            return await handler(request)
        path, question, query = request.raw_path.partition("?")
        for candidate in candidates(path):
            clean = local_path(candidate)
            if clean != path and await _exists(request, clean):
                raise redirect_class(URL(clean + question + query, encoded=True))
        return await handler(request)

    def candidates(path: str) -> list[str]:
        ends = path.endswith("/")
        merged = _SLASHES.sub("/", path)
        found = [merged] if merge_slashes else []
        if append_slash and not ends:
            found.append(path + "/")
        if remove_slash and ends:
            found.append(path[:-1])
        if merge_slashes and append_slash:
            found.append(_SLASHES.sub("/", path + "/"))
        if merge_slashes and remove_slash:
            found.append(merged.rstrip("/"))
        return found

    return normalize


async def _exists(request: Request, path: str) -> bool:
    """Whether a request for `path` would find something, from the root application on."""
    return (await found_by(request, path=path)).http_exception is None
