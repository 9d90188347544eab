"""What a real browser makes of our sessions: the cookie's attributes, forged requests, logins and logouts, and who may
hear what on a WebSocket."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from login_site import Seen, serve
from playwright.sync_api import Browser, BrowserContext, Page
from processes import PATIENCE, free_port
from servers import running

SUPPORT = Path(__file__).parents[1] / "support"
NAME = "__Host-session"
HEAR = """
url => new Promise(resolve => {
    window.got = [];
    const ws = new WebSocket(url);
    ws.onmessage = event => { window.got.push(event.data); resolve("open"); };
    ws.onclose = event => { window.ended = event.code; resolve(event.code); };
})
"""
# The policy of the page forbids to evaluate strings, and so what playwright waits for by itself.
ENDED = """
() => new Promise(resolve => {
    const look = () => window.ended === undefined ? setTimeout(look, 10) : resolve(window.ended);
    look();
    setTimeout(() => resolve("it has not ended"), 30000);
})
"""


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    """The sites, in a thread of their own: playwright keeps an event loop running in this one."""
    loop, stop, found, port = asyncio.new_event_loop(), asyncio.Event(), Seen(), free_port()
    started: asyncio.Future[None] = loop.create_future()
    there = threading.Event()
    started.add_done_callback(lambda _: there.set())
    with running([sys.executable, str(SUPPORT / "oidc_provider.py"), str(port)], cwd=SUPPORT, port=port):
        work = serve(found, f"http://localhost:{port}/good-1", started, stop)
        thread = threading.Thread(target=lambda: loop.run_until_complete(work))
        thread.start()
        try:
            assert there.wait(PATIENCE)
            yield found
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(ignore_https_errors=True)
    yield context
    context.close()


@pytest.fixture
def tab(visitor: BrowserContext) -> Page:
    return visitor.new_page()


def log_in(tab: Page, seen: Seen, user: str) -> None:
    tab.goto(seen.own)
    tab.fill("input[name=user]", user)
    tab.click("#login button")
    assert tab.inner_text("#who") == user


@pytest.mark.hardening("S11")
@pytest.mark.parity("L1", "L3")
def test_the_cookie_as_the_browser_has_it(tab: Page, visitor: BrowserContext, seen: Seen) -> None:
    log_in(tab, seen, "ann")
    (cookie,) = visitor.cookies()
    assert (cookie["name"], cookie["domain"], cookie["path"]) == (NAME, "127.0.0.1", "/")
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
    assert tab.evaluate("document.cookie") == ""  # scripts do not see it
    tab.evaluate(f"document.cookie = '{NAME}=mine; Secure; Path=/'")  # and cannot replace it
    assert visitor.cookies()[0]["value"] == cookie["value"]
    assert tab.evaluate("fetch('/').then(answer => answer.headers.get('Set-Cookie'))") is None


@pytest.mark.hardening("S6", "S7")
def test_login_and_logout(tab: Page, visitor: BrowserContext, seen: Seen) -> None:
    tab.goto(seen.own)
    before = visitor.cookies()[0]["value"]
    log_in(tab, seen, "ann")
    after = visitor.cookies()[0]["value"]
    assert before != after
    tab.click("#transfer button")
    assert tab.inner_text("#who") == "moved"
    tab.goto(seen.own)
    tab.click("#logout button")
    assert tab.inner_text("#who") == "nobody"
    assert after not in [cookie.get("value") for cookie in visitor.cookies()]
    visitor.add_cookies([{"name": NAME, "value": after, "url": seen.own, "secure": True}])
    tab.goto(seen.own)
    assert tab.inner_text("#who") == "nobody"  # a kept cookie is worth nothing


@pytest.mark.hardening("S7")
@pytest.mark.parity("V49")
def test_sessions_are_listed_and_ended(tab: Page, browser: Browser, seen: Seen) -> None:
    log_in(tab, seen, "lea")
    other = browser.new_context(ignore_https_errors=True)
    try:
        elsewhere = other.new_page()
        log_in(elsewhere, seen, "lea")
        tab.goto(seen.own)
        assert tab.locator("#sessions li").count() == 2
        # Whichever of the two it is, the other one goes on.
        tab.locator("#sessions li button").first.click()
        elsewhere.goto(seen.own)
        assert {tab.inner_text("#who"), elsewhere.inner_text("#who")} == {"lea", "nobody"}
    finally:
        other.close()


@pytest.mark.hardening("S16")
def test_a_form_of_another_site_is_refused(tab: Page, seen: Seen) -> None:
    log_in(tab, seen, "ann")
    before = seen.transfers
    with tab.expect_response(lambda answer: answer.url == seen.own + "/transfer") as found:
        tab.goto(f"{seen.foreign}/?to=/transfer&post")
    assert found.value.status == 403
    assert seen.transfers == before


@pytest.mark.hardening("S16", "S17")
def test_a_login_of_another_site_is_refused(tab: Page, visitor: BrowserContext, seen: Seen) -> None:
    with tab.expect_response(lambda answer: answer.url == seen.own + "/login") as found:
        tab.goto(f"{seen.foreign}/?to=/login&post")
    assert found.value.status == 403
    assert visitor.cookies() == []


@pytest.mark.hardening("S11")
def test_the_cookie_stays_away_from_posts_of_other_sites(tab: Page, seen: Seen) -> None:
    log_in(tab, seen, "ann")
    with tab.expect_response(lambda answer: answer.url == seen.own + "/echo"):
        tab.goto(f"{seen.foreign}/?to=/echo&post")
    assert seen.cookies[-1] == ""
    tab.goto(f"{seen.foreign}/?to=/echo")
    with tab.expect_response(lambda answer: answer.url == seen.own + "/echo"):
        tab.click("#link")  # a link leads to a page where one is logged in: Lax
    assert seen.cookies[-1].startswith(f"{NAME}=")


@pytest.mark.hardening("S19")
def test_a_websocket_ends_with_the_session(tab: Page, visitor: BrowserContext, seen: Seen) -> None:
    url = seen.own.replace("https:", "wss:") + "/listen"
    tab.goto(seen.own)
    assert tab.evaluate(HEAR, url) == 1006  # nobody has logged in: no 101
    log_in(tab, seen, "ann")
    assert tab.evaluate(HEAR, url) == "open"
    assert tab.evaluate("window.got") == ["hello ann"]
    other = visitor.new_page()
    other.goto(f"{seen.foreign}/?to=/")
    assert other.evaluate(HEAR, url) == 1006  # cross-site WebSocket hijacking
    other.goto(seen.own)
    other.click("#logout button")
    assert tab.evaluate(ENDED) == 4401


@pytest.mark.parity("L14")
def test_a_login_at_a_provider(tab: Page, visitor: BrowserContext, seen: Seen) -> None:
    """The way back comes from another site: Lax lets the cookie through, and the state is found."""
    tab.goto(f"{seen.own}/begin?next=/%3Ftab%3D1")
    assert tab.url == f"{seen.own}/?tab=1"
    assert tab.inner_text("#who") == "ann"
    tab.click("#logout button")
    answer = tab.goto(f"{seen.own}/callback?state=forged&code=stolen")
    assert answer is not None
    assert answer.status == 400
    tab.goto(f"{seen.own}/begin?next=//localhost/evil")
    assert tab.url == f"{seen.own}/"
