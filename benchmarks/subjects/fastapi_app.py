"""FastAPI, with values returned where it makes JSON of them."""

from typing import Any

import settings
from fastapi import Body, FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles

app = FastAPI()


@app.get("/", response_class=PlainTextResponse)
async def hello() -> str:
    return settings.GREETING


@app.get("/items/{id}")
async def item(id: str) -> dict[str, Any]:  # noqa: A002  the name of the path parameter
    return settings.item(id)


@app.post("/echo")
async def echo(body: dict[str, Any] = Body()) -> dict[str, Any]:  # noqa: B008  FastAPI's way
    return body


@app.get("/download")
async def download() -> Response:
    return Response(settings.DOWNLOAD, media_type="application/octet-stream")


@app.post("/upload", response_class=PlainTextResponse)
async def upload(request: Request) -> str:
    count = 0
    async for piece in request.stream():
        count += len(piece)
    return str(count)


app.mount("/static", StaticFiles(directory=settings.STATIC))
