"""`python -m [[ cookiecutter.package ]]`: serve in production.

Settings that cannot be served end the process with the reasons and the cures."""

import logging

from levante import web

from .app import create_app
from .settings import Settings, SettingsError


def main() -> None:
    """Serve until SIGTERM or SIGINT, finish what runs, return."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = Settings.load()
        web.run_app(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            shutdown_timeout=settings.shutdown_timeout,
            print=None,
        )
    except SettingsError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
