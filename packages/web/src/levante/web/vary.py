"""The Vary header: what of a request, beside its URL, the response depends on (RFC 9110 section 12.5.5)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multidict import CIMultiDict


def vary_by(headers: "CIMultiDict[str]", *names: str) -> None:
    """Tell caches that the response depends on these headers of the request, beside those that are named already."""
    vary = ", ".join(headers.getall("Vary", ()))
    named = {name.strip().lower() for name in vary.split(",")}
    if "*" in named:
        return
    missing = [name for name in names if name.lower() not in named]
    if missing:
        headers["Vary"] = ", ".join([vary, *missing] if vary else missing)
