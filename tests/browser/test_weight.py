"""In a real browser, served as in production: how heavy pages are, and that they keep still.

Bytes and shifts are the same on every machine. Times are not: benchmarks/bench_pages.py has them.
"""

from urllib.parse import urlsplit

import pytest

from tests.browser.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

MOST = 60_000  # bytes over the wire, headers included
SHIFTS = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) sum += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 500);
})"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture
def page(browser, served):
    """Ana's browser, which has nothing in its cache; `page.loaded` are (address, bytes)."""
    context = browser.new_context(
        viewport={"width": 1080, "height": 760}, service_workers="block", base_url=served.base
    )
    context.add_cookies([served.cookie])
    page = context.new_page()
    asked = context.new_cdp_session(page)
    addresses, page.loaded = {}, []
    asked.on(
        "Network.requestWillBeSent",
        lambda e: addresses.update({e["requestId"]: e["request"]["url"]}),
    )
    asked.on(
        "Network.loadingFinished",
        lambda e: page.loaded.append((addresses[e["requestId"]], e["encodedDataLength"])),
    )
    asked.send("Network.enable")
    yield page
    context.close()


class TestInbox:
    def test_the_first_page_of_fifty_weighs_little(self, page):
        page.goto("/", wait_until="networkidle")

        assert page.locator(".row").count() == 50
        weights = {urlsplit(url).path: weight for url, weight in page.loaded}
        assert sum(weight for _, weight in page.loaded) < MOST, weights
        assert len(weights) > 5, weights

    def test_nothing_comes_from_another_host(self, page, served):
        for path in ("/", "/profile/", "/insights/", "/start/"):
            page.goto(path, wait_until="networkidle")

        assert {f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url, _ in page.loaded} <= {
            served.base,
            "data://",
        }

    def test_again_only_the_page_itself_comes(self, page):
        page.goto("/", wait_until="networkidle")
        page.loaded.clear()
        page.goto("/?tab=waiting", wait_until="networkidle")

        fetched = {urlsplit(url).path for url, weight in page.loaded if weight}
        assert not {path for path in fetched if path.startswith("/static/")}

    @pytest.mark.parametrize("width", [390, 1080])
    def test_nothing_moves_while_pages_come(self, page, width):
        page.set_viewport_size({"width": width, "height": 760})
        moved = {}
        for path in ("/", "/?tab=decided", "/profile/", "/insights/"):
            page.goto(path, wait_until="networkidle")
            moved[path] = page.evaluate(SHIFTS)
        page.goto("/")
        page.locator(".row-title").first.click()
        page.wait_for_load_state("networkidle")
        moved["detail"] = page.evaluate(SHIFTS)

        assert moved == dict.fromkeys(moved, 0)
