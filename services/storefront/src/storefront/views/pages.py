"""HTML pages of a resource: the list, a form to create, a form to edit, a button to delete. A form that does not
validate comes back with what was typed and the messages beside the fields; one that does answers 303, so that
reloading sends nothing twice."""

from dataclasses import dataclass, field
from typing import Any

from levante import web
from levante.sessions import flash
from levante.web import templating
from levante.web.schema import load_form

from .resource import ResourceView

PAGE_SIZE = 20


@dataclass(frozen=True)
class Form:
    """What a form shows: a value for each field, and what is wrong with it."""

    values: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)


class PageView(ResourceView):
    """The base of the pages of a resource."""

    def render(self, template: str, *, status: int = 200, **context: Any) -> web.Response:
        context["resource"] = self.resource
        return templating.render_template(f"{self.resource.name}/{template}", self.request, context, status=status)

    async def submitted(self) -> tuple[dict[str, Any], Form]:
        """The checked values of the form that was sent, and the form to show again if it has errors."""
        values, errors = load_form(await self.request.post(), self.resource.schema())
        return values, Form(values, errors)

    async def done(self, verb: str) -> web.Response:
        """Back to the list, which shows what was done."""
        await flash(self.request, f"{self.resource.singular.capitalize()} {verb}.", "success")
        raise web.HTTPSeeOther(self.resource.path)


class ListPage(PageView):
    """GET: a page of the list."""

    async def get(self) -> web.Response:
        total = await self.count()
        pages = max(1, -(-total // PAGE_SIZE))
        wanted = self.request.query.get("page", "")
        page = min(max(int(wanted), 1), pages) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else 1
        rows = await self.fetch(limit=PAGE_SIZE, offset=(page - 1) * PAGE_SIZE)
        return self.render("list.html", rows=rows, total=total, page=page, pages=pages, page_size=PAGE_SIZE)


class CreatePage(PageView):
    """GET: an empty form. POST: create."""

    async def get(self) -> web.Response:
        return self.render("form.html", form=Form(), row=None)

    async def post(self) -> web.Response:
        values, form = await self.submitted()
        if form.errors:
            return self.render("form.html", status=422, form=form, row=None)
        await self.create(values)
        return await self.done("created")


class EditPage(PageView):
    """GET: the form of a row. POST: change it."""

    async def get(self) -> web.Response:
        row = await self.find()
        return self.render("form.html", form=Form(self.resource.schema().dump(row)), row=row)

    async def post(self) -> web.Response:
        row = await self.find()
        values, form = await self.submitted()
        if form.errors:
            return self.render("form.html", status=422, form=form, row=row)
        await self.update(row, values)
        return await self.done("saved")


class DeletePage(PageView):
    """POST: delete a row."""

    async def post(self) -> web.Response:
        await self.remove(await self.find())
        return await self.done("deleted")
