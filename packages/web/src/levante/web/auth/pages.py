"""Where a login leads. The page comes from the browser, in `?next=`, and must be one of this site: whoever can choose
it would otherwise send people who have just typed their password to a page of his own."""

from typing import Final

from levante.http import local_path

MAX_PAGE: Final = 2048
"""Characters of a path with its query."""


def local_page(page: str, *, default: str = "/", longest: int = MAX_PAGE) -> str:
    """`page` if it is a path of this site, with its query, of at most `longest` characters; else `default`. Refused are
    other origins in all their spellings: absolute URLs, `//host`, backslashes, and control characters, which browsers
    pass over."""
    plain = page.isprintable() and "\\" not in page and len(page) <= longest
    return page if plain and page.startswith("/") and local_path(page) == page else default
