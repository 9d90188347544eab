"""A person's browser, as far as the pages of this service notice."""

import re
from dataclasses import dataclass

from levante.client import ClientResponse
from levante.devtools.testing import TestClient


@dataclass
class Browser:
    """A person's browser: it keeps cookies, and sends the token of the page with each form."""

    client: TestClient

    async def read(self, path: str) -> str:
        response = await self.client.get(path, headers={"Accept": "text/html"})
        return await response.text()

    async def submit(self, path: str, values: dict[str, str]) -> ClientResponse:
        token = re.search(r'name="csrf-token" content="([^"]+)"', await self.read("/"))
        data = {"csrf_token": token[1] if token else "", **values}
        return await self.client.post(path, data=data, allow_redirects=False, headers={"Accept": "text/html"})
