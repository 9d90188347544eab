"""The composition root: `create_app()` wires settings, database, sessions, templates, health and routes, and decides
nothing."""

import logging
from functools import partial

from levante import sessions, web
from levante.sessions import EncryptedCookieStorage, SignedCookieStorage, csrf_middleware, parse_keys
from levante.web import health
from levante.web.middlewares import handler_timeout, problem_details, request_id, security_headers

from .db import check_database, open_database, session_per_request
from .error_pages import error_pages
from .live import close_rooms, open_rooms
from .rendering import setup_templates
from .settings import SETTINGS, Settings
from .views import setup_routes

NAME = "storefront"
BODY_TIMEOUT = 10.0
"""Seconds without a byte of a body after which its sender is given up (408). Below REQUEST_TIMEOUT, so that a client
that falls silent is never taken for a handler that is slow (504)."""
ONE_YEAR = 365 * 24 * 3600
SQLITE_IS_NOT_SHARED = (
    "REPLICAS=%d with SQLite: each copy of the service has a database of its own, and they differ. Use PostgreSQL: "
    "DATABASE_URL=postgresql+asyncpg://user:password@host/database"
)

ROOMS_ARE_NOT_SHARED = (
    "%d processes: each has live pages of its own, which do not hear of changes that the others make. Give Rooms a "
    "backplane (levante.ws.backplanes) in live.py"
)

logger = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> web.Application:
    """The application, ready to be served. Settings come from the environment unless they are given."""
    settings = settings or Settings.load()
    app = web.Application(
        client_max_size=settings.max_body_size,
        handler_args={
            "max_head_size": settings.max_header_size,
            "max_field_size": settings.max_header_size,
            "body_timeout": BODY_TIMEOUT,
        },
    )
    app[SETTINGS] = settings
    app.cleanup_ctx.append(open_database)
    app.on_startup.append(open_rooms)
    app.on_startup.append(announce)
    app.on_shutdown.append(close_rooms)
    setup_middlewares(app, settings)
    health.setup(app, ready={"database": partial(check_database, app)})
    setup_routes(app)
    return app


def setup_middlewares(app: web.Application, settings: Settings) -> None:
    """What happens around every request, from the outside in."""
    app.middlewares.append(request_id(trusted=settings.request_ids_from))
    app.middlewares.append(security_headers(hsts_max_age=ONE_YEAR if settings.is_production else None))
    sessions.setup(app, session_storage(settings), csrf=None)
    setup_templates(app)
    app.middlewares.append(error_pages)
    app.middlewares.append(problem_details)
    app.middlewares.append(csrf_middleware())
    app.middlewares.append(handler_timeout(settings.request_timeout))
    app.middlewares.append(session_per_request)


def session_storage(settings: Settings) -> sessions.AbstractStorage:
    """Where sessions live. Production demands https and binds the cookie to this host by its name."""
    storage = SignedCookieStorage if settings.session_storage == "signed" else EncryptedCookieStorage
    return storage(
        parse_keys(settings.secret_keys),
        cookie_name=f"__Host-{NAME}" if settings.is_production else NAME,
        secure=settings.is_production,
    )


async def announce(app: web.Application) -> None:
    """Say at the start what is served, and what will go wrong."""
    settings = app[SETTINGS]
    logger.info("%s starts: %s, %s sessions", NAME, settings.environment, settings.session_storage)
    if settings.replicas > 1 and settings.uses_sqlite:
        logger.warning(SQLITE_IS_NOT_SHARED, settings.replicas)
    processes = settings.replicas * settings.workers
    if processes > 1:
        logger.warning(ROOMS_ARE_NOT_SHARED, processes)
