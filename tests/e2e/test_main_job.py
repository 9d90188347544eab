"""The main job as its user meets it: a service is generated, served, used with curl and a browser, edited, stopped."""

import contextlib
import json
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from processes import DEVTOOLS, PATIENCE, DevServer, Service, curl, wait_until

pytestmark = pytest.mark.slow

RELOAD_SECONDS = 1.5  # what the development server promises between a save and the new text
ITEM = {"name": "Lamp", "description": "A warm one", "price": "19.90", "in_stock": True}


@contextlib.contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    """A file with `old` replaced by `new`, for the block."""
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    try:
        yield
    finally:
        path.write_text(before)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context()
    yield opened
    opened.close()


def post_json(server: DevServer, body: str) -> "subprocess.CompletedProcess[str]":
    return curl("-i", "-H", "Content-Type: application/json", "-d", body, f"{server.url}/api/items")


def test_the_generator_says_what_it_did(service: Service) -> None:
    assert re.search(r"\d+ passed", service.said)
    assert "shop" in service.said
    assert "http://127.0.0.1:8000" in service.said


def test_the_key_is_private_and_untracked(service: Service) -> None:
    environment = service.path / ".env"
    assert stat.S_IMODE(environment.stat().st_mode) == 0o600
    assert ".env" in (service.path / ".gitignore").read_text().split()
    assert re.search(r"^SECRET_KEYS=\S{40,}$", environment.read_text(), re.MULTILINE)
    assert re.search(r"^SECRET_KEYS=$", (service.path / ".env.example").read_text(), re.MULTILINE)


def test_the_first_page_sets_the_session_cookie(server: DevServer) -> None:
    answer = curl("-i", server.url)
    assert answer.stdout.startswith("HTTP/1.1 200")
    cookie = re.search(r"(?i)^set-cookie: (.*)$", answer.stdout, re.MULTILINE)
    assert cookie is not None
    assert "HttpOnly" in cookie[1]
    assert "SameSite=Lax" in cookie[1]


def test_health_and_readiness(server: DevServer) -> None:
    assert curl("-f", f"{server.url}/healthz").returncode == 0
    assert curl("-f", f"{server.url}/readyz").returncode == 0


def test_the_api_creates_reads_replaces_patches_and_deletes(server: DevServer) -> None:
    made = post_json(server, json.dumps(ITEM))
    assert made.stdout.startswith("HTTP/1.1 201")
    location = re.search(r"(?i)^location: (\S+)", made.stdout, re.MULTILINE)
    assert location is not None
    url = f"{server.url}{location[1]}"
    row = json.loads(curl("-f", url).stdout)
    assert row == ITEM | {"id": row["id"]}
    typed = ("-H", "Content-Type: application/json")
    replaced = curl("-f", "-X", "PUT", *typed, "-d", json.dumps(ITEM | {"name": "Desk"}), url)
    assert json.loads(replaced.stdout)["name"] == "Desk"
    patched = curl("-f", "-X", "PATCH", *typed, "-d", '{"price": "25.00"}', url)
    assert json.loads(patched.stdout) == row | {"name": "Desk", "price": "25.00"}
    listed = json.loads(curl("-f", f"{server.url}/api/items?limit=1").stdout)
    assert len(listed["items"]) == 1 <= listed["total"]
    assert curl("-f", "-X", "DELETE", url).returncode == 0
    missing = curl("-i", url)
    assert missing.stdout.startswith("HTTP/1.1 404")
    assert "application/problem+json" in missing.stdout


def test_a_wrong_body_is_answered_with_each_field(server: DevServer) -> None:
    answer = post_json(server, json.dumps({"name": "", "price": "a lot"}))
    head, _, body = answer.stdout.partition("\n\n" if "\n\n" in answer.stdout else "\r\n\r\n")
    assert head.startswith("HTTP/1.1 422")
    assert "application/problem+json" in head
    assert set(json.loads(body)["errors"]) == {"name", "price"}


