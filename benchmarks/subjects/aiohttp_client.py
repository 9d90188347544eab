"""aiohttp's client."""

import aiohttp
import webclient

if __name__ == "__main__":
    webclient.run(aiohttp)
