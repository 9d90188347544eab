from typing import Any

import pytest

from levante import web
from levante.web.middlewares import csp_nonce, security_headers


async def handler(request: web.Request) -> web.StreamResponse:
    match request.path:
        case "/nonce":
            assert csp_nonce(request) == csp_nonce(request)
            return web.Response(text=csp_nonce(request))
        case "/own":
            return web.Response(headers={"Content-Security-Policy": "own", "Referrer-Policy": "no-referrer"})
        case "/stream":
            return web.StreamResponse()
        case "/crash":
            raise ZeroDivisionError
    raise web.HTTPForbidden


async def serving(serve: Any, **options: Any) -> Any:
    app = web.Application(middlewares=[security_headers(**options)])
    app.router.add_get("/{x}", handler)
    return await serve(app)


@pytest.mark.hardening("S22")
async def test_every_response_has_them(serve: Any) -> None:
    served = await serving(serve)
    for path, status in (("/stream", 200), ("/crash", 500), ("/403", 403), ("/nope/nope", 404)):
        answer = await served.get(path)
        assert answer.status == status
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "camera=(), " in answer.headers["Permissions-Policy"]
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "nonce" not in answer.headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in answer.headers


async def test_a_nonce_that_was_asked_for_is_allowed(serve: Any) -> None:
    served = await serving(serve)
    first, second = await served.get("/nonce"), await served.get("/nonce")
    assert first.text != second.text
    assert len(first.text) >= 22
    assert f"script-src 'self' 'nonce-{first.text}'" in first.headers["Content-Security-Policy"]
    assert f"style-src 'self' 'nonce-{first.text}'" in first.headers["Content-Security-Policy"]


async def test_what_the_handler_sets_wins(serve: Any) -> None:
    answer = await (await serving(serve)).get("/own")
    assert answer.headers.getall("Content-Security-Policy") == ["own"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_options(serve: Any) -> None:
    nothing = {"csp": None, "referrer_policy": None, "permissions_policy": None, "frame_options": None}
    answer = await (await serving(serve, **nothing, opener_policy=None, hsts_max_age=60)).get("/403")
    assert not {"X-Frame-Options", "Permissions-Policy", "Cross-Origin-Opener-Policy"} & set(answer.headers)
    assert answer.headers["Strict-Transport-Security"] == "max-age=60; includeSubDomains"
    assert "Content-Security-Policy" not in answer.headers
    assert "Referrer-Policy" not in answer.headers
    served = await serving(serve, csp={"default-src": "'none'"}, hsts_max_age=60, hsts_include_subdomains=False)
    answer = await served.get("/403")
    assert answer.headers["Strict-Transport-Security"] == "max-age=60"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
