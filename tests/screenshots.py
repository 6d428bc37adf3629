"""The pictures of README and docs, taken of the real product: `python -m tests.screenshots`."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.emulators import ROOT
from tests.round_trip.system import System
from tests.services import ensure_chromium

IMAGES = ROOT / "docs" / "img"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1080, "height": 760}}
DARK = DESKTOP | {"color_scheme": "dark"}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2}
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")


@contextmanager
def signed_in(
    browser: Browser, system: System, person: str = "ana@example.com", **options: Any
) -> Iterator[Page]:
    """A page at the inbox of this person; of Ana, the manager, unless another is named."""
    page = browser.new_context(locale="en-GB", **options).new_page()
    page.goto(f"{system.base}/sign-in/")
    page.get_by_label("E-mail").fill(person)
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Inbox").wait_for()
    yield page
    page.context.close()


def shoot(page: Page, name: str) -> None:
    page.screenshot(path=IMAGES / f"{name}.png")


def shoot_emulator(browser: Browser, system: System) -> None:
    """The emulator's page of an execution that waits: where it is, and the way to there."""
    page = browser.new_context(viewport={"width": 1080, "height": 1200}).new_page()
    page.goto(f"{system.emulator.url}/?state=ACTIVE")
    page.get_by_role("link", name=re.compile("^execution ")).first.click()
    page.get_by_role("heading", name="Waits for").wait_for()
    shoot(page, "emulator")
    page.context.close()


def shoot_attention(browser: Browser, system: System) -> None:
    """The operators' queue, once the only director has left and nobody can answer for the fair."""
    left = "User.objects.filter(email__in=['dora@example.com', 'ana@example.com'])"
    system.manage(
        "shell", "-c", f"from approvals.models import User; {left}.update(is_active=False)"
    )
    for suffix, options in (("", DESKTOP), ("-phone", PHONE)):
        with signed_in(browser, system, "olga@example.com", **options) as page:
            page.goto(f"{system.base}/?tab=attention")
            page.get_by_role("heading", name="Nobody can answer").wait_for()
            shoot(page, f"attention{suffix}")


def main() -> None:
    """Start everything, walk through the first approval, keep the pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        System(Path(home)) as system,
        sync_playwright() as playwright,
    ):
        system.manage("seed_demo", "--examples")
        browser = playwright.chromium.launch(executable_path=ensure_chromium(), args=list(QUIET))
        for name, options in (("dark", DARK), ("phone", PHONE), ("", DESKTOP)):
            suffix = f"-{name}" if name else ""
            with signed_in(browser, system, **options) as page:
                page.get_by_text("Conference").wait_for()
                page.get_by_text("New supplier").wait_for()
                page.get_by_text("Terms of sale in").wait_for()
                shoot(page, f"inbox{suffix}")
                page.get_by_text("Hotel").click()
                page.get_by_role("button", name="Approve").wait_for()
                shoot(page, f"detail{suffix}")
                if not name:
                    page.get_by_role("button", name="Approve").click()
                    page.get_by_text("Paid 1240 EUR").wait_for()
                    shoot(page, "receipt")
            if not name:
                shoot_emulator(browser, system)
        shoot_attention(browser, system)
        browser.close()


if __name__ == "__main__":
    main()
