"""In a real browser: installed like an app, offline and back; nothing private is kept, and nothing
is sent twice or by itself."""

import re
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client
from playwright.sync_api import expect

from approvals.models import Approval, Vote

pytestmark = pytest.mark.browser


class Line:
    """The line between the browser and the server, which can be cut and mended."""

    def __init__(self, url: str) -> None:
        self.server = (urlsplit(url).hostname, urlsplit(url).port)
        self.port = 0
        self.open: list[socket.socket] = []
        self.instead: bytes | None = None  # what is answered in place of the server
        self.loses_answers = False  # what the server says does not arrive
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
                    asks = pair == (near, far)
                    threading.Thread(target=self._pass_on, args=(*pair, asks), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if asks and self.instead is not None:
                    source.sendall(self.instead)
                    source.shutdown(socket.SHUT_RDWR)
                elif self.loses_answers and not asks:
                    target.shutdown(socket.SHUT_RDWR)
                else:
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


TEXTS = """async () => {
  const found = [];
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys())
      found.push(await (await cache.match(request, { ignoreVary: true })).text());
  }
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
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
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


FRONT_END = b"HTTP/1.1 %d Bad\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<h1>Error</h1>"
TYPED = """Half a thought,\nin <b>two</b> lines & "quotes": $& $1 %value% 'ü'"""


class TestUnanswered:
    """A form that was sent, and whose answer never came: the server died under the click."""

    @pytest.fixture
    def asked(self, page, watch, approval):
        """Ana's page of the request, with a comment typed."""
        watch.without_server = True
        page.goto(approval.get_absolute_url())
        page.get_by_label("Comment").fill(TYPED)
        return page

    def assert_kept(self, page):
        expect(page.get_by_role("heading", level=1)).to_have_text("Please try again in a moment")
        expect(page.get_by_text("We could not tell whether this was saved")).to_be_visible()
        expect(
            page.get_by_text("An answer that was saved already is not saved twice")
        ).to_be_visible()
        expect(page.locator(".typed").get_by_text(TYPED, exact=True)).to_be_visible()
        expect(page.locator("main")).not_to_contain_text("approved")
        assert page.evaluate("getComputedStyle(document.body).margin") == "0px"

    def assert_one_click_does_it_once(self, page):
        page.get_by_role("button", name="Send it again").click()
        page.wait_for_url("**/receipt/**")
        expect(page.get_by_text("Your answer is recorded")).to_be_visible()
        vote = Vote.objects.get()
        assert (vote.outcome, vote.comment) == ("approved", TYPED)

    def test_a_server_that_is_gone(self, asked, line):
        line.cut()
        asked.get_by_role("button", name="Approve").click()
        self.assert_kept(asked)
        asked.get_by_role("button", name="Send it again").click()
        self.assert_kept(asked)
        assert not Vote.objects.exists()

        line.mend()
        self.assert_one_click_does_it_once(asked)

    @pytest.mark.parametrize("answer", [b"", *(FRONT_END % code for code in (502, 503, 504))])
    def test_a_front_end_that_answers_for_one_that_is_gone(self, asked, line, answer):
        line.instead = answer
        asked.get_by_role("button", name="Approve").click()
        self.assert_kept(asked)
        assert not Vote.objects.exists()

        line.instead = None
        self.assert_one_click_does_it_once(asked)

    def test_a_server_that_dies_once_it_is_saved(self, asked, line):
        line.loses_answers = True
        asked.get_by_role("button", name="Approve").click()
        self.assert_kept(asked)
        assert Vote.objects.count() == 1

        line.loses_answers = False
        self.assert_one_click_does_it_once(asked)

    def test_an_answer_of_the_inbox_is_left_as_it_is(self, asked, monkeypatch):
        def locked(*_args, **_options):
            raise OperationalError("database is locked")

        with monkeypatch.context() as patch:
            patch.setattr(Approval, "decide", locked)
            with asked.expect_navigation() as told:
                asked.get_by_role("button", name="Approve").click()
            assert told.value.status == 503
            assert told.value.header_value("X-Request-ID")
            self.assert_kept(asked)

        self.assert_one_click_does_it_once(asked)

    def test_a_form_that_may_not_be_repeated_says_so_and_keeps_each_value(self, page, line, watch):
        watch.without_server = True
        page.goto("/profile/")
        form = page.locator("form[action$='/profile/telling/']")
        line.cut()
        form.evaluate(
            "(form) => { for (const value of ['a', 'b']) form.append(Object.assign("
            "document.createElement('input'), {type: 'hidden', name: 'twice', value})) }"
        )
        form.get_by_role("button").first.click()

        expect(page.get_by_text("If it must not happen twice, first check")).to_be_visible()
        kept = page.locator("form[method=post] [name=twice]")
        assert kept.evaluate_all("(all) => all.map((each) => each.value)") == ["a", "b"]
        assert page.locator("form").get_attribute("action") == f"{line.url}/profile/telling/"

    def test_fields_of_a_form_are_given_back_whatever_they_are_called(
        self, page, line, watch, approval
    ):
        watch.without_server = True
        fields = {
            name: {"type": "string", "title": f"The {name}"}
            for name in ("revision", "next_review", "password_reset", "token")
        }
        approval.form = {"type": "object", "properties": fields}
        approval.save()
        page.goto(approval.get_absolute_url())
        for name in fields:
            page.get_by_label(f"The {name}").fill(f"typed into {name}")
        line.cut()
        page.get_by_role("button", name="Approve").click()

        for name in fields:
            expect(page.locator(".typed").get_by_text(f"typed into {name}")).to_be_visible()
        line.mend()
        page.get_by_role("button", name="Send it again").click()
        page.wait_for_url("**/receipt/**")
        assert Vote.objects.get().form == {name: f"typed into {name}" for name in fields}

    def test_a_password_is_not_given_back(self, page, line, watch):
        watch.without_server = True
        page.context.clear_cookies()
        page.goto("/sign-in/")
        page.get_by_label("E-mail address").fill("ana@example.com")
        page.get_by_label("Password").fill("hush-hush")
        line.cut()
        page.get_by_role("button", name="Sign in").click()

        expect(page.get_by_role("heading", level=1)).to_have_text("Please try again in a moment")
        assert "hush-hush" not in page.content()
        assert "ana@" not in page.content()
        assert page.locator("form").count() == 0

    def test_nothing_of_it_is_kept(self, asked, line):
        line.cut()
        asked.get_by_role("button", name="Approve").click()
        self.assert_kept(asked)
        line.mend()
        asked.goto("/")

        kept = asked.evaluate(TEXTS)
        assert len(kept) > 4
        assert not [text for text in kept if "Half a thought" in text or "csrf" in text]

    def test_what_another_site_sends_is_not_given_back_as_if_it_were_ours(
        self, asked, line, approval
    ):
        action = f"{line.url}{approval.get_absolute_url()}decide/"
        asked.goto("about:blank")
        asked.set_content(
            f"<form method=post action='{action}'><input name=comment value=Pay>"
            "<button>Go</button></form>"
        )
        line.cut()
        asked.get_by_role("button", name="Go").click()

        expect(asked.get_by_role("heading", level=1)).to_contain_text("This site")


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
