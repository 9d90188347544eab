"""BlackSheep."""

import settings
from blacksheep import Application, Content, Request, Response, json, text

app = Application(show_error_details=False)
app.serve_files(settings.STATIC, root_path="static", extensions={".bin"})


@app.router.get("/")
async def hello() -> Response:
    return text(settings.GREETING)


@app.router.get("/items/{id}")
async def item(request: Request) -> Response:
    return json(settings.item(request.route_values["id"]))


@app.router.post("/echo")
async def echo(request: Request) -> Response:
    return json(await request.json())


@app.router.get("/download")
async def download() -> Response:
    return Response(200, content=Content(b"application/octet-stream", settings.DOWNLOAD))


@app.router.post("/upload")
async def upload(request: Request) -> Response:
    count = 0
    async for piece in request.stream():
        count += len(piece)
    return text(str(count))
