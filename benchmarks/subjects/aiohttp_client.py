"""aiohttp's client."""

from contextlib import nullcontext

import aiohttp
import orders
import webclient

OPTIONS = {
    "headers": {**orders.FIELDS, **orders.DEADLINE_FIELD},
    "timeout": aiohttp.ClientTimeout(total=orders.DEADLINE),
}

if __name__ == "__main__":
    webclient.run(aiohttp, OPTIONS, nullcontext)
