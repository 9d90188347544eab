"""Starlette."""

import settings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles


async def hello(_: Request) -> Response:
    return PlainTextResponse(settings.GREETING)


async def item(request: Request) -> Response:
    return JSONResponse(settings.item(request.path_params["id"]))


async def echo(request: Request) -> Response:
    return JSONResponse(await request.json())


async def download(_: Request) -> Response:
    return Response(settings.DOWNLOAD, media_type="application/octet-stream")


async def upload(request: Request) -> Response:
    count = 0
    async for piece in request.stream():
        count += len(piece)
    return PlainTextResponse(str(count))


app = Starlette(
    routes=[
        Route("/", hello),
        Route("/items/{id}", item),
        Route("/echo", echo, methods=["POST"]),
        Route("/download", download),
        Route("/upload", upload, methods=["POST"]),
        Mount("/static", StaticFiles(directory=settings.STATIC)),
    ]
)
