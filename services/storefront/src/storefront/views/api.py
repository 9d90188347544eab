"""The JSON API of a resource. What is wrong with a request is answered by problem+json that names each field."""

from levante import web
from levante.web.problems import problem
from levante.web.schema import load_form, load_json

from storefront.schemas import PageSchema

from .resource import ResourceView


class CollectionApi(ResourceView):
    """GET: a part of the list, and how many there are. POST: create."""

    async def get(self) -> web.Response:
        part, errors = load_form(self.request.query, PageSchema())
        if errors:
            return problem(422, detail="the query does not fit", errors=errors)
        rows = await self.fetch(limit=part["limit"], offset=part["offset"])
        items = self.resource.schema(many=True).dump(rows)
        return web.json_response({"items": items, "total": await self.count(), **part})

    async def post(self) -> web.Response:
        row = await self.create(await load_json(self.request, self.resource.schema()))
        location = f"{self.request.path}/{row.id}"
        return web.json_response(self.resource.schema().dump(row), status=201, headers={"Location": location})


class MemberApi(ResourceView):
    """GET: read. PUT: replace. PATCH: change what is given. DELETE: delete."""

    async def get(self) -> web.Response:
        return web.json_response(self.resource.schema().dump(await self.find()))

    async def put(self) -> web.Response:
        return await self._change(partial=False)

    async def patch(self) -> web.Response:
        return await self._change(partial=True)

    async def delete(self) -> web.Response:
        await self.remove(await self.find())
        return web.Response(status=204)

    async def _change(self, *, partial: bool) -> web.Response:
        row = await self.find()
        await self.update(row, await load_json(self.request, self.resource.schema(), partial=partial))
        return web.json_response(self.resource.schema().dump(row))
