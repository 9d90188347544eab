"""The live list of a resource: a WebSocket on which the server tells, and the browser only listens."""

from levante import web

from storefront.live import ROOMS

from .resource import ResourceView

HEARTBEAT = 30.0
"""Seconds between pings: proxies commonly cut a connection that is silent for a minute."""
MAX_MESSAGE = 1024
"""Bytes; a browser has nothing to say here."""


class LiveList(ResourceView):
    """GET, upgraded: each change of the list, as JSON."""

    async def get(self) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MAX_MESSAGE)
        await socket.prepare(self.request)
        rooms = self.request.app[ROOMS]
        rooms.join(socket, self.resource.name)
        try:
            async for _ in socket:
                pass
        finally:
            rooms.leave(socket, self.resource.name)
        return socket
