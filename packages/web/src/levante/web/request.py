"""The request as a handler sees it: a view of the exchange below, with the ways to read its body."""

from typing import IO, TYPE_CHECKING, Any, Self

from multidict import CIMultiDict, CIMultiDictProxy, MultiDictProxy
from yarl import URL

from levante.http.exchange import Exchange
from levante.http.limits import ContentLimits
from levante.http.streams import StreamReader

from .bodies import decode_json, decode_text, decoded_content, read_body
from .config import ChainMapProxy
from .exceptions import HTTPBadRequest
from .forms import FormValue, close_files, multipart_reader, open_files, read_form
from .jsoncodec import CODEC
from .keys import BaseKey
from .request_connection import RequestConnection
from .request_head import CONTENT_LIMITS
from .routing.match import UrlMappingMatchInfo

if TYPE_CHECKING:
    from levante.http.multipart_reader import MultipartReader

    from .routing.abstract import AbstractRoute
    from .types import Application, JSONDecoder, LooseHeaders, PrepareHook, PrepareReceiver, Server, StreamResponse

CLIENT_MAX_SIZE = 1024 * 1024
"""The default of `client_max_size`: bytes of a (decoded) request body that `read()` and `post()` accept. nginx and
aiohttp: 1 MiB.
"""

JSON = "application/json"

INHERITED = ("scheme", "host", "remote", "headers", "raw_headers", "content", "id", "read", "client_max_fields")
"""What a clone takes over, if it was known already; the rest follows from it."""


