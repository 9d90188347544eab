"""Problem details for HTTP APIs (RFC 9457): the body of an error that a program can read."""

import json
from typing import Any

from levante.http.status import reason_phrase

from .response import Response

PROBLEM_JSON = "application/problem+json"

Member = Any
"""Any JSON value."""


def problem_text(status: int, title: str | None = None, detail: str | None = None, **members: Member) -> str:
    """The JSON text of a problem; the arguments are those of `problem`."""
    content: dict[str, Member] = {"title": title or reason_phrase(status) or "Error", "status": status}
    if detail is not None:
        content["detail"] = detail
    return json.dumps(content | members)


def problem(status: int, title: str | None = None, detail: str | None = None, **members: Member) -> Response:
    """A response of type `application/problem+json`.

    `title` is short and the same for each problem of a kind (default: the reason phrase), `detail` is about this one.
    Further members: `type` (a URI, default about:blank), `instance`, and extensions of your own, such as `errors`.
    """
    return Response(
        status=status, body=problem_text(status, title, detail, **members).encode(), content_type=PROBLEM_JSON
    )
