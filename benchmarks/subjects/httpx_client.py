"""httpx."""

import httpx
import orders
import settings
import uvloop

URL = f"http://{settings.HOST}:{settings.PORT}/"


async def main() -> None:
    async with httpx.AsyncClient() as client:

        async def request(method: str) -> tuple[int, int]:
            if method == "CALL":
                fields = {**orders.FIELDS, **orders.DEADLINE_FIELD}
                response = await client.get(URL, headers=fields, timeout=orders.DEADLINE)
            else:
                response = await (client.get(URL) if method == "GET" else client.post(URL, content=orders.BODY))
            return response.status_code, len(response.content)

        await orders.serve(request)


if __name__ == "__main__":
    uvloop.run(main())
