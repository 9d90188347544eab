"""The live page: a room for each resource, in which every browser that shows the list hears of each change of it."""

import json
from typing import Literal

from levante import web
from levante.ws import Rooms

ROOMS = web.AppKey("rooms", Rooms)

Action = Literal["created", "updated", "deleted"]


async def open_rooms(app: web.Application) -> None:
    """At the start: no rooms yet."""
    app[ROOMS] = Rooms()


async def close_rooms(app: web.Application) -> None:
    """At the stop: every browser is told to come back later."""
    await app[ROOMS].close_all()


async def publish(app: web.Application, room: str, action: Action, *, row_id: int, html: str, total: int) -> None:
    """Tell a room that a row was created, updated or deleted: the row as the list shows it, and how many there are
    now."""
    message = json.dumps({"action": action, "id": row_id, "html": html, "total": total})
    await app[ROOMS].broadcast(room, message)
