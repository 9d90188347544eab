"""levante.web in use: a hundred routes, two middlewares and a signal, which do next to nothing: what is measured is the
framework. With the argument `everything`, middlewares that limit the time of a handler and set a header.
"""

import sys

import webapp

from levante import web
from levante.web.middlewares import handler_timeout, middleware

ROUTES = 100
HANDLER_SECONDS = 30.0
FAILURE = 500


async def leaf(request: web.Request) -> web.Response:
    return web.json_response({"id": request.match_info["id"]})


@middleware
async def pass_on(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    return await handler(request)


async def look_at(_: web.Request, response: web.StreamResponse) -> None:
    if response.status >= FAILURE:
        raise SystemExit(f"{response!r} is not what is measured")


@middleware
async def tell_what_served(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    response = await handler(request)
    response.headers["X-Served"] = request.path
    return response


async def tell_the_version(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Version"] = "1"


if __name__ == "__main__":
    app = webapp.application(web)
    for number in range(ROUTES):
        app.router.add_get(f"/resource{number}/{{id}}", leaf)
    if "everything" in sys.argv:
        app.middlewares.extend([handler_timeout(HANDLER_SECONDS), tell_what_served])
        app.on_response_prepare.append(tell_the_version)
    else:
        app.middlewares.extend([pass_on, pass_on])
        app.on_response_prepare.append(look_at)
    webapp.serve(web, app)