class BaseRequest(RequestConnection):
    """A request without an application, as the handler of a `web.Server` gets it.

    As a mapping it holds what middlewares hand to handlers, by `str` or `RequestKey`.
    """

    __slots__ = (
        "__weakref__",
        "_app",
        "_body",
        "_client_max_size",
        "_form",
        "_hooks",
        "_match_info",
        "_route",
        "files",
        "server",
    )

    def __init__(self, exchange: Exchange, client_max_size: int = CLIENT_MAX_SIZE) -> None:
        # All fields in one place, those of the classes above and below as well: one is made for every request, and
        # each __init__ that calls another costs as much as ten of these lines.
        head = exchange.head
        self.exchange = exchange
        self.head = head
        self.method = head.method
        self.target_text = head.target
        self._cache = {}
        self._state = None
        self._client_max_size = client_max_size
        self._body: bytes | None = None
        self._form: MultiDictProxy[FormValue] | None = None
        self._hooks: list[PrepareHook] | None = None
        self.files: list[IO[bytes]] | None = None
        """Files of forms, read by this request or by a clone, that may be open."""
        self.server: Server | None = None
        # For Request: how it was routed.
        self._match_info: UrlMappingMatchInfo | None = None
        self._app: Application | None = None
        self._route: AbstractRoute | None = None

    @property
    def content_limits(self) -> ContentLimits:
        """How many cookies, pairs of a query and fields of a form the request may have, as its server says."""
        limits = CONTENT_LIMITS if self.server is None else self.server.content_limits
        fields: int | None = self._cache.get("client_max_fields")
        return limits if fields is None else limits.with_form_fields(fields)

    @property
    def content(self) -> StreamReader:
        """The body as it arrives, its Content-Encoding undone (unless the server was told `auto_decompress=False`).

        Nothing is decoded before it is read, and then only as much as is asked for; no `client_max_size` holds here.
        Reads raise ContentCodingError: 415 for an unknown coding, 400 for a broken body, 413 for one that inflates
        beyond the server's `max_coding_ratio`.
        """
        if self.head.field(b"content-encoding") is None or not self.head.has_body:
            return self.exchange.body
        content: StreamReader | None = self._cache.get("content")
        if content is None:
            content = self._cache["content"] = decoded_content(self)
        return content

    @property
    def body_exists(self) -> bool:
        """Whether the request has a body that is not empty."""
        return self.head.has_body

    @property
    def can_read_body(self) -> bool:
        """Whether something of the body is still to be read."""
        content: StreamReader = self._cache.get("content", self.exchange.body)
        return not content.at_eof()

    @property
    def client_max_size(self) -> int:
        """How many bytes `read` and `post` accept; 0 is no limit."""
        return self._client_max_size

    @property
    def client_max_fields(self) -> int:
        """How many fields of a form `post` accepts; 0 is no limit."""
        fields: int = self._cache.get("client_max_fields", self.content_limits.max_form_fields)
        return fields

    @property
    def kept_body(self) -> bytes | None:
        """The whole body once `read` has read it."""
        read: dict[str, bytes] = self._cache.get("read", {})
        return read.get("body") if self._body is None else self._body

    async def read(self) -> bytes:
        """The whole body, decoded, kept for the next call.

        Raises HTTPRequestEntityTooLarge beyond `client_max_size`, ContentCodingError as `content`,
        RemoteProtocolError for a malformed body, PeerDisconnected when the client went away.
        """
        if self._body is None:
            read = self._cache.get("read")
            if read is None:
                self._body = await read_body(self, limit=self._client_max_size)
            else:
                if "body" not in read:
                    read["body"] = await read_body(self, limit=self._client_max_size)
                self._body = read["body"]
        return self._body

    async def text(self) -> str:
        """The body as text, in its charset or UTF-8. Raises HTTPBadRequest when it is not text in it,
        HTTPUnsupportedMediaType when the charset is unknown.
        """
        return decode_text(await self.read(), self.charset or "utf-8")

    async def json(self, *, loads: "JSONDecoder | None" = None, content_type: str | None = JSON) -> Any:
        """The body as JSON (Any: of whatever shape), decoded by `loads`, or as the application has it: by `json.loads`,
        unless it was told otherwise.

        Raises HTTPBadRequest when the type of the body is not `content_type` (for the default also any `+json`); None
        accepts every type. When `loads` raises ValueError, the body is no JSON: the HTTPBadRequest raised then is a
        json.JSONDecodeError, too.
        """
        if content_type is not None:
            matches = self.media_type.is_json() if content_type == JSON else self.content_type == content_type.lower()
            if not matches:
                raise HTTPBadRequest(
                    text=f"Attempt to decode JSON with unexpected mimetype {self.content_type}; expected {content_type}"
                )
        return decode_json(await self.text(), CODEC.get().loads if loads is None else loads)

    async def multipart(self) -> "MultipartReader":
        """A reader of the parts of a multipart body, as they arrive."""
        return multipart_reader(self)

    async def post(self) -> MultiDictProxy[FormValue]:
        """The fields of a form, urlencoded or multipart; empty for other types and for methods that send none.

        Files are `FileField`s, closed when the response is finished. Raises as `read`, and ValueError for a malformed
        part.
        """
        if self._form is None:
            self._form = self._cache.get("read", {}).get("form")
        if self._form is None:
            fields = await read_form(self)
            self._form = MultiDictProxy(fields)
            if "read" in self._cache:
                self._cache["read"]["form"] = self._form
            if files := open_files(fields):
                if self.files is None:
                    self.files = []
                self.files += files
        return self._form

    async def release(self) -> None:
        """Read and throw away the rest of the body, without decoding it."""
        body = self.exchange.body
        while not body.at_eof():
            await body.readany()
        if "content" in self._cache:
            self._cache["content"] = body

    async def close_files(self) -> None:
        """Close the files of forms; the server does so when the response is finished."""
        await close_files(self.files or ())

    def clone(
        self,
        *,
        method: str | None = None,
        rel_url: str | URL | None = None,
        headers: "LooseHeaders | None" = None,
        scheme: str | None = None,
        host: str | None = None,
        remote: str | None = None,
        client_max_size: int | None = None,
        client_max_fields: int | None = None,
    ) -> Self:
        """A copy with something replaced: how middlewares apply what trusted proxies say, or another body limit.

        The state is copied shallowly; hooks and open files belong to all copies, as does a body, or a form, that one of
        them reads from now on. Raises RuntimeError once this one has read it.
        """
        if self._body or self._form:
            raise RuntimeError("a request cannot be cloned after its body was read: the copy could not read it again")
        copy = self._copy(self._client_max_size if client_max_size is None else client_max_size)
        _ = self.content  # if it is decoded on the way, then by one decoder for both
        _ = self.id  # one for both, whoever asks first
        self._cache.setdefault("read", {})
        facts = {name: self._cache[name] for name in INHERITED if name in self._cache}
        if headers is not None:
            replaced = CIMultiDictProxy(CIMultiDict(headers))
            if replaced.get("Host") != self.headers.get("Host"):
                facts.pop("host", None)
            facts["headers"] = replaced
            facts["raw_headers"] = tuple(
                (name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in replaced.items()
            )
        if method is not None:
            copy.method = method
        if rel_url is not None:
            url = URL(rel_url)
            copy.target_text = str(url) or "/"
            if url.absolute:
                facts["host"] = url.host_port_subcomponent
        given = {"scheme": scheme, "host": host, "remote": remote, "client_max_fields": client_max_fields}
        facts.update((name, value) for name, value in given.items() if value is not None)
        if self._hooks is None:
            self._hooks = []
        if self.files is None:
            self.files = []
        copy.adopt(facts, state=self._state, hooks=self._hooks, files=self.files)
        return copy

    def _copy(self, client_max_size: int) -> Self:
        copy = type(self)(self.exchange, client_max_size)
        copy.server = self.server
        copy.method = self.method
        copy.target_text = self.target_text
        return copy

    def adopt(
        self,
        facts: dict[str, Any],
        *,
        state: dict[str | BaseKey[Any], Any] | None = None,
        hooks: "list[PrepareHook] | None" = None,
        files: list[IO[bytes]] | None = None,
    ) -> None:
        """For `clone`: take what another request knows (Any: as in `_cache`), a copy of its state, and share its hooks
        and open files.
        """
        self._cache.update(facts)
        self._state = None if state is None else dict(state)
        self._hooks = hooks
        self.files = files

    def add_prepare_hook(self, hook: "PrepareHook") -> None:
        """Have `hook(response)` called before the head of the response to this request is sent, whichever response it
        will be.
        """
        if self._hooks is None:
            self._hooks = []
        self._hooks.append(hook)

    @property
    def has_prepare_hooks(self) -> bool:
        """Whether somebody wants to see the response before its head is sent."""
        return bool(self._hooks or self.prepare_receivers)

    @property
    def prepare_receivers(self) -> "tuple[PrepareReceiver, ...]":
        """Whom to await with (request, response) before the head of the response is sent."""
        return ()

    def run_prepare_hooks(self, response: "StreamResponse") -> None:
        """Call the hooks of the request, after the receivers."""
        for hook in self._hooks or ():
            hook(response)

    async def prepare_hook(self, response: "StreamResponse") -> None:
        """Show the response to whoever wants to see it before its head is sent."""
        if receivers := self.prepare_receivers:
            response.show_added_fields(self)
            for receiver in receivers:
                await receiver(self, response)
            response.hide_removed_fields(self)
        self.run_prepare_hooks(response)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.method} {self.head.target}>"


