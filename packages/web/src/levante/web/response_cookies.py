"""Cookies that a response sets; responses and HTTP exceptions share this. A cookie is checked when it is set, so the
error is raised where the mistake is.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from levante.http.cookies import SetCookie, parse_cookie_date

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""An Expires in the past, which deletes a cookie."""


class ResponseCookies(dict[str, SetCookie]):
    """The cookies of a response by name. A `str` that is put in becomes a cookie without attributes; its text is what
    is sent.
    """

    def __setitem__(self, name: str, cookie: SetCookie | str) -> None:
        if isinstance(cookie, str):
            cookie = SetCookie(name, cookie)
        elif not isinstance(cookie, SetCookie):
            raise TypeError(f"a cookie is a str or a SetCookie; got {cookie!r}")
        cookie.header()
        super().__setitem__(name, cookie)

    def __str__(self) -> str:
        return "\r\n".join(f"Set-Cookie: {cookie.header()}" for cookie in self.values())


class CookieMixin:
    """`cookies`, `set_cookie` and `del_cookie`."""

    _cookies: ResponseCookies | None
    __slots__ = ()  # the classes that mix this in have the slot

    def _check_changeable(self, what: str) -> None:
        """RuntimeError when it is too late to change something; an exception can be changed until it is turned into a
        response.
        """

    @property
    def cookies(self) -> ResponseCookies:
        """The cookies to be set, by name; ValueError for one that could be misread."""
        if self._cookies is None:
            self._cookies = ResponseCookies()  # type: ignore[misc]  # the slot is in the classes that mix this in
        return self._cookies

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        expires: datetime | str | None = None,
        domain: str | None = None,
        max_age: int | str | None = None,
        path: str = "/",
        secure: bool | None = None,
        httponly: bool | None = None,
        samesite: str | None = None,
        partitioned: bool | None = None,
    ) -> None:
        """Set a cookie; setting it again changes the attributes that are given, ends a deletion, and takes
        an old `max_age` off.

        `max_age` is in seconds, `expires` a datetime or an HTTP date, `samesite` `Lax`, `Strict` or `None` (a str).
        Raises ValueError when the name, value or an attribute could be misread, or the whole is larger than 4,096
        bytes.
        """
        self._check_changeable("cookies")
        age, moment = None if max_age is None else int(max_age), _moment(expires)
        old = self.cookies.get(name)
        if old is None:
            cookie = SetCookie(
                name,
                value,
                path,
                domain,
                age,
                moment,
                bool(secure),
                bool(httponly),
                samesite,
                bool(partitioned),
            )
        else:
            given: dict[str, Any] = {  # Any: the fields of SetCookie, each of its own type
                "domain": domain,
                "max_age": age,
                "expires": moment,
                "secure": secure,
                "httponly": httponly,
                "samesite": samesite,
                "partitioned": partitioned,
            }
            changes = {key: field for key, field in given.items() if field is not None}
            changes["max_age"] = age  # an old one would win over a new date, or end a new value too soon
            if old.expires == EPOCH:
                changes.setdefault("expires", None)
            cookie = replace(old, value=value, path=path, **changes)
        self.cookies[name] = cookie

    def del_cookie(
        self,
        name: str,
        *,
        domain: str | None = None,
        path: str = "/",
        secure: bool | None = None,
        httponly: bool | None = None,
        samesite: str | None = None,
    ) -> None:
        """Make the browser forget a cookie: an empty value that expired in 1970. Domain and path must be those it was
        set with.
        """
        self.cookies.pop(name, None)
        self.set_cookie(
            name,
            "",
            domain=domain,
            path=path,
            max_age=0,
            expires=EPOCH,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
        )


def _moment(expires: datetime | str | None) -> datetime | None:
    if not isinstance(expires, str):
        return expires
    moment = parse_cookie_date(expires)
    if moment is None:
        raise ValueError(
            f"expires {expires!r} is no date; pass a datetime, or text such as 'Thu, 01 Jan 1970 00:00:00 GMT'"
        )
    return moment
