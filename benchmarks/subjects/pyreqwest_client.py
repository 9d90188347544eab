"""pyreqwest: reqwest, in Rust, on threads of its own."""

from datetime import timedelta

import orders
import settings
import uvloop
from pyreqwest.client import ClientBuilder

URL = f"http://{settings.HOST}:{settings.PORT}/"


async def main() -> None:
    async with ClientBuilder().build() as client:

        async def request(method: str) -> tuple[int, int]:
            builder = client.post(URL).body_bytes(orders.BODY) if method == "POST" else client.get(URL)
            if method == "CALL":
                fields = {**orders.FIELDS, **orders.DEADLINE_FIELD}
                builder = builder.headers(fields).timeout(timedelta(seconds=orders.DEADLINE))
            response = await builder.build().send()
            return response.status, len(await response.bytes())

        await orders.serve(request)


if __name__ == "__main__":
    uvloop.run(main())
