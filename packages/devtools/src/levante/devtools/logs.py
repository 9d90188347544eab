"""Where log records go in development. Records of a project that has not said so yet, because it is still being loaded,
have the same form as later ones: what it configures meanwhile is never in the way of that, nor the other way round."""

import logging

FORMAT = "%(levelname)-7s %(name)s: %(message)s"


def show_early_records(level: int = logging.WARNING) -> None:
    """From now on, show records that no handler takes, from `level` on; for the time before `configure_logging`."""
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.lastResort = handler
    if level < logging.WARNING:
        logging.getLogger().setLevel(level)


def configure_logging(*, verbose: bool) -> None:
    """Show log records on the terminal, unless the project has already said where they go."""
    if verbose or not logging.getLogger().handlers:
        logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format=FORMAT)
