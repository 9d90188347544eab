"""The headers of a response after they were sent. Changing them then would change nothing, so it is an error."""

from typing import NoReturn

from multidict import CIMultiDict


class SentHeaders(CIMultiDict[str]):
    """The headers of a response whose head is on its way: to be read only."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError(
            "the head of the response is already on its way; change headers before prepare(), or in on_response_prepare"
        )

    __setitem__ = __delitem__ = add = extend = update = setdefault = _refuse
    pop = popone = popall = popitem = clear = merge = _refuse
