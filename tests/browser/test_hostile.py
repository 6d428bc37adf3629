"""Two hundred texts that want to be code, on every page and in every mail, in a real browser.

None may run, none may ask another host for anything, none may look like something else. The Watch
of `open_browser` fails for what our policy had to stop, too: it must never come to that.
"""

import re

import pytest
from django.urls import reverse

from approvals.audience import Matter
from approvals.mails import mail_of
from approvals.models import Notice
from approvals.plain import visible
from tests.approvals.hostile import BIDI, payloads
from tests.factories import make_approval, make_staff

pytestmark = pytest.mark.browser

TEXTS = payloads()
# Elements that these texts would be, if they were taken for HTML.
# A link to another host may be one: Markdown has links, which say where they lead.
PLANTED = (
    "[src*='evil'], link[href*='evil'], [data*='evil'], [action*='evil'], [onerror], [onload],"
    " [onfocus], [ontoggle], [onmouseover], [href^='javascript:' i], [hx-get*='evil'],"
    " [data-hx-get], iframe, object, embed, base, math, main style,"
    " main script:not([src^='/static/'])"
)
HIDDEN = re.compile(
    "[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e0fff]"
)


def one_line(text):
    """As a title may be: one line without control characters, of at most 200."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text)[:200].strip() or "x"


@pytest.fixture
def asked(ana, ben, approval):
    """Approvals that have each of the texts as title, fact and summary, and some as much else."""
    batches = [TEXTS[start : start + 50] for start in range(0, len(TEXTS), 50)]
    made = [make_approval(title=one_line(text), requested_by="eva@example.com") for text in TEXTS]
    for number, batch in enumerate(batches):
        lines = [one_line(text)[:90] for text in batch]
        whole = make_approval(
            title=f"Batch {number}",
            type=lines[0],
            fields=[
                {"label": label, "value": text} for label, text in zip(lines, batch, strict=True)
            ],
            summary="\n\n".join(batch),
            links=[{"label": line, "url": "https://files.example/"} for line in lines[:10]],
            options=[
                {"value": f"answer_{n}", "label": line[:40], "consequence": line}
                for n, line in enumerate(lines[:5])
            ],
            comment="optional",
        )
        for text in batch[:5]:
            whole.say(text.replace("\x00", ""), by=ana)
        made.append(whole)
    return made


def planted(page):
    """The elements that texts have become."""
    return page.locator(PLANTED).evaluate_all("found => found.map(e => e.outerHTML.slice(0, 200))")


def look(page, path):
    """Open it, and see that every text has stayed a text."""
    page.goto(path)
    assert page.evaluate("window.hit") is None, path
    assert planted(page) == [], path
    shown = page.locator("main, #content").first.inner_text()
    assert not HIDDEN.search(shown), (path, HIDDEN.search(shown))


class TestPages:
    @pytest.mark.timeout(300)
    def test_they_stay_texts_wherever_they_are_shown(self, signed_in, ana, asked, watch):
        page = signed_in(ana, "/")
        page.on("dialog", lambda dialog: watch.faults.append(f"dialog: {dialog.message}"))
        seen, more = 0, page.get_by_role("link", name="More")
        while True:
            look(page, page.url)
            seen += page.locator("main a[href^='/approvals/']").count()
            if not more.count():
                break
            more.click()

        assert seen > len(TEXTS)
        for whole in asked[len(TEXTS) :]:
            whole.decide("answer_0", by=ana, revision=1, comment=TEXTS[0])
            for name in ("detail", "receipt"):
                look(page, reverse(f"approvals:{name}", args=[whole.pk]))
        for one in (*asked[:3], *asked[150:153]):
            look(page, one.get_absolute_url())
            look(page, reverse("approvals:hand_over", args=[one.pk]))

    @pytest.mark.timeout(300)
    def test_they_stay_texts_for_operators_too(self, signed_in, asked, watch):
        page = signed_in(make_staff(), "/?tab=attention")
        page.on("dialog", lambda dialog: watch.faults.append(f"dialog: {dialog.message}"))

        look(page, "/?tab=attention")
        look(page, reverse("admin:approvals_approval_changelist"))
        for whole in asked[len(TEXTS) :]:
            look(page, reverse("admin:approvals_approval_change", args=[whole.pk]))

    def test_what_is_hidden_is_shown_as_a_mark(self, signed_in, ana, approval):
        hiding = [text for text in BIDI if visible(text) != text]
        shown = make_approval(fields={f"Fact {n}": text for n, text in enumerate(hiding)})

        page = signed_in(ana, shown.get_absolute_url())

        assert len(hiding) > 15
        text = page.locator("main").inner_text()
        for each in hiding:
            assert " ".join(visible(each).split()) in " ".join(text.split())


class TestMails:
    @pytest.mark.timeout(300)
    def test_they_stay_texts_in_mails(self, open_browser, settings, asked, ana, watch):
        settings.TELL_BY_MAIL = True
        for text in TEXTS[:50]:
            make_approval(title=one_line(text), fields={one_line(text)[:90]: text}, summary=text)
        page = open_browser()
        page.on("dialog", lambda dialog: watch.faults.append(f"dialog: {dialog.message}"))

        for notice in Notice.objects.filter(matter=Matter.ASKED, address=ana.email):
            mail = mail_of(notice)
            assert "\n" not in mail.subject
            page.set_content(mail.html)
            assert page.evaluate("window.hit") is None
            assert planted(page) == []
