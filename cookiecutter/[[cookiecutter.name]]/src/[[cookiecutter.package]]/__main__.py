"""`python -m [[ cookiecutter.package ]]`: serve in production, by one process or by several.

Settings that cannot be served end the process with the reasons and the cures."""

import logging

from levante import web
from levante.http.requestids import RequestIdFilter

from .app import create_app
from .settings import Settings, SettingsError

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(request_id)s: %(message)s"


def set_up_logging() -> None:
    """Log to standard error, each line with the id of the request that it belongs to."""
    handler = logging.StreamHandler()
    handler.addFilter(RequestIdFilter())
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, handlers=[handler])


def worker_app() -> web.Application:
    """The application of a worker, which is a process of its own and knows nothing yet."""
    set_up_logging()
    return create_app()


def main() -> None:
    """Serve until SIGTERM or SIGINT, finish what runs, return."""
    set_up_logging()
    try:
        settings = Settings.load()
        web.run_app(
            worker_app if settings.workers > 1 else create_app(settings),
            workers=settings.workers,
            host=settings.host,
            port=settings.port,
            shutdown_timeout=settings.shutdown_timeout,
            print=None,
        )
    except SettingsError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
