"""jinja2: where the templates are, and what each of them may use beyond what its view gives."""

from pathlib import Path
from typing import Any

import jinja2
from levante import web
from levante.sessions import csrf_context, flash_context
from levante.web import templating

from .views.resource import NAVIGATION

TEMPLATES = Path(__file__).parent / "templates"


def setup_templates(app: web.Application) -> None:
    """Load templates from the package; every value is escaped, and an unknown name is an error rather than nothing."""
    app[templating.static_root_key] = "/static"
    templating.setup(
        app,
        loader=jinja2.FileSystemLoader(TEMPLATES),
        context_processors=[csrf_context, flash_context, navigation],
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def navigation(request: web.Request) -> dict[str, Any]:
    """The resources, for the bar at the top."""
    return {"navigation": request.app[NAVIGATION]}
