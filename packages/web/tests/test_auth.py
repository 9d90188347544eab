"""Who may do what: policies, checks, decorators, middlewares, and the attribute `permission` of views."""

import base64
import enum
import json
import logging
from collections.abc import Iterable
from typing import Any, ClassVar

import pytest

from levante import web
from levante.web import auth

pytestmark = pytest.mark.parity("L14")

ROLES = {"ann": ["editor"], "bob": ["reader"], "root": ["admin"], "former": None}
GRANTS = {"reader": ["items.read"], "editor": ["items.*"], "admin": ["*"], "anybody": ["front.see"]}


class Door(enum.Enum):
    BACK = "door.back"


def roles_of(identity: str) -> list[str] | None:
    return ROLES.get(identity)


class HeaderPolicy(auth.AbstractIdentityPolicy):
    """Believes what it is told, and tells what it has been told."""

    async def identify(self, request: web.Request) -> str | None:
        return request.headers.get("X-User")

    async def remember(self, request: web.Request, response: web.StreamResponse, identity: str, **options: Any) -> None:
        response.headers["X-Remember"] = identity + "".join(sorted(options))

    async def forget(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Forget"] = "1"


def application(routes: dict[str, Any], **options: Any) -> web.Application:
    app = web.Application()
    auth.setup(app, HeaderPolicy(), auth.RoleAuthorizationPolicy(roles_of, GRANTS, anonymous="anybody"), **options)
    for path, handler in routes.items():
        app.router.add_route("*", path, handler)
    return app


async def statuses(served: Any, target: str, users: Iterable[str | None], method: str = "GET") -> list[int]:
    return [(await served.request(method, target, [] if user is None else [("X-User", user)])).status for user in users]


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def test_the_questions(serve: Any) -> None:
    async def tell(request: web.Request) -> web.Response:
        return web.json_response(
            [
                await auth.authorized_userid(request),
                await auth.is_anonymous(request),
                await auth.permits(request, "items.read"),
                await auth.permits(request, "items.edit"),
                await auth.permits(request, "front.see"),
                await auth.permits(request, Door.BACK),
            ]
        )

    served = await serve(application({"/": tell}))
    assert json.loads((await served.get("/")).text) == [None, True, False, False, True, False]
    assert json.loads((await served.get("/", X_User="bob")).text) == ["bob", False, True, False, True, False]
    assert json.loads((await served.get("/", X_User="ann")).text) == ["ann", False, True, True, True, False]
    assert json.loads((await served.get("/", X_User="root")).text) == ["root", False, True, True, True, True]
    assert json.loads((await served.get("/", X_User="former")).text) == [None, True, False, False, True, False]


async def test_the_checks(serve: Any) -> None:
    async def user(request: web.Request) -> web.Response:
        return web.Response(text=await auth.check_authorized(request))

    async def edit(request: web.Request) -> web.Response:
        await auth.check_permission(request, "items.edit", request.query.get("id"))
        return web.Response(text="edited")

    async def back(request: web.Request) -> web.Response:
        await auth.check_permission(request, Door.BACK)
        return web.Response(text="in")

    served = await serve(application({"/user": user, "/edit": edit, "/back": back}))
    users = [None, "nobody", "former", "bob", "ann", "root"]
    assert await statuses(served, "/user", users) == [401, 401, 401, 200, 200, 200]
    assert await statuses(served, "/edit", users) == [401, 401, 401, 403, 200, 200]
    assert await statuses(served, "/back", users) == [401, 401, 401, 403, 403, 200]
    assert (await served.get("/user")).headers["WWW-Authenticate"] == 'Session realm="login"'
    assert "'items.edit'" in (await served.get("/edit", X_User="bob")).text
    assert "'BACK'" in (await served.get("/back", X_User="bob")).text


async def test_login_and_logout_are_the_policys(serve: Any) -> None:
    async def both(request: web.Request) -> web.Response:
        response = web.Response()
        await auth.remember(request, response, "ann", max_age=5)
        await auth.forget(request, response)
        with pytest.raises(ValueError, match="an identity is not empty"):
            await auth.remember(request, response, "")
        return response

    answer = await (await serve(application({"/": both}))).get("/")
    assert (answer.headers["X-Remember"], answer.headers["X-Forget"]) == ("annmax_age", "1")


async def test_without_setup_everything_is_closed(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Guarded(web.View):
        permission = "items.read"

        async def get(self) -> web.Response:
            return web.Response()

    async def tell(request: web.Request) -> web.Response:
        assert await auth.is_anonymous(request)
        assert not await auth.permits(request, "items.read")
        for change in (auth.remember(request, web.Response(), "ann"), auth.forget(request, web.Response())):
            with pytest.raises(RuntimeError, match="auth is not set up"):
                await change
        return web.Response()

    app = web.Application()
    app.router.add_view("/view", Guarded)
    app.router.add_get("/function", auth.login_required(hello))
    app.router.add_get("/tell", tell)
    served = await serve(app)
    with caplog.at_level(logging.ERROR):
        assert [(await served.get(path, X_User="root")).status for path in ("/view", "/function", "/tell")] == [
            401,
            401,
            200,
        ]
    assert "levante.web.auth.setup() was not called" in caplog.text


async def test_a_truthy_accident_opens_no_door(serve: Any) -> None:
    class Careless(auth.AbstractAuthorizationPolicy):
        async def authorized_userid(self, identity: str) -> str | None:
            return identity

        async def permits(self, identity: str | None, permission: auth.Permission, context: Any = None) -> bool:
            return "no"  # type: ignore[return-value]

    async def ask(request: web.Request) -> web.Response:
        with pytest.raises(TypeError, match=r"Careless\.permits\(\) gave 'no'; expected True or False"):
            await auth.permits(request, "items.read")
        with pytest.raises(ValueError, match="a permission is not empty"):
            await auth.permits(request, "")
        return web.Response()

    app = web.Application()
    auth.setup(app, HeaderPolicy(), Careless())
    app.router.add_get("/", ask)
    assert (await (await serve(app)).get("/")).status == 200


def test_what_is_no_policy_is_refused() -> None:
    policy = auth.RoleAuthorizationPolicy(roles_of, GRANTS)
    with pytest.raises(TypeError, match="expected an AbstractIdentityPolicy"):
        auth.setup(web.Application(), object(), policy)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected an AbstractAuthorizationPolicy"):
        auth.setup(web.Application(), HeaderPolicy(), object())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"the grants of 'reader' are a list, such as \['items.read'\]"):
        auth.RoleAuthorizationPolicy(roles_of, {"reader": "items.read"})


async def test_decorators_of_functions_and_methods(serve: Any) -> None:
    @auth.login_required
    async def user(request: web.Request) -> web.Response:
        """Kept."""
        return web.Response(text=request.path)

    class Items(web.View):
        async def get(self) -> web.Response:
            return web.Response()

        @auth.has_permission("items.edit")
        async def put(self) -> web.Response:
            return web.Response()

    assert (user.__name__, user.__doc__) == ("user", "Kept.")
    served = await serve(application({"/user": user, "/items": Items, "/back": auth.has_permission(Door.BACK)(hello)}))
    users = [None, "bob", "ann", "root"]
    assert await statuses(served, "/user", users) == [401, 200, 200, 200]
    assert await statuses(served, "/items", users) == [200, 200, 200, 200]
    assert await statuses(served, "/items", users, "PUT") == [401, 403, 200, 200]
    assert await statuses(served, "/back", users) == [401, 403, 403, 200]


async def test_the_permission_of_a_view(serve: Any) -> None:
    class Items(web.View):
        permission = "items.edit"

        async def get(self) -> web.Response:
            return web.Response()

    class ByMethod(web.View):
        permission: ClassVar = {"get": "items.read", "*": "items.edit"}

        async def get(self) -> web.Response:
            return web.Response()

        put = get

    class Some(web.View):
        permission: ClassVar = {"GET": "items.read"}

        async def get(self) -> web.Response:
            return web.Response()

        put = get

    served = await serve(application({"/items": Items, "/methods": ByMethod, "/some": Some}))
    users = [None, "bob", "ann"]
    assert await statuses(served, "/items", users) == [401, 403, 200]
    assert await statuses(served, "/items", users, "HEAD") == [401, 403, 200]
    assert await statuses(served, "/methods", users) == [401, 200, 200]
    assert await statuses(served, "/methods", users, "HEAD") == [401, 200, 200]
    assert await statuses(served, "/methods", users, "PUT") == [401, 403, 200]
    assert await statuses(served, "/some", users, "PUT") == [403, 403, 403]


@pytest.mark.parametrize("nothing", ["", {}])
def test_an_empty_permission_is_no_guard(nothing: Any) -> None:
    view = type("Items", (web.View,), {"permission": nothing})
    with pytest.raises(ValueError, match=r"Items\.permission is"):
        web.Application().router.add_view("/", view)


async def test_middlewares_of_a_route(serve: Any) -> None:
    app = application({})
    app.router.add_get("/user", hello, middlewares=[auth.requires_login()])
    app.router.add_get("/edit", hello, middlewares=[auth.requires_permission("items.edit")])
    served = await serve(app)
    users = [None, "bob", "ann"]
    assert await statuses(served, "/user", users) == [401, 200, 200]
    assert await statuses(served, "/edit", users) == [401, 403, 200]


async def test_an_application_below_inherits_or_says_otherwise(serve: Any) -> None:
    app = application({})
    inherits, own = web.Application(), web.Application()
    inherits.router.add_get("/", auth.has_permission("items.read")(hello))
    auth.setup(own, HeaderPolicy(), auth.RoleAuthorizationPolicy(lambda _: ["reader"], GRANTS))
    own.router.add_get("/", auth.has_permission("items.read")(hello))
    app.add_subapp("/inherits", inherits)
    app.add_subapp("/own", own)
    served = await serve(app)
    assert await statuses(served, "/inherits/", [None, "stranger", "bob"]) == [401, 401, 200]
    assert await statuses(served, "/own/", [None, "stranger", "bob"]) == [401, 200, 200]


async def test_browsers_are_sent_to_the_login_page(serve: Any) -> None:
    served = await serve(application({"/user": auth.login_required(hello)}, login_page="/login?from=shop"))
    page = [("Accept", "text/html,*/*;q=0.8")]
    answer = await served.request("GET", "/user?a=1&next=//evil.example", page)
    assert answer.status == 303
    assert answer.headers["Location"] == "/login?from=shop&next=/user?a%3D1%26next%3D//evil.example"
    assert (await served.request("POST", "/user", page)).status == 401
    assert (await served.request("GET", "/user", [("Accept", "application/json")])).status == 401


async def test_roles_may_be_awaited(serve: Any) -> None:
    async def slow_roles(identity: str) -> list[str] | None:
        return ROLES.get(identity)

    policy = auth.RoleAuthorizationPolicy(slow_roles, {"editor": [Door.BACK]})
    assert await policy.permits("ann", "door.back")
    assert await policy.permits("ann", Door.BACK)
    assert not await policy.permits("bob", Door.BACK)
    assert not await policy.permits(None, Door.BACK)
    assert await policy.authorized_userid("stranger") is None


def basic(name: str, password: str) -> list[tuple[str, str]]:
    return [("Authorization", "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode())]


@pytest.mark.parametrize("is_async", [False, True])
async def test_names_and_passwords(serve: Any, is_async: bool) -> None:
    asked = []

    def verify(name: str, password: str) -> bool:
        asked.append(name)
        return (name, password) == ("ann", "päss:word")

    async def verify_later(name: str, password: str) -> bool:
        return verify(name, password)

    async def user(request: web.Request) -> web.Response:
        await auth.check_permission(request, "items.edit")
        return web.Response(text=await auth.check_authorized(request))

    app = web.Application()
    policy = auth.BasicIdentityPolicy(verify_later if is_async else verify, realm="shop")
    auth.setup(app, policy, auth.RoleAuthorizationPolicy(roles_of, GRANTS))
    app.router.add_get("/", user)
    served = await serve(app)
    assert (await served.request("GET", "/", basic("ann", "päss:word"))).text == "ann"
    assert asked == ["ann"]  # once a request
    for headers in ([], basic("ann", "wrong"), [("Authorization", "Basic !")], [("Authorization", "Bearer x")]):
        answer = await served.request("GET", "/", headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="shop", charset="UTF-8"'


async def test_nothing_to_remember(serve: Any) -> None:
    async def remember(request: web.Request) -> web.Response:
        await auth.forget(request, web.Response())
        with pytest.raises(RuntimeError, match="BasicIdentityPolicy reads what comes with each request"):
            await auth.remember(request, web.Response(), "ann")
        return web.Response()

    app = web.Application()
    auth.setup(app, auth.BasicIdentityPolicy(lambda *_: False), auth.RoleAuthorizationPolicy(roles_of, GRANTS))
    app.router.add_get("/", remember)
    assert (await (await serve(app)).get("/")).status == 200


async def test_a_policy_believes_only_what_it_has_seen_itself(serve: Any) -> None:
    def basic(password: str) -> auth.BasicIdentityPolicy:
        return auth.BasicIdentityPolicy(lambda _, given: given == password)

    outer, inner = basic("outer"), basic("inner")

    async def both(request: web.Request) -> web.Response:
        return web.json_response([await outer.identify(request), await inner.identify(request)])

    credentials = [("Authorization", "Basic " + base64.b64encode(b"ann:outer").decode())]
    assert (await (await serve(both)).request("GET", "/", credentials)).text == '["ann", null]'


async def test_roles_are_no_letters() -> None:
    policy = auth.RoleAuthorizationPolicy(lambda _: "admin", {"a": ["*"]})
    with pytest.raises(TypeError, match=r"a list, such as \['admin'\]; got 'admin'"):
        await policy.permits("ann", "items.edit")


async def test_methods_of_any_object_are_guarded(serve: Any) -> None:
    class Shop:
        @auth.has_permission("items.edit")
        async def edit(self, request: web.Request) -> web.Response:
            return await hello(request)

    served = await serve(application({"/": Shop().edit}))
    assert await statuses(served, "/", [None, "bob", "ann"]) == [401, 403, 200]


async def test_what_is_called_without_a_request_is_an_error() -> None:
    with pytest.raises(TypeError, match="called with a request, or is a method of a view"):
        await auth.login_required(hello)(object())  # type: ignore[arg-type]


@pytest.mark.parametrize("guard", [auth.login_required, auth.has_permission("items.see")])
def test_a_decorator_does_not_hide_the_permission_of_a_view(guard: Any) -> None:
    class Items(web.View):
        permission = "items.edit"

    with pytest.raises(TypeError, match="Items is a class, whose `permission`"):
        guard(Items)
