"""aiohttp: one request after the other on a kept-alive connection."""

import sys

import aiohttp
import uvloop


async def main(port: str, count: int) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(count):
            async with session.get(f"http://127.0.0.1:{port}/") as response:
                await response.read()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
