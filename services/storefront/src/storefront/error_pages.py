"""Errors as pages, for people. It stands outside the middleware that answers programs with problem+json, so that only
the errors of clients who prefer HTML come here."""

from levante import web
from levante.web import templating
from levante.web.types import Handler


@web.middleware
async def error_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Show an error as a page in the looks of the others."""
    try:
        return await handler(request)
    except web.HTTPError as error:
        if not error.headers["Content-Type"].startswith("text/plain"):
            raise  # it has a form of its own, as a problem has that names fields
        said = error.text if error.text != f"{error.status}: {error.reason}" else ""
        context = {"status": error.status, "reason": error.reason, "detail": said}
        response = templating.render_template("error.html", request, context, status=error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
