"""The composition root: `create_app()` wires settings, database, sessions, templates, health and routes, and decides
nothing."""

import logging

from levante import sessions, web
from levante.sessions import EncryptedCookieStorage, SignedCookieStorage, csrf_middleware, parse_keys
from levante.web import health
from levante.web.middlewares import problem_details

from .db import check_database, open_database, session_per_request
from .live import close_rooms, open_rooms
from .middlewares import error_pages, limit_time, security_headers
from .rendering import setup_templates
from .settings import SETTINGS, Settings
from .views import setup_routes

NAME = "[[ cookiecutter.name ]]"

logger = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> web.Application:
    """The application, ready to be served. Settings come from the environment unless they are given."""
    settings = settings or Settings.load()
    app = web.Application(middlewares=[security_headers, problem_details], client_max_size=settings.max_body_size)
    app[SETTINGS] = settings
    app.cleanup_ctx.append(open_database)
    app.on_startup.append(open_rooms)
    app.on_startup.append(announce)
    app.on_shutdown.append(close_rooms)
    sessions.setup(app, session_storage(settings), csrf=None)
    app.middlewares.extend([error_pages, csrf_middleware(), limit_time, session_per_request])
    setup_templates(app)
    health.setup(app, ready={"database": check_database})
    setup_routes(app)
    return app


def session_storage(settings: Settings) -> sessions.AbstractStorage:
    """Where sessions live. Production demands https and binds the cookie to this host by its name."""
    storage = SignedCookieStorage if settings.session_storage == "signed" else EncryptedCookieStorage
    return storage(
        parse_keys(settings.secret_keys),
        cookie_name=f"__Host-{NAME}" if settings.is_production else NAME,
        secure=settings.is_production,
    )


async def announce(app: web.Application) -> None:
    """Say at the start what is served."""
    settings = app[SETTINGS]
    logger.info("%s starts: %s, %s sessions", NAME, settings.environment, settings.session_storage)
