"""In a real browser: installed like an app, offline and back; nothing private is kept, and nothing
is sent twice or by itself."""

import re
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import expect

from approvals.models import Vote

pytestmark = pytest.mark.browser


class Line:
    """The line between the browser and the server, which can be cut and mended."""

    def __init__(self, url: str) -> None:
        self.server = (urlsplit(url).hostname, urlsplit(url).port)
        self.port = 0
        self.open: list[socket.socket] = []
        self.mend()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def mend(self) -> None:
        self.door = socket.create_server(("127.0.0.1", self.port))
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self._serve, args=(self.door,), daemon=True).start()

    def cut(self) -> None:
        for each in (self.door, *self.open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.open.clear()

    def _serve(self, door: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = door.accept()
                far = socket.create_connection(self.server)
                self.open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def line(live_server, watch):
    line = Line(live_server.url)
    watch.origin = line.url
    yield line
    line.cut()


@pytest.fixture
def page(open_browser, line, ana, approval):
    """Ana's inbox, in a browser that has kept what it keeps for being offline."""
    client = Client()
    client.force_login(ana)
    name = settings.SESSION_COOKIE_NAME
    page = open_browser(base_url=line.url, service_workers="allow")
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": line.url}])
    page.goto("/")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_function("navigator.serviceWorker.controller")
    return page


KEPT = """async () => {
  const found = [];
  for (const name of await caches.keys())
    for (const request of await (await caches.open(name)).keys())
      found.push(new URL(request.url).pathname);
  return found;
}"""


class TestOffline:
    def test_a_page_that_cannot_be_reached_says_so_and_comes_by_itself(
        self, page, line, watch, approval
    ):
        watch.without_server = True
        line.cut()
        page.get_by_role("link", name="Hotel in Berlin").click()

        expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
        expect(page.get_by_text("Nothing is lost, and nothing was sent")).to_be_visible()
        expect(page).to_have_url(re.compile(f"{approval.pk}"))
        assert page.evaluate("getComputedStyle(document.body).margin") == "0px"  # it has its styles

        line.mend()
        expect(page.get_by_role("heading", level=1)).to_have_text("Hotel in Berlin, 2 nights")

    def test_nothing_of_anybody_is_kept(self, page, approval):
        page.goto(approval.get_absolute_url())
        page.goto("/profile/")

        kept = page.evaluate(KEPT)
        assert "/offline/" in kept
        assert all(path == "/offline/" or path.startswith("/static/") for path in kept)
        stored = page.evaluate("caches.match('/offline/').then((found) => found.text())")
        assert "Ana" not in stored
        assert "csrf" not in stored

    def test_an_answer_is_not_sent_while_offline_nor_by_itself_and_what_was_typed_stays(
        self, page, line, watch, approval
    ):
        page.goto(approval.get_absolute_url())
        page.get_by_label("Comment").fill("Half a thought")
        watch.without_server = True
        page.context.set_offline(True)
        page.get_by_role("button", name="Approve").click()

        expect(page.locator("#unsent")).to_contain_text("Nothing was sent")
        expect(page.get_by_label("Comment")).to_have_value("Half a thought")
        page.context.set_offline(False)
        expect(page.locator("#unsent")).to_be_empty()
        page.wait_for_timeout(500)
        assert not Vote.objects.exists()

        page.get_by_role("button", name="Approve").click()
        page.wait_for_url("**/receipt/**")
        assert Vote.objects.get().comment == "Half a thought"

    def test_nor_to_a_server_that_the_page_has_missed_already(self, page, line, watch, approval):
        page.goto(approval.get_absolute_url())
        page.get_by_label("Comment").fill("Half a thought")
        watch.without_server = True
        line.cut()
        page.evaluate("htmx.trigger('#look', 'refresh')")
        expect(page.locator("#connection")).to_contain_text("No connection")
        page.get_by_role("button", name="Approve").click()

        expect(page.locator("#unsent")).to_contain_text("Nothing was sent")
        expect(page.get_by_label("Comment")).to_have_value("Half a thought")
        line.mend()
        page.get_by_role("button", name="Approve").click()
        page.wait_for_url("**/receipt/**")
        assert Vote.objects.get().comment == "Half a thought"


class TestInstall:
    def test_the_browser_finds_nothing_wrong(self, page):
        asked = page.context.new_cdp_session(page)
        manifest = asked.send("Page.getAppManifest")
        problems = asked.send("Page.getInstallabilityErrors")["installabilityErrors"]

        assert manifest["url"].endswith("/manifest.webmanifest")
        assert manifest["errors"] == []
        # Tests have a window that keeps nothing, where no app is ever installed.
        assert {each["errorId"] for each in problems} <= {"in-incognito"}

    def test_it_starts_at_the_inbox_in_a_window_of_its_own(self, page):
        found = page.evaluate(
            "fetch(document.querySelector('[rel=manifest]').href).then((answer) => answer.json())"
        )

        assert (found["start_url"], found["display"], found["lang"]) == ("/", "standalone", "en")
        for icon in found["icons"]:
            size = page.evaluate(
                "async (src) => { const i = new Image(); i.src = src; await i.decode();"
                " return `${i.naturalWidth}x${i.naturalHeight}`; }",
                icon["src"],
            )
            assert icon["sizes"] in {size, "any"}
        assert {"192x192", "512x512"} <= {icon["sizes"] for icon in found["icons"]}
        assert "maskable" in {icon["purpose"] for icon in found["icons"]}
