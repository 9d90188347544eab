"""What a request would find if it had another method or path. It is routed anew and nothing else: no clone, which would
refuse once somebody has read the body, for routing does not need that.
"""

from typing import TYPE_CHECKING

from levante.web.request import Request

if TYPE_CHECKING:
    from levante.web.routing.match import UrlMappingMatchInfo


async def found_by(request: Request, *, method: str | None = None, path: str | None = None) -> "UrlMappingMatchInfo":
    """The match from the root application on. `path` is encoded; RemoteProtocolError for one that no request has."""
    probe = Request(request.exchange)
    probe.server = request.server
    probe.method = request.method if method is None else method
    probe.target_text = request.target_text if path is None else path
    probe.adopt({"headers": request.headers, "host": request.host})
    return await request.match_info.apps[0].router.resolve(probe)
