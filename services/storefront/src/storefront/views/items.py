"""Items: the pages, the live list and the JSON API."""

from storefront.models import Item
from storefront.schemas import ItemSchema

from .api import CollectionApi, MemberApi
from .live import LiveList
from .pages import CreatePage, DeletePage, EditPage, ListPage
from .resource import ROW_ID, Resource

ITEMS = Resource(
    name="items",
    title="Items",
    singular="item",
    model=Item,
    schema=ItemSchema,
)


@ITEMS.routes.view("/items")
class ItemList(ListPage):
    resource = ITEMS


@ITEMS.routes.view("/items/new")
class ItemCreate(CreatePage):
    resource = ITEMS


@ITEMS.routes.view("/items/live")
class ItemLive(LiveList):
    resource = ITEMS


@ITEMS.routes.view(f"/items/{ROW_ID}")
class ItemEdit(EditPage):
    resource = ITEMS


@ITEMS.routes.view(f"/items/{ROW_ID}/delete")
class ItemDelete(DeletePage):
    resource = ITEMS


@ITEMS.routes.view("/api/items")
class ItemCollection(CollectionApi):
    resource = ITEMS


@ITEMS.routes.view(f"/api/items/{ROW_ID}")
class ItemMember(MemberApi):
    resource = ITEMS
