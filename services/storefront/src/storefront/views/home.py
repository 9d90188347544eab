"""The first page: what the service holds."""

from levante import web
from levante.web import templating
from sqlalchemy import func, select

from storefront.db import SESSION

from .resource import NAVIGATION


class Home(web.View):
    """GET /: a card for each resource."""

    async def get(self) -> web.Response:
        session = self.request[SESSION]
        counts = {}
        for resource in self.request.app[NAVIGATION]:
            counts[resource.name] = await session.scalar(select(func.count()).select_from(resource.model))
        return templating.render_template("home.html", self.request, {"counts": counts})
