"""Every view of the service. A resource is registered by standing in `RESOURCES`: its routes and its place in the
navigation follow."""

from pathlib import Path

from levante import web

from .home import Home
from .items import ITEMS
from .resource import NAVIGATION, Resource

STATIC = Path(__file__).parents[1] / "static"

RESOURCES: list[Resource] = [
    ITEMS,
]


def setup_routes(app: web.Application) -> None:
    """Register the home page, every resource, and the static files."""
    app.router.add_view("/", Home, name="home")
    for resource in RESOURCES:
        app.add_routes(resource.routes)
    app[NAVIGATION] = RESOURCES
    app.router.add_static("/static", STATIC, name="static")
