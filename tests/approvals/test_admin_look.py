"""How the operators' pages look and read: trouble first, one set of words, few queries."""

import re
from html import unescape

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.models import Delivery, Preference, SavedView, Vote
from approvals.models.outbox import State
from approvals.operators_site import ABOUT, SECTIONS
from tests.approvals.reading import as_person, decide, text_of
from tests.factories import make_approval, make_group, make_user

pytestmark = pytest.mark.django_db

INDEX = "/admin/"


@pytest.fixture
def client(olga):
    return as_person(olga)


def lists():
    """The addresses of all lists."""
    for model in admin.site._registry:
        yield reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


class TestIndex:
    def test_what_needs_attention_stands_first_with_its_count(self, client, approval, ana):
        decide(approval, by=ana)
        Delivery.objects.update(state=State.BLOCKED)

        response = client.get(INDEX)

        said = text_of(response)
        assert re.match("Admin Needs attention 1 Delivery in trouble 1 Requests", said)
        assert "/?tab=attention&amp;kind=undeliverable" in response.content.decode()

    def test_with_nothing_wrong_it_says_so(self, client):
        assert "Nothing needs attention" in text_of(client.get(INDEX))

    def test_lists_stand_in_the_order_in_which_they_are_needed(self, client):
        body = client.get(INDEX).content.decode()

        names = re.findall(r'<a class="list" href="[^"]*">([^<]+)</a>', body)
        assert names[:4] == ["Requests", "Deliveries", "Types", "People"]

    def test_every_list_has_its_place_and_says_what_one_does_there(self, client):
        shown = {key for _, keys in SECTIONS for key in keys}

        assert shown == {model._meta.object_name for model in admin.site._registry}
        said = unescape(client.get(INDEX).content.decode())
        assert [about for about in map(str, ABOUT.values()) if about not in said] == []

    def test_only_what_one_may_open_is_there(self, db):
        clerk = make_user("clerk@example.com", is_staff=True)

        said = text_of(as_person(clerk).get(INDEX))

        assert "You cannot open any of the lists." in said
        assert "attention" not in said

    def test_an_application_has_no_index_of_its_own(self, client):
        assert client.get("/admin/approvals/")["Location"] == INDEX


class TestWords:
    def test_each_list_is_headed_by_its_name(self, client, approval):
        page = client.get(reverse("admin:approvals_approval_changelist"))

        assert page.content.decode().count("<h1") == 1
        assert "<h1>Requests</h1>" in page.content.decode()
        assert "What was asked. Ask somebody else, withdraw, export." in text_of(page)

    def test_a_page_is_headed_by_what_it_is_about(self, client, approval):
        page = client.get(reverse("admin:approvals_approval_change", args=[approval.pk]))

        assert f"<h1>{approval.title}</h1>" in page.content.decode()

    def test_no_page_has_words_that_are_none(self, client, approval, ana):
        decide(approval, by=ana)

        for path in (INDEX, *lists()):
            said = text_of(client.get(path)).lower()
            for wrong in ("deliverys", "policys", "policies", "site administration", "select "):
                assert wrong not in said.replace("select this", "").replace("selected", ""), path

    def test_a_request_is_read_as_people_read_it(self, client, managers):
        approval = make_approval(
            fields={"Amount": 12, "Express": True},
            options=[{"value": "approved", "label": "Pay", "consequence": "It is paid"}],
            form={"type": "object", "properties": {"account": {"type": "string"}}},
        )

        said = text_of(client.get(reverse("admin:approvals_approval_change", args=[approval.pk])))

        assert "Amount: 12" in said
        assert "Express: Yes" in said
        assert "Pay: It is paid" in said
        assert "account" in said
        assert "[[" not in said

    def test_states_are_those_of_the_inbox_in_their_colour(self, client, approval, ana):
        decide(approval, by=ana, outcome="rejected")

        body = client.get(reverse("admin:approvals_approval_changelist")).content.decode()

        assert '<span class="chip tone-bad">Rejected</span>' in body


class TestAccess:
    def test_what_people_keep_for_themselves_is_only_read(self, client, ana):
        view = SavedView.objects.create(owner=ana, name="Mine", query="sort=due")
        kept = Preference.objects.create(user=ana)

        for row in (view, kept):
            name = f"admin:approvals_{row._meta.model_name}"
            page = client.get(reverse(f"{name}_change", args=[row.pk])).content.decode()
            assert not re.search(r'<textarea|<select|type="text"|name="_save', page)
            assert client.post(reverse(f"{name}_delete", args=[row.pk])).status_code == 403

    def test_no_list_asks_more_for_more_rows(self, client, ana, managers):
        counted = []
        for number in (1, 12):
            for n in range(number):
                person = make_user()
                make_group(f"group {number} {n}", person)
                SavedView.objects.create(owner=person, name="Mine", query="q=x")
                Preference.objects.create(user=person)
                decide(make_approval(), by=ana)
            counted.append({path: self.queries(client, path) for path in lists()})

        assert Vote.objects.count() == 13
        few, many = counted
        assert {path: many[path] for path in many if many[path] > few[path]} == {}
        assert max(many.values()) <= 12

    def queries(self, client, path):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        return len(queries)
