"""levante.client: one request after the other on a kept-alive connection."""

import sys

import uvloop

from levante import client


async def main(port: str, count: int) -> None:
    async with client.ClientSession() as session:
        for _ in range(count):
            async with session.get(f"http://127.0.0.1:{port}/") as response:
                await response.read()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
