"""jinja2: where the templates are, and what each of them may use beyond what its view gives."""

from pathlib import Path
from typing import Any

import jinja2
from levante import web
from levante.sessions import csrf_context, flash_context
from levante.web import templating

from .middlewares import NONCE
from .views.resource import NAVIGATION

TEMPLATES = Path(__file__).parent / "templates"


def setup_templates(app: web.Application) -> None:
    """Load templates from the package; every value is escaped, and an unknown name is an error rather than nothing."""
    templating.setup(
        app,
        loader=jinja2.FileSystemLoader(TEMPLATES),
        context_processors=[templating.request_processor, csrf_context, flash_context, page_context],
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


async def page_context(request: web.Request) -> dict[str, Any]:
    """What the layout shows on each page."""
    return {"csp_nonce": request[NONCE], "navigation": request.app[NAVIGATION]}
