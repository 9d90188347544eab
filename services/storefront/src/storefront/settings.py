"""Every setting of the service: its default, and what is refused. Read once, from the environment; in a checkout that
is not told to be anything else, from `.env` as well, which is a developer's and never reaches production. Any
variable may also name a file that holds the value: `SECRET_KEYS_FILE=/run/secrets/keys`. All that is wrong is
reported at once, each line with its cure."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from environs import EnvValidationError, FileAwareEnv
from levante import web
from levante.http.forwarded import TrustedPeers
from levante.sessions import WeakKey, generate_key, parse_keys
from marshmallow import ValidationError
from marshmallow.validate import Length, OneOf, Range
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

CHECKOUT = Path(__file__).resolve().parents[2]
ROOT = CHECKOUT if (CHECKOUT / "alembic.ini").is_file() else Path.cwd()
"""What relative paths start from: the project's folder, or the working directory where the service is installed."""

ENVIRONMENTS = ("development", "test", "production")
STORAGES = ("encrypted", "signed")
DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")
EVERY_ADDRESS = "Empty; expected an address, such as 127.0.0.1, or 0.0.0.0 for every interface."
KEY_CURE = "make one with: python -c 'from levante.sessions import generate_key; print(generate_key())'"

logger = logging.getLogger(__name__)


class SettingsError(Exception):
    """The service cannot start with this environment; `problems` has a line for each variable that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n  ".join(["refusing to start, these settings are wrong:", *problems]))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings, checked. Sizes are in bytes, times in seconds."""

    secret_keys: str
    environment: str = "production"
    session_storage: str = "encrypted"
    database_url: str = "sqlite+aiosqlite:///var/storefront.db"
    pool_size: int = 5
    pool_overflow: int = 10
    pool_timeout: float = 5.0
    host: str = "127.0.0.1"
    port: int = 8000
    max_body_size: int = 1024 * 1024
    max_header_size: int = 16 * 1024
    request_timeout: float = 30.0
    shutdown_timeout: float = 25.0
    request_ids_from: tuple[str, ...] = ()
    replicas: int = 1
    workers: int = 1

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @property
    def uses_sqlite(self) -> bool:
        return make_url(self.database_url).get_backend_name() == "sqlite"

    @classmethod
    def load(cls) -> "Settings":
        """The settings that the environment describes; raises `SettingsError` with everything that is wrong with it."""
        env = FileAwareEnv(eager=False, strip_whitespace=True)
        if _named_environment() in {"", "development"}:
            env.read_env(ROOT / ".env", recurse=False)
        try:
            settings = _read(env)
            problems = [*_unreadable(env), *_key_problems(settings)]
        except ValueError as error:  # a variable that names a file which cannot be read
            problems = [str(error)]
        if problems:
            raise SettingsError(problems)
        if not settings.secret_keys:
            logger.warning("SECRET_KEYS is not set: sessions end when the process does; %s", KEY_CURE)
            return replace(settings, secret_keys=generate_key())
        return settings


SETTINGS = web.AppKey("settings", Settings)


def _named_environment() -> str:
    return os.environ.get("LEVANTE_ENV") or os.environ.get("ENV") or ""


def _read(env: FileAwareEnv) -> Settings:
    positive = Range(min=0, min_inclusive=False)
    return Settings(
        environment=env.str("LEVANTE_ENV", env.str("ENV", Settings.environment), validate=OneOf(ENVIRONMENTS)),
        secret_keys=env.str("SECRET_KEYS", ""),
        session_storage=env.str("SESSION_STORAGE", Settings.session_storage, validate=OneOf(STORAGES)),
        database_url=env.str("DATABASE_URL", Settings.database_url, validate=_check_database_url),
        pool_size=env.int("POOL_SIZE", Settings.pool_size, validate=positive),
        pool_overflow=env.int("POOL_OVERFLOW", Settings.pool_overflow, validate=Range(min=0)),
        pool_timeout=env.float("POOL_TIMEOUT", Settings.pool_timeout, validate=positive),
        host=env.str("HOST", Settings.host, validate=Length(min=1, error=EVERY_ADDRESS)),
        port=env.int("PORT", Settings.port, validate=Range(0, 65535)),
        max_body_size=env.int("MAX_BODY_SIZE", Settings.max_body_size, validate=positive),
        max_header_size=env.int("MAX_HEADER_SIZE", Settings.max_header_size, validate=Range(min=1024)),
        request_timeout=env.float("REQUEST_TIMEOUT", Settings.request_timeout, validate=positive),
        shutdown_timeout=env.float("SHUTDOWN_TIMEOUT", Settings.shutdown_timeout, validate=positive),
        request_ids_from=tuple(env.list("REQUEST_IDS_FROM", [], subcast=str.strip, validate=_check_networks) or ()),
        replicas=env.int("REPLICAS", Settings.replicas, validate=positive),
        workers=env.int("WORKERS", Settings.workers, validate=positive),
    )


def _unreadable(env: FileAwareEnv) -> list[str]:
    try:
        env.seal()
    except EnvValidationError as error:
        found = cast("Mapping[str, list[str]]", error.error_messages)  # by variable, since all were read lazily
        return [f"{name}: {' '.join(messages)}" for name, messages in found.items()]
    return []


def _key_problems(settings: Settings) -> list[str]:
    if not settings.secret_keys:
        if settings.environment == "development" and settings.workers == 1:
            return []
        return [f"SECRET_KEYS: missing; {KEY_CURE}"]
    try:
        parse_keys(settings.secret_keys)
    except WeakKey as error:
        return [f"SECRET_KEYS: {error}"]
    return []


def _check_networks(networks: list[str]) -> None:
    try:
        TrustedPeers(networks)
    except ValueError as error:
        raise ValidationError(f"{error}; expected networks such as 10.0.0.0/8, or unix.") from None


def _check_database_url(url: str) -> None:
    try:
        driver = make_url(url).drivername
    except ArgumentError:
        raise ValidationError("Not a database URL; expected for example sqlite+aiosqlite:///var/data.db.") from None
    if driver not in DRIVERS:
        raise ValidationError(f"The driver is {driver!r}; expected one of {', '.join(DRIVERS)}.")
