"""Two people, their browsers, and a watch over everything a page does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from approvals.models import Approval, User
from approvals.runs import Told
from tests.approvals.drawings import nobody_is_asked
from tests.factories import make_approval, make_group, make_user

# Long enough for two cores at work on other things, in milliseconds.
PATIENCE = 15_000
expect.set_options(timeout=PATIENCE)
# What Playwright says where a page would keep a service worker, which most tests do without.
NO_WORKER = "Service Worker registration blocked by Playwright"


@dataclass  # without slots: Playwright keeps its handlers on the object
class Watch:
    """What must not happen on any page: errors on the console, requests to another host.

    `without_server`: the server is out of reach on purpose, which browser and htmx report.
    """

    origin: str
    without_server: bool = False
    faults: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("request", self._request)
        context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))

    def _console(self, message: ConsoleMessage) -> None:
        # The browser itself reports every 4xx answer as an error; those are tested as answers.
        reports = ("net::ERR_", "status of 5", "Status Error Code 5", "htmx:")
        if self.without_server and any(report in message.text for report in reports):
            return
        if message.text == NO_WORKER:
            return
        if message.type in {"error", "warning"} and "status of 4" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.origin).netloc:
            self.faults.append(f"request: {request.url}")


@pytest.fixture(autouse=True, scope="module")
def _database_beside_the_browser() -> Iterator[None]:
    """Playwright keeps an event loop in this thread, in which Django would refuse the database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture(autouse=True, scope="module")
def _without_google() -> Iterator[None]:
    """Google is told and asked nothing from here.

    For longer than a test: what a page has asked of the server may still be under way at its end.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("approvals.views.decision.deliver_now", lambda delivery: None)
        patch.setattr("approvals.way.asked", lambda execution: Told(trouble="Nobody was asked."))
        patch.setattr("approvals.runs.execution_seen", nobody_is_asked)
        yield


@pytest.fixture(autouse=True)
def _database(transactional_db: None) -> None:
    """Rows that the server's threads see."""


@pytest.fixture
def ana(_database: None) -> User:
    return make_user("ana@example.com", first="Ana", last="Almeida")


@pytest.fixture
def ben(_database: None) -> User:
    return make_user("ben@example.com", first="Ben", last="Okafor")


@pytest.fixture
def approval(ana: User, ben: User) -> Approval:
    """A hotel, asked by Eva, for Ana or Ben to decide."""
    make_user("eva@example.com", first="Eva", last="Lind")
    make_group("managers", ana, ben)
    return make_approval(
        title="Hotel in Berlin, 2 nights",
        type="expense",
        fields={"Amount": "1,240.00 EUR", "Cost centre": "4711 Sales North"},
        summary="The usual hotel is **full**. See [policy](https://intranet.example/policy).",
        links=[{"label": "Invoice", "url": "https://files.example/4711.pdf"}],
        options=[
            {"value": "approved", "label": "Approve", "consequence": "The hotel is paid today"},
            {"value": "rejected", "label": "Reject", "consequence": "Eva is told why"},
        ],
        expires_in=86400,
    )


@pytest.fixture
def watch(live_server: Any) -> Watch:
    return Watch(live_server.url)


@pytest.fixture
def open_browser(browser: Browser, live_server: Any, watch: Watch) -> Iterator[Callable[..., Page]]:
    """Open a browser of one's own: `open_browser(viewport=…, java_script_enabled=False)`.

    At the end no page may have had an error or asked another host for anything.
    """
    contexts = []

    def open_one(**options: Any) -> Page:
        defaults = {"base_url": live_server.url, "service_workers": "block"}
        context = browser.new_context(**defaults | options)
        context.set_default_timeout(PATIENCE)
        watch.follow(context)
        contexts.append(context)
        return context.new_page()

    yield open_one
    for context in contexts:
        context.close()
    assert watch.faults == []


def sign_in(page: Page, email: str, path: str = "/") -> None:
    """Sign in at the form that guards `path`."""
    page.goto(path)
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(path)


@pytest.fixture
def signed_in(open_browser: Callable[..., Page], live_server: Any) -> Callable[..., Page]:
    """A browser in which this person has signed in already: `signed_in(ana, "/", **options)`."""

    def open_one(user: User, path: str = "/", **options: Any) -> Page:
        page = open_browser(**options)
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        cookie = client.cookies[name].value
        page.context.add_cookies([{"name": name, "value": cookie, "url": live_server.url}])
        page.goto(path)
        return page

    return open_one
