"""levante.web with everything on: a hundred routes, two middlewares, a signal, every timeout, the handler's too."""

import webapp

from levante import web
from levante.web.middlewares import handler_timeout, middleware

ROUTES = 100
HANDLER_SECONDS = 30.0


async def leaf(request: web.Request) -> web.Response:
    return web.json_response({"id": request.match_info["id"]})


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
    app.middlewares.extend([handler_timeout(HANDLER_SECONDS), tell_what_served])
    app.on_response_prepare.append(tell_the_version)
    webapp.serve(web, app)
