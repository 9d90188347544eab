import pytest

from levante import web


@pytest.mark.parity("S46")
def test_the_decorator_changes_nothing() -> None:
    async def middleware(request: web.Request, handler: object) -> web.Response:
        raise NotImplementedError

    assert web.middleware(middleware) is middleware