class Request(BaseRequest):
    """A request on its way through an application."""

    __slots__ = ()

    @property
    def match_info(self) -> UrlMappingMatchInfo:
        """The fields of the path, and the route."""
        match_info = self._match_info
        if match_info is None:
            if self._app is None or self._route is None:
                raise RuntimeError("the request has not been routed yet")
            match_info = self._match_info = UrlMappingMatchInfo({}, self._route)
            match_info.add_app(self._app)
            match_info.freeze()
        return match_info

    def bind(self, match_info: UrlMappingMatchInfo) -> None:
        """Attach the match; the application does so."""
        self._match_info = match_info

    def bind_route(self, route: "AbstractRoute", app: "Application") -> None:
        """Attach a route of `app` itself whose path has no fields: the match is made when somebody asks for it."""
        self._route = route
        self._app = app

    @property
    def app(self) -> "Application":
        """The application whose middleware or handler runs now."""
        return self.match_info.current_app

    @property
    def config_dict(self) -> ChainMapProxy:
        """The applications from the current one up to the root, as one read-only mapping."""
        apps = self.match_info.apps
        return ChainMapProxy(tuple(reversed(apps[: apps.index(self.app) + 1])))

    @property
    def has_prepare_hooks(self) -> bool:
        """Whether somebody wants to see the response before its head is sent."""
        app = self._app  # the usual way, without another property on it
        return bool(self._hooks or (self.prepare_receivers if app is None else app.prepare_receivers))

    @property
    def prepare_receivers(self) -> "tuple[PrepareReceiver, ...]":
        """Those of `on_response_prepare` of every application that the request passes through, root first."""
        if self._app is not None:
            return self._app.prepare_receivers
        found: tuple[PrepareReceiver, ...] = ()
        if self._match_info is not None:
            for app in self._match_info.apps:
                if app.on_response_prepare:
                    found += tuple(app.on_response_prepare)
        return found

    def _copy(self, client_max_size: int) -> Self:
        copy = super()._copy(client_max_size)
        if self._match_info is not None or self._app is not None:
            copy.bind(self.match_info)
        return copy
