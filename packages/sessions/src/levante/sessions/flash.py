"""Flash messages: said on one page, shown on the next. They wait in the session and are gone when they are read."""

from collections.abc import Callable
from typing import Final, NamedTuple

from levante.web import Request

from .notices import LOG
from .session import Session
from .visit import get_session

FLASH_KEY: Final = "_flashes"
MAX_WAITING: Final = 20  # a client that never shows them must not fill its cookie; the newest are kept
DEFAULT_CATEGORY: Final = "info"


class Flash(NamedTuple):
    """A message for the visitor and its category (by convention: info, success, warning, error). Plain text: templates
    escape it."""

    message: str
    category: str


async def flash(request: Request, message: str, category: str = DEFAULT_CATEGORY) -> None:
    """Have a message shown on the next page. Raises SessionNotSetUp, and SessionWriteTooLate after the response head
    was made."""
    session = await get_session(request)
    waiting = list(session.get(FLASH_KEY, ()))
    if len(waiting) >= MAX_WAITING:
        LOG.warning("%d flash messages wait unread; the oldest is dropped (get_flashes() shows them)", len(waiting))
    session[FLASH_KEY] = [*waiting[-(MAX_WAITING - 1) :], [str(message), str(category)]]


async def get_flashes(request: Request) -> list[Flash]:
    """The waiting messages, oldest first; they are gone from the session then. Raises SessionNotSetUp."""
    return take_flashes(await get_session(request))


async def flash_context(request: Request) -> dict[str, Callable[[], list[Flash]]]:
    """A context processor for templates: `{% for flash in get_flashes() %}`. Without a call in the template the
    messages stay."""
    session = await get_session(request)
    return {"get_flashes": lambda: take_flashes(session)}


def take_flashes(session: Session) -> list[Flash]:
    """The waiting messages, removed from the session."""
    return [Flash(message, category) for message, category in session.pop(FLASH_KEY, ())]
