"""`python -m [[ cookiecutter.package ]]`: serve in production, by one process or by several.

Settings that cannot be served end the process with the reasons and the cures."""

import logging

from levante import web

from .app import create_app
from .settings import Settings, SettingsError

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def worker_app() -> web.Application:
    """The application of a worker, which is a process of its own and knows nothing yet."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    return create_app()


def main() -> None:
    """Serve until SIGTERM or SIGINT, finish what runs, return."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
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
