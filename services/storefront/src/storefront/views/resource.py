"""What a resource is, and what each of its views can do: find a row, fetch a part of the list, store, remove, and
tell the live page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from levante import web
from levante.web import templating
from marshmallow import Schema
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from storefront.db import SESSION
from storefront.live import Action, publish
from storefront.models import Base

ROW_ID = r"{id:[1-9]\d{0,8}}"
"""The last part of a row's path. Nine digits fit the integer columns of every database."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind of row: `name` is its route, its template folder and its live room; views add themselves to `routes`."""

    name: str
    title: str
    singular: str
    model: type[Base]
    schema: type[Schema]
    routes: web.RouteTableDef = field(default_factory=web.RouteTableDef)

    @property
    def path(self) -> str:
        return f"/{self.name}"


NAVIGATION: web.AppKey[list[Resource]] = web.AppKey("navigation", list)


class ResourceView(web.View):
    """The base of every view of a resource."""

    resource: ClassVar[Resource]

    @property
    def session(self) -> AsyncSession:
        return self.request[SESSION]

    async def find(self) -> Base:
        """The row that the path names, or 404."""
        row = await self.session.get(self.resource.model, int(self.request.match_info["id"]))
        if row is None:
            raise web.HTTPNotFound(text=f"There is no {self.resource.singular} {self.request.match_info['id']}.")
        return row

    async def fetch(self, *, limit: int, offset: int) -> Sequence[Base]:
        """At most `limit` rows, newest first, after the first `offset`."""
        query = select(self.resource.model).order_by(self.resource.model.id.desc()).limit(limit).offset(offset)
        return (await self.session.scalars(query)).all()

    async def count(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(self.resource.model)) or 0

    async def create(self, values: dict[str, object]) -> Base:
        """Store a new row of checked values."""
        row = self.resource.model(**values)
        self.session.add(row)
        await self._commit("created", row)
        return row

    async def update(self, row: Base, values: dict[str, object]) -> None:
        """Store checked values in a row."""
        for name, value in values.items():
            setattr(row, name, value)
        await self._commit("updated", row)

    async def remove(self, row: Base) -> None:
        await self.session.delete(row)
        await self._commit("deleted", row)

    async def _commit(self, action: Action, row: Base) -> None:
        await self.session.commit()
        template = templating.get_env(self.request.app).get_template(f"{self.resource.name}/row.html")
        html = template.render(row=row, resource=self.resource)
        await publish(self.request.app, self.resource.name, action, row_id=row.id, html=html, total=await self.count())
