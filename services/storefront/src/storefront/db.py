"""The database: one engine for the application, opened and closed with it, and one session for each request. A
session takes a connection at its first statement and gives it back when the request ends; what is not committed by
then is rolled back."""

from collections.abc import AsyncIterator
from typing import Any

from levante import web
from levante.web.types import Handler
from sqlalchemy import URL, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from .settings import ROOT, SETTINGS, Settings, SettingsError

BUSY_TIMEOUT = 5_000
"""How long (ms) SQLite waits for another writer; with WAL a write takes a few milliseconds."""

ENGINE = web.AppKey("engine", AsyncEngine)
SESSIONS: web.AppKey[async_sessionmaker[AsyncSession]] = web.AppKey("sessions")
SESSION = web.RequestKey("session", AsyncSession)


def make_engine(settings: Settings) -> AsyncEngine:
    """An engine for `settings.database_url`. Nothing is connected yet; the folder of a SQLite file is made."""
    url = make_url(settings.database_url)
    if settings.uses_sqlite:
        url = _absolute(url)
    engine = create_async_engine(
        url,
        pool_size=settings.pool_size,
        max_overflow=settings.pool_overflow,
        pool_timeout=settings.pool_timeout,
        pool_pre_ping=True,
    )
    if settings.uses_sqlite:
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


async def open_database(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx`: the engine lives as long as the application."""
    engine = make_engine(app[SETTINGS])
    app[ENGINE] = engine
    app[SESSIONS] = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


@web.middleware
async def session_per_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request a database session in `request[SESSION]`, and close it behind the handler."""
    async with request.app[SESSIONS]() as session:
        request[SESSION] = session
        return await handler(request)


async def check_database(app: web.Application) -> None:
    """Raise unless the database answers; for /readyz."""
    async with app[ENGINE].connect() as connection:
        await connection.execute(text("select 1"))


def _absolute(url: URL) -> URL:
    path = ROOT / (url.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError([f"DATABASE_URL: cannot make the folder {path.parent}: {error.strerror}"]) from error
    return url.set(database=str(path))


def _prepare_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
