"""Sanic in one process, with uvloop."""

import settings
from sanic import Sanic
from sanic.request import Request
from sanic.response import HTTPResponse, json, raw, text

app = Sanic("bench", configure_logging=False)
app.config.ACCESS_LOG = False
app.config.REQUEST_MAX_SIZE = settings.LARGEST_BODY


@app.get("/")
async def hello(_: Request) -> HTTPResponse:
    return text(settings.GREETING)


@app.get("/items/<number>")
async def item(_: Request, number: str) -> HTTPResponse:
    return json(settings.item(number))


@app.post("/echo")
async def echo(request: Request) -> HTTPResponse:
    return json(request.json)


@app.get("/download")
async def download(_: Request) -> HTTPResponse:
    return raw(settings.DOWNLOAD)


@app.post("/upload", stream=True)
async def upload(request: Request) -> HTTPResponse:
    count = 0
    async for piece in request.stream:
        count += len(piece)
    return text(str(count))


app.static("/static", settings.STATIC)

if __name__ == "__main__":
    app.run(host=settings.HOST, port=settings.PORT, single_process=True, access_log=False, motd=False)