def test_a_body_over_the_limit_is_refused(server: DevServer, tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    large.write_text(json.dumps(ITEM | {"description": "x" * 2_000_000}))
    assert post_json(server, f"@{large}").stdout.rpartition("HTTP/1.1 ")[2].startswith("413")


@pytest.mark.hardening("H03", "H13", "H14", "H53")
@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["bare LF", "no Host", "two Hosts", "CL and TE", "nonsense"],
)
def test_malformed_requests_are_answered_with_400_and_a_close(server: DevServer, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(request_bytes)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert len(re.findall(rb"HTTP/1\.1 \d{3} ", answer)) == 1
    assert b"Traceback" not in answer


def create_item(page: Page, server: DevServer, name: str) -> None:
    page.goto(f"{server.url}/items/new")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Description").fill("Made by hand")
    page.get_by_label("Price").fill("12.50")
    page.get_by_label("In stock").check()
    page.get_by_role("button", name="Create").click()


def test_an_item_made_by_form_flashes_and_reaches_the_other_tab(server: DevServer, context: BrowserContext) -> None:
    errors: list[str] = []
    watcher, maker = context.new_page(), context.new_page()
    for page in (watcher, maker):
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    watcher.goto(f"{server.url}/items")
    watcher.locator("[data-live][data-state=live]").wait_for()
    create_item(maker, server, "Teapot of the first tab")
    expect(maker.get_by_text("Item created.")).to_be_visible()
    expect(maker).to_have_url(f"{server.url}/items")
    expect(watcher.get_by_role("row").filter(has_text="Teapot of the first tab")).to_be_visible()
    maker.reload()
    expect(maker.get_by_text("Item created.")).to_have_count(0)
    maker.get_by_role("row").filter(has_text="Teapot of the first tab").get_by_role("button", name="Delete").click()
    expect(maker.get_by_text("Item deleted.")).to_be_visible()
    expect(watcher.get_by_role("row").filter(has_text="Teapot of the first tab")).to_have_count(0)
    assert errors == []


def test_a_form_that_is_wrong_says_so_beside_the_field(server: DevServer, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{server.url}/items/new")
    page.get_by_label("Description").fill("kept as typed")
    page.get_by_label("Price").fill("-")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#name-error")).to_be_visible()
    expect(page.get_by_label("Description")).to_have_value("kept as typed")


def test_a_form_post_without_the_token_is_refused(server: DevServer, tmp_path: Path) -> None:
    jar = str(tmp_path / "jar")
    curl("-f", "-c", jar, f"{server.url}/items/new")
    answer = curl("-i", "-b", jar, "-d", "name=x&price=1", f"{server.url}/items/new")
    assert answer.stdout.startswith("HTTP/1.1 403")


def test_a_tampered_session_cookie_is_a_fresh_session_and_is_logged(server: DevServer, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(server.url)
    [cookie] = [one for one in context.cookies() if "shop" in one.get("name", "")]
    value = cookie["value"]
    middle = len(value) // 2
    changed = value[:middle] + ("A" if value[middle] != "A" else "B") + value[middle + 1 :]
    assert "fresh session" not in server.output
    context.add_cookies([{**cookie, "value": changed}])  # type: ignore[typeddict-item] # what cookies() gave
    answer = page.goto(server.url)
    assert answer is not None
    assert answer.status == 200
    wait_until("the log tells", lambda: server.said("fresh session"))
    [renewed] = [one for one in context.cookies() if one.get("name") == cookie.get("name")]
    assert renewed["value"] not in (value, changed)


def test_a_saved_view_shows_its_new_text_by_itself(
    service: Service, server: DevServer, context: BrowserContext, record_property: Callable[[str, object], None]
) -> None:
    page = context.new_page()
    page.goto(f"{server.url}/items")
    page.locator("[data-live][data-state=live]").wait_for()
    with edited(service.path / "src/shop/views/items.py", 'title="Items"', 'title="Goods"'):
        seconds = wait_until("the new text is served", lambda: ">Goods<" in curl(f"{server.url}/items").stdout)
        expect(page.get_by_role("navigation").get_by_text("Goods")).to_be_visible()
    record_property("seconds_from_save_to_new_text", round(seconds, 3))
    assert seconds < RELOAD_SECONDS
    expect(page.get_by_role("navigation").get_by_text("Items")).to_be_visible()


def test_a_saved_template_is_shown_without_a_restart(
    service: Service, server: DevServer, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"{server.url}/items")
    page.locator("[data-live][data-state=live]").wait_for()
    with edited(service.path / "src/shop/templates/items/list.html", "<h1>Items", "<h1>Wares"):
        expect(page.get_by_role("heading", name="Wares")).to_be_visible()


def test_a_syntax_error_shows_and_heals(service: Service, server: DevServer, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{server.url}/items")
    page.locator("[data-live][data-state=live]").wait_for()
    with edited(service.path / "src/shop/views/items.py", "class ItemList(ListPage):", "class ItemList(ListPage:"):
        expect(page.get_by_text("SyntaxError").first).to_be_visible()
        wait_until("the terminal shows it", lambda: server.said("SyntaxError"))
        assert "items.py" in server.output
    expect(page.get_by_role("heading", name="Items")).to_be_visible()


HOME_ROUTE = '    app.router.add_view("/", Home, name="home")\n'
SLOW_ROUTE = '    app.router.add_get("/slow", slow)\n'
SLOW_VIEW = """

async def slow(request: web.Request) -> web.Response:
    Path({marker!r}).touch()
    await asyncio.sleep(2)
    return web.Response(text="slow but done")
"""


def test_sigterm_lets_a_slow_request_complete(service: Service, server: DevServer, tmp_path: Path) -> None:
    views, marker = service.path / "src/shop/views/__init__.py", tmp_path / "started"
    with edited(views, HOME_ROUTE, HOME_ROUTE + SLOW_ROUTE):
        views.write_text("import asyncio\n" + views.read_text() + SLOW_VIEW.format(marker=str(marker)))
        wait_until(
            "the slow view is served", lambda: curl("-I", f"{server.url}/slow").stdout.startswith("HTTP/1.1 200")
        )
        marker.unlink()
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(curl("-f", f"{server.url}/slow").stdout))
        asking.start()
        wait_until("the request has begun", marker.exists)
        server.process.send_signal(signal.SIGTERM)
        asking.join(PATIENCE)
        assert answers == ["slow but done"]
        assert server.process.wait(PATIENCE) == 0


def test_a_taken_port_is_said_and_the_next_one_used(service: Service, server: DevServer) -> None:
    second = DevServer(service.path, service.environment, port=server.port)
    try:
        wait_until("it says which port it has", lambda: second.said(f"{server.port}") and second.said("taken"))
        port = wait_for_port(second, server.port)
        wait_until("it answers there", lambda: curl("-f", f"http://127.0.0.1:{port}/healthz").returncode == 0)
    finally:
        assert second.stop() == 0


def wait_for_port(second: DevServer, taken: int) -> int:
    pattern = re.compile(r"http://127\.0\.0\.1:(\d+)")
    wait_until("it names its address", lambda: pattern.search(second.output))
    found = pattern.search(second.output)
    assert found is not None
    port = int(found[1])
    assert port != taken
    return port


def test_a_second_resource_is_added_and_served(service: Service) -> None:
    command = [str(DEVTOOLS), "add", "resource", "order", "title:str", "total:decimal", "paid:bool"]
    dry = subprocess.run([*command, "--dry-run"], cwd=service.path, capture_output=True, text=True, check=False)
    assert dry.returncode == 0, dry.stderr
    assert "src/shop/views/orders.py" in dry.stdout
    assert not (service.path / "src/shop/views/orders.py").exists()
    done = subprocess.run(command, cwd=service.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout)
    again = subprocess.run(command, cwd=service.path, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    migrate = ["make", "migrate", f"PYTHON={sys.executable}"]
    migrated = subprocess.run(migrate, cwd=service.path, capture_output=True, text=True, check=False)
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    running = DevServer(service.path, service.environment)
    try:
        wait_until("the service answers", running.answers)
        assert ">Orders<" in curl("-f", f"{running.url}/orders").stdout
        body = json.dumps({"title": "First", "total": "1.00", "paid": False})
        made = curl("-f", "-H", "Content-Type: application/json", "-d", body, f"{running.url}/api/orders")
        assert json.loads(made.stdout)["title"] == "First"
    finally:
        assert running.stop() == 0
