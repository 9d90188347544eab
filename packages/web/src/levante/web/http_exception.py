"""What every HTTP exception is: a status with a reason, a text, headers and cookies, raised by a handler, and turned
into a response by the server.
"""

from typing import ClassVar, TypedDict
from warnings import warn

from multidict import CIMultiDict

from levante.http.status import reason_phrase

from .response_cookies import CookieMixin
from .types import LooseHeaders

DEFAULT_TEXT_TYPE = "text/plain; charset=utf-8"


class ExceptionFields(TypedDict, total=False):
    """The keyword arguments that every HTTP exception takes."""

    headers: LooseHeaders | None
    reason: str | None
    text: str | None
    content_type: str | None


class HTTPException(CookieMixin, Exception):
    """Base of all HTTP exceptions.

    Raises ValueError when `reason` or a header would break out of its line (CR, LF or NUL).
    """

    status_code: ClassVar[int] = -1
    empty_body: ClassVar[bool] = False

    def __init__(
        self,
        *,
        headers: LooseHeaders | None = None,
        reason: str | None = None,
        text: str | None = None,
        content_type: str | None = None,
    ) -> None:
        if reason is None:
            reason = reason_phrase(self.status_code)
        refuse_line_breaks("reason", reason)
        self._cookies = None
        self._headers: CIMultiDict[str] = CIMultiDict(headers or ())
        self._reason = reason
        if self.empty_body and (text or content_type):
            warn(
                f"a response of status {self.status_code} has no body; text and content_type are ignored",
                DeprecationWarning,
                stacklevel=2,
            )
            text = content_type = None
        self._text = text if text is not None or self.empty_body else f"{self.status_code}: {reason}"
        if content_type is not None:
            self._headers["Content-Type"] = content_type
        elif not self.empty_body:
            self._headers.setdefault("Content-Type", DEFAULT_TEXT_TYPE)
        Exception.__init__(self, self._reason)  # not by super(): a subclass may be another error as well

    def __bool__(self) -> bool:
        return True

    @property
    def status(self) -> int:
        """The status code, as responses call it."""
        return self.status_code

    @property
    def reason(self) -> str:
        """The reason phrase of the status line."""
        return self._reason

    @property
    def text(self) -> str | None:
        """The body, `"<status>: <reason>"` unless given; None where the status has no body."""
        return self._text

    @property
    def headers(self) -> CIMultiDict[str]:
        """The headers of the response to be; may be changed until it is sent."""
        return self._headers


def refuse_line_breaks(what: str, text: str) -> None:
    """ValueError when `text` would end its line in a head: CR, LF or NUL (response splitting)."""
    if "\r" in text or "\n" in text or "\0" in text:
        raise ValueError(f"{what} must not contain CR, LF or NUL; got {text!r}")
