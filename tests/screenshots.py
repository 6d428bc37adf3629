"""The pictures of README and docs, taken of the real product: `python -m tests.screenshots`.

Every page on a desk, on a phone and in the dark: `docs/img/<page>.png`, `<page>-phone.png` and
`<page>-dark.png`. Names after the command take those pages alone: `… inbox insights`.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.emulators import ROOT
from tests.round_trip.system import System
from tests.services import ensure_chromium

IMAGES = ROOT / "docs" / "img"
LOOKS: dict[str, dict[str, Any]] = {
    "": {"viewport": {"width": 1080, "height": 760}},
    "-dark": {"viewport": {"width": 1080, "height": 760}, "color_scheme": "dark"},
    "-phone": {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2},
}
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
COLOURS = 128  # of a picture: flat surfaces and text need no more, and weigh a third


@dataclass(frozen=True)
class Picture:
    """A page: whose, where, and what to do there before the picture is taken."""

    path: str = "/"
    person: str = "ana@example.com"
    go: Callable[[Page], object] = lambda page: None


def opened(title: str) -> Callable[[Page], None]:
    """Opens this request in the inbox."""

    def go(page: Page) -> None:
        page.locator(".row-title", has_text=title).first.click()
        page.get_by_role("heading", level=1, name=title).wait_for()
        page.wait_for_load_state("networkidle")

    return go


def way(page: Page) -> None:
    """What happens if I click: the drawing of the workflow."""
    opened("Hotel in Lisbon, 3 nights")(page)
    page.goto(page.url.partition("?")[0] + "way/")
    page.wait_for_load_state("networkidle")


def together(page: Page) -> None:
    """The summary before several are answered at once."""
    for title in ("Papelaria Sol, invoice 88", "Café Central, invoice 1203"):
        page.get_by_label(f"Select Pay {title}").check()
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("heading", name=re.compile("Approve 2")).wait_for()


def filters(page: Page) -> None:
    page.get_by_text("Filter and sort").click()


def keys(page: Page) -> None:
    page.keyboard.press("?")


def menu(page: Page) -> None:
    page.locator("#me").click()


OLGA = "olga@example.com"
PICTURES: dict[str, Picture] = {
    "inbox": Picture(),
    "inbox-filters": Picture(go=filters),
    "inbox-decided": Picture("/?tab=decided"),
    "bulk": Picture(go=together),
    "detail": Picture(go=opened("Hotel in Lisbon, 3 nights")),
    "detail-form": Picture(go=opened("Terms of sale")),
    "detail-stages": Picture(go=opened("Atlas")),
    "way": Picture(go=way),
    "insights": Picture("/insights/"),
    "profile": Picture("/profile/"),
    "start": Picture("/start/"),
    "start-form": Picture("/start/expense-approval/"),
    "export": Picture("/export/", OLGA),
    "views": Picture("/views/"),
    "keyboard": Picture(go=keys),
    "menu": Picture(person=OLGA, go=menu),
    "offline": Picture("/offline/"),
    "not-found": Picture("/nowhere/"),
    "admin": Picture("/admin/", OLGA),
    "admin-list": Picture("/admin/approvals/approval/", OLGA),
    "admin-type": Picture("/admin/approvals/policy/1/change/", OLGA),
}


@contextmanager
def signed_in(browser: Browser, system: System, person: str, **options: Any) -> Iterator[Page]:
    """A page at the inbox of this person."""
    place: dict[str, Any] = {"locale": "en-GB", "timezone_id": "Europe/Lisbon"}
    page = browser.new_context(service_workers="block", **place | options).new_page()
    page.goto(f"{system.base}/sign-in/")
    page.get_by_label("E-mail").fill(person)
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Inbox").wait_for()
    yield page
    page.context.close()


def shoot(page: Page, name: str) -> None:
    """Keep a picture, with few colours."""
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def shoot_all(browser: Browser, system: System, names: set[str]) -> None:
    """Those of these names, in every look."""
    for look, options in LOOKS.items():
        for person in ("ana@example.com", OLGA):
            with signed_in(browser, system, person, **options) as page:
                for name, picture in PICTURES.items():
                    if name in names and picture.person == person:
                        page.goto(system.base + picture.path)
                        page.wait_for_load_state("networkidle")
                        picture.go(page)
                        page.wait_for_timeout(300)
                        shoot(page, f"{name}{look}")


def shoot_sign_in(browser: Browser, system: System) -> None:
    for look, options in LOOKS.items():
        page = browser.new_context(**options).new_page()
        page.goto(f"{system.base}/sign-in/")
        shoot(page, f"sign-in{look}")
        page.context.close()


def shoot_receipt(browser: Browser, system: System) -> None:
    """After the answer: what was decided, and that it arrived; for each look another request."""
    requests = ("Hotel in Lisbon, 3 nights", "Terms of sale", "Conference ticket")
    for (look, options), title in zip(LOOKS.items(), requests, strict=True):
        with signed_in(browser, system, "ana@example.com", **options) as page:
            opened(title)(page)
            page.get_by_role("button", name=re.compile("^(Approve|Publish)")).first.click()
            page.get_by_text("The workflow has it").first.wait_for()
            page.wait_for_timeout(6000)  # what the workflow did is told too
            shoot(page, f"receipt{look}")


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
    for look, options in LOOKS.items():
        with signed_in(browser, system, OLGA, **options) as page:
            page.goto(f"{system.base}/?tab=attention")
            page.get_by_role("heading", name="Nobody can answer").wait_for()
            shoot(page, f"attention{look}")


# What changes something comes last, in this order.
OTHERS: dict[str, Callable[[Browser, System], None]] = {
    "sign-in": shoot_sign_in,
    "emulator": shoot_emulator,
    "receipt": shoot_receipt,
    "attention": shoot_attention,
}


def as_in_production(system: System) -> None:
    """Without the pages that are for developers, as where nothing is at an address."""
    system.env |= {"DEBUG": "0", "STATIC_ROOT": str(system.home / "static")}
    system.manage("collectstatic", "--no-input")
    system.kill("web")
    system.start("web")


def main() -> None:
    """Start everything with demo data and some history, keep the pictures."""
    names = set(sys.argv[1:]) or {*PICTURES, *OTHERS}
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        System(Path(home)) as system,
        sync_playwright() as playwright,
    ):
        as_in_production(system)
        system.manage("shell", "-c", "from tests.history import fill; fill()")
        system.manage("seed_demo", "--examples")
        browser = playwright.chromium.launch(executable_path=ensure_chromium(), args=list(QUIET))
        with signed_in(browser, system, "ana@example.com") as page:
            for title in ("Conference", "New supplier", "Terms of sale in"):
                page.get_by_text(title).first.wait_for()
        shoot_all(browser, system, names)
        for name, take in OTHERS.items():
            if name in names:
                take(browser, system)
        browser.close()


if __name__ == "__main__":
    main()
