"""[[ cookiecutter.plural_title ]]: the pages, the live list and the JSON API."""

from [[ cookiecutter.package ]].models import [[ cookiecutter.class_name ]]
from [[ cookiecutter.package ]].schemas import [[ cookiecutter.class_name ]]Schema

from .api import CollectionApi, MemberApi
from .live import LiveList
from .pages import CreatePage, DeletePage, EditPage, ListPage
from .resource import ROW_ID, Resource

[% set RESOURCE = cookiecutter.plural | upper %]
[% set Name = cookiecutter.class_name %]
[[ RESOURCE ]] = Resource(
    name="[[ cookiecutter.plural ]]",
    title="[[ cookiecutter.plural_title ]]",
    singular="[[ cookiecutter.singular | replace("_", " ") ]]",
    model=[[ Name ]],
    schema=[[ Name ]]Schema,
)


@[[ RESOURCE ]].routes.view("/[[ cookiecutter.plural ]]")
class [[ Name ]]List(ListPage):
    resource = [[ RESOURCE ]]


@[[ RESOURCE ]].routes.view("/[[ cookiecutter.plural ]]/new")
class [[ Name ]]Create(CreatePage):
    resource = [[ RESOURCE ]]


@[[ RESOURCE ]].routes.view("/[[ cookiecutter.plural ]]/live")
class [[ Name ]]Live(LiveList):
    resource = [[ RESOURCE ]]


@[[ RESOURCE ]].routes.view(f"/[[ cookiecutter.plural ]]/{ROW_ID}")
class [[ Name ]]Edit(EditPage):
    resource = [[ RESOURCE ]]


@[[ RESOURCE ]].routes.view(f"/[[ cookiecutter.plural ]]/{ROW_ID}/delete")
class [[ Name ]]Delete(DeletePage):
    resource = [[ RESOURCE ]]


@[[ RESOURCE ]].routes.view("/api/[[ cookiecutter.plural ]]")
class [[ Name ]]Collection(CollectionApi):
    resource = [[ RESOURCE ]]


@[[ RESOURCE ]].routes.view(f"/api/[[ cookiecutter.plural ]]/{ROW_ID}")
class [[ Name ]]Member(MemberApi):
    resource = [[ RESOURCE ]]
