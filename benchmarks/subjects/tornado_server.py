"""Tornado, whose loop is asyncio's: here uvloop."""

import asyncio
import json

import settings
import uvloop
from tornado import web


class Hello(web.RequestHandler):
    async def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.write(settings.GREETING)


class Item(web.RequestHandler):
    async def get(self, number: str) -> None:
        self.write(settings.item(number))


class Echo(web.RequestHandler):
    async def post(self) -> None:
        self.write(json.loads(self.request.body))


class Download(web.RequestHandler):
    async def get(self) -> None:
        self.set_header("Content-Type", "application/octet-stream")
        self.write(settings.DOWNLOAD)


@web.stream_request_body
class Upload(web.RequestHandler):
    count = 0

    def data_received(self, chunk: bytes) -> None:
        self.count += len(chunk)

    async def post(self) -> None:
        self.write(str(self.count))


async def main() -> None:
    app = web.Application(
        [
            (r"/", Hello),
            (r"/items/([^/]+)", Item),
            (r"/echo", Echo),
            (r"/download", Download),
            (r"/upload", Upload),
            (r"/static/(.*)", web.StaticFileHandler, {"path": str(settings.STATIC)}),
        ],
        log_function=lambda _: None,
    )
    app.listen(settings.PORT, settings.HOST, max_body_size=settings.LARGEST_BODY)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
