"""Trailers: fields of a response that are known only after its body, such as a digest or the time it took. They need
chunks, so they are declared before the head is sent; what is kept of them lies among the response's state, because few
responses have any.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from multidict import CIMultiDict

from .keys import ResponseKey
from .state import StateMapping

if TYPE_CHECKING:
    from .types import BaseRequest

TRAILERS: Final = ResponseKey("trailers", CIMultiDict)


class TrailersMixin(StateMapping):
    """The part of a response that holds trailers."""

    __slots__ = ()

    if TYPE_CHECKING:
        _chunked: bool
        _request: BaseRequest | None

        @property
        def headers(self) -> CIMultiDict[str]: ...
        def enable_chunked_encoding(self) -> None: ...
        def _check_changeable(self, what: str) -> None: ...
        def _is_empty(self, request: BaseRequest) -> bool: ...

    def declare_trailers(self, *names: str) -> None:
        """Announce fields that follow the body (RFC 9110 section 6.6.2), before `prepare`; set them in `trailers` up to
        `write_eof`. Without names any may follow, unannounced.

        The body is sent in chunks then: RuntimeError with a Content-Length, or once prepared. Clients of HTTP/1.0 get
        the body without trailers, and others may ignore them: nothing that a response needs belongs there.
        """
        self._check_changeable("trailers")
        self.enable_chunked_encoding()
        if names:
            self.headers["Trailer"] = ", ".join(names)
        if self._state is None:
            self._state = {}
        self._state[TRAILERS] = CIMultiDict[str]()

    @property
    def trailers(self) -> CIMultiDict[str]:
        """The declared trailers, to be set before `write_eof`. RuntimeError unless `declare_trailers` was called."""
        found = (self._state or {}).get(TRAILERS)
        if found is None:
            raise RuntimeError("no trailers were declared; call declare_trailers() before prepare()")
        trailers: CIMultiDict[str] = found
        return trailers

    def _final_trailers(self) -> Mapping[str, str] | None:
        """What is sent behind the body. ValueError for one that was not announced, where others were."""
        trailers: CIMultiDict[str] | None = (self._state or {}).get(TRAILERS)
        if not trailers or self._request is None or not self._chunked or self._is_empty(self._request):
            return None
        announced = {name.strip().lower() for name in self.headers.get("Trailer", "").split(",")}
        for name in trailers:
            if announced != {""} and name.lower() not in announced:
                raise ValueError(f"trailer {name!r} was not announced; name it in declare_trailers()")
        return trailers

    def _drop_trailers(self) -> bool:
        """The client knows no chunks (HTTP/1.0): False, if the response can do without."""
        if TRAILERS not in (self._state or {}):
            raise RuntimeError("chunked encoding needs HTTP/1.1; the request is HTTP/1.0")
        self.headers.pop("Trailer", None)
        return False
