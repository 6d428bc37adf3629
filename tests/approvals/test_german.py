"""Every page in German: no word of it is English, but for what people and workflows wrote."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from django.utils import translation

from approvals import catalog
from approvals.catalog import Startable
from approvals.declaration import declared
from tests.approvals.reading import as_person
from tests.approvals.test_page_start import PAY
from tests.browser.every_page import LONG, make_world

# Words that English pages are full of, and that no German one has.
COMMON = """\
about after ago all already and another answer answered answers any approval approvals
    approve approved are ask asked asks back because been before but by can cannot choose closed
    comment could day days decide decided decides delivery does done due each every for
    from get given go goes group had has have he her here his how if into is it its keep kept last
    least less like long look made may me more most must my needs never new next no nobody not
    nothing now of once one only open or other others our out please reason receipt record
    reject rejected request requests say search see select send sent show since somebody something
    state take than that the their them then there these they this those time to too under
    until up us use used view wait waiting waits way what when where which while who whom why will
    with without workflow's would yes yet you your"""
ENGLISH = frozenset(COMMON.split())
# What the people and the workflows of these pages wrote, and names that are given.
WRITTEN = (
    *(LONG, LONG[:160], LONG[:100], LONG[:90], LONG[:60]),
    *("Train to Porto", "Once more", "Many answers", "Asked by me", "Pay ACME", "What then"),
    *("Pay a supplier", "Second", "Score", "Other", "Answer number", "Issued the key"),
    # Said of values that are the same in every language, and of Django's own without a translation.
    *("(pending, approved, …)", "expired, rejected", "Search"),
)

# Ids, addresses, values and names for programs: what is no word.
NAMES = re.compile(r"\{.*|\S*[:/@_=\[\]{}…]\S*|\b(approved|rejected)$")


class Reader(HTMLParser):
    """What people read or hear of a page, besides code and what stands in fields."""

    def __init__(self):
        super().__init__()
        self.found, self.silent = [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in {"script", "style", "code", "pre", "option", "kbd", "textarea"}:
            self.silent.append(tag)
        for name in ("alt", "aria-label", "placeholder", "title"):
            self.found.append(given.get(name) or "")
        if tag == "input" and given.get("type") in {"submit", "button", "reset"}:
            self.found.append(given.get("value") or "")

    def handle_endtag(self, tag):
        if self.silent and self.silent[-1] == tag:
            self.silent.pop()

    def handle_data(self, data):
        if not self.silent:
            self.found.append(data)


def english_of(page):
    """The English words of a page, each with the words around it."""
    reader = Reader()
    reader.feed(page)
    text = unescape("\n".join(reader.found))
    for written in WRITTEN:
        text = text.replace(written, "")
    return [
        line
        for line in map(" ".join, (piece.split() for piece in text.split("\n")))
        if ENGLISH & {word.lower() for word in re.findall(r"[\w']+", NAMES.sub(" ", line))}
    ]


@pytest.fixture
def world(db, google, settings, monkeypatch):
    """Every page there is, for people whose browsers ask for no language of ours."""
    settings.DEFAULT_LANGUAGE = "de"
    settings.GOOGLE_CLOUD_PROJECT = "p"
    monkeypatch.setattr("approvals.views.decision.deliver_now", lambda delivery: None)
    monkeypatch.setattr(catalog, "_asked", lambda parent: [Startable("pay", declared(PAY))])
    with translation.override("de"):
        return make_world()


class TestEveryPage:
    @pytest.mark.timeout(600)
    def test_none_has_a_word_of_english(self, world):
        client = as_person(world.viewer)
        left = {}
        for name, path in world.paths.items():
            page = client.get(path, follow=True).content.decode()
            assert 'lang="de"' in page, name
            left[name] = english_of(page)
        for name, page in world.answers.items():
            left[name] = english_of(page)

        assert {name: words for name, words in left.items() if words} == {}

    def test_a_word_of_english_is_found(self):
        assert english_of("<p>Genehmigt by Ana</p>") == ["Genehmigt by Ana"]
        assert english_of('<a title="Open it">Öffnen</a>') == ["Open it"]
        assert english_of("<p>Sie haben am 3. Mai geantwortet</p><code>the</code>") == []
