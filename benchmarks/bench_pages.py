"""Pages in a browser, on a slow phone: how heavy, how soon there, how long it is kept from work.

    python -m benchmarks bench_pages

Chromium with a quarter of this machine's speed and a slow 4G line (1.6 Mbit/s, 150 ms there and
back), as Lighthouse has them, against gunicorn with 60 requests in the inbox. Each page is opened
with an empty cache. The floor is the smallest page there is, the one for offline.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.browser.served import Served
from tests.services import ensure_chromium

ROUNDS = 5
SLOWER = 4
LINE = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 750_000 / 8,
}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
    "service_workers": "block",
}
# Total blocking time: what each task takes beyond 50 ms, between the first paint and rest.
FIGURES = """() => new Promise((done) => {
  const seen = (type, read) => new PerformanceObserver((list) => list.getEntries().forEach(read))
    .observe({ type, buffered: true });
  const found = { fcp: 0, lcp: 0, tbt: 0, cls: 0 };
  seen("paint", (e) => { if (e.name === "first-contentful-paint") found.fcp = e.startTime; });
  seen("largest-contentful-paint", (e) => { found.lcp = e.startTime; });
  seen("longtask", (e) => { found.tbt += Math.max(0, e.duration - 50); });
  seen("layout-shift", (e) => { found.cls += e.value; });
  setTimeout(() => done(found), 500);
})"""


def main() -> None:
    """Start the server, open every page a few times, write the table."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-pages-") as home,
        Served(Path(home)) as served,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=ensure_chromium(), args=["--no-sandbox"]
        )
        pages = {
            "the floor: the page for offline": "/offline/",
            "inbox, 50 rows": "/",
            "one request": served.request,
            "insights": "/insights/",
            "profile": "/profile/",
        }
        lines = [
            "| page | FCP, ms | LCP, ms | TBT, ms | CLS | kB | requests |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for name, path in pages.items():
            rounds = [visit(browser, served, path) for _ in range(ROUNDS)]
            lines.append(f"| {name} | " + " | ".join(cells(rounds)) + " |")
        browser.close()
    sys.stdout.write("\n".join(lines) + "\n")


def cells(rounds: list[dict[str, float]]) -> list[str]:
    """The median of each figure; of times with the lowest and the highest in brackets."""
    found = []
    for figure in ("fcp", "lcp", "tbt"):
        values = [each[figure] for each in rounds]
        found.append(f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})")
    last = rounds[-1]
    return [
        *found,
        f"{max(each['cls'] for each in rounds):.3f}",
        f"{last['bytes'] / 1000:.1f}",
        f"{last['requests']:.0f}",
    ]


def visit(browser: Browser, served: Served, path: str) -> dict[str, float]:
    """Open a page on a slow phone that has never seen it; what that took."""
    context = browser.new_context(base_url=served.base, **PHONE)
    context.add_cookies([served.cookie])
    page = context.new_page()
    tools = context.new_cdp_session(page)
    loaded: list[float] = []
    tools.on("Network.loadingFinished", lambda event: loaded.append(event["encodedDataLength"]))
    tools.send("Network.enable")
    tools.send("Network.emulateNetworkConditions", LINE)
    tools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(path, wait_until="networkidle")
    found: dict[str, float] = page.evaluate(FIGURES)
    context.close()
    return found | {"bytes": sum(loaded), "requests": len(loaded)}


if __name__ == "__main__":
    main()
