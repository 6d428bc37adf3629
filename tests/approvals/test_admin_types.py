"""Types in the admin: what they say as a form; every change is a version; old ones are kept."""

import json
import re

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from approvals.admin.type_words import changes
from approvals.models import Policy, PolicyVersion
from tests.approvals.reading import as_person, text_of
from tests.factories import make_approval, make_group, make_staff, make_user

NEW = reverse("admin:approvals_policy_add")
FORM = {
    "type": "object",
    "properties": {"cost_center": {"type": "string"}},
    "required": ["cost_center"],
}
GIVEN = {
    "name": "supplier-payment",
    "title": "Supplier payment",
    "is_active": "on",
    "approvers": "group:managers\nuser:ana@example.com",
    "votes_needed": "2",
    "comment_rule": "on_reject",
    "reject_settles": "on",
    "undo": "20 seconds",
    "form": json.dumps(FORM),
    "priority": "high",
    "expires_in": "3 days",
    "on_expiry": "expired",
    "remind_after": "1 day\n2 days",
    "escalate_after": "2 days 12 hours",
    "escalate_to": "group:managers",
    "seen": "0",
}


@pytest.fixture
def client(managers):
    return as_person(make_staff())


@pytest.fixture
def payment(client):
    """The type of `GIVEN`, made through the form."""
    response = client.post(NEW, GIVEN)
    assert response.status_code == 302, text_of(response)
    return Policy.objects.get()


def address(policy):
    return reverse("admin:approvals_policy_change", args=[policy.pk])


def save(client, policy, **changes):
    """Send the form of a type as the page has it, with these changes."""
    number = policy.versions.order_by("-number")[0].number
    return client.post(address(policy), {**GIVEN, "seen": str(number), **changes})


def wrong(response):
    """What is said at which place: {field: sentence}."""
    form = response.context["adminform"].form
    return {name: " ".join(texts) for name, texts in form.errors.items()}


class TestMake:
    def test_what_was_written_is_what_the_type_says(self, payment):
        version = PolicyVersion.objects.get()

        assert version.as_data() == {
            "stages": [
                {"approvers": ["group:managers", "user:ana@example.com"], "votes_needed": 2}
            ],
            "rules": [],
            "comment_rule": "on_reject",
            "expires_in": 259_200,
            "on_expiry": "expired",
            "silence_approves": False,
            "reject_settles": True,
            "remind_after": [86_400, 172_800],
            "escalate_after": 216_000,
            "escalate_to": "group:managers",
            "undo": 20,
            "form": FORM,
            "invites": False,
            "priority": "high",
        }
        assert (version.number, version.created_by) == (1, "user:olga@example.com")

    def test_workflows_can_name_it_at_once(self, payment):
        approval = make_approval(type="supplier-payment", approvers=[])

        assert approval.policy.number == 1
        assert approval.votes_needed == 2

    def test_stages_are_written_as_data(self, client):
        make_group("board")
        stages = [
            {"name": "Team", "approvers": ["group:managers"], "votes_needed": 1},
            {"name": "Board", "approvers": ["group:board"], "votes_needed": "everyone"},
        ]
        client.post(
            NEW, GIVEN | {"approvers": "", "votes_needed": "", "stages": json.dumps(stages)}
        )

        assert PolicyVersion.objects.get().stages == stages
        page = client.get(address(Policy.objects.get())).content.decode()
        assert "&quot;name&quot;: &quot;Board&quot;" in page

    @pytest.mark.parametrize(
        ("changes", "place", "sentence"),
        [
            ({"name": "Supplier payment"}, "name", "Lower-case letters"),
            ({"approvers": "group:nobody"}, "approvers", "Nobody here is called group:nobody"),
            ({"approvers": "managers"}, "approvers", "Nobody here is called managers"),
            ({"approvers": ""}, "approvers", "Name at least one"),
            ({"votes_needed": "0"}, "approvers", "a number from 1 on"),
            ({"votes_needed": "most"}, "approvers", "“everyone”"),
            ({"stages": '[{"approvers": ["group:managers"]}]'}, "stages", "Either approvers"),
            ({"approvers": "", "votes_needed": "", "stages": "{}x"}, "stages", "valid JSON"),
            ({"approvers": "", "votes_needed": "", "stages": "[1]"}, "stages", "entries in braces"),
            (
                {"approvers": "", "votes_needed": "", "stages": '[{"approvers": ["group:x"]}]'},
                "stages",
                "Nobody here is called group:x",
            ),
            ({"rules": '[{"field": "Amount"}]'}, "rules", "operator"),
            (
                {
                    "rules": '[{"field": "A", "operator": "~", "value": 1,'
                    ' "approvers": ["group:managers"]}]'
                },
                "rules",
                "operator is one of",
            ),
            ({"expires_in": "soon"}, "expires_in", "Write a length of time"),
            ({"expires_in": "2 moons"}, "expires_in", "“moons” is not a unit"),
            ({"remind_after": "1 day\nlater"}, "remind_after", "Write a length of time"),
            ({"remind_after": "4 days"}, "remind_after", "reaches nobody"),
            ({"undo": "2 hours"}, "undo", "At most 3600 seconds"),
            ({"escalate_to": ""}, "escalate_to", "or neither"),
            ({"escalate_to": "group:x"}, "escalate_to", "Nobody here is called group:x"),
            ({"on_expiry": "approved"}, "on_expiry", "Silence approves only where"),
            ({"form": '{"type": "array"}'}, "form", "A form is an object"),
            ({"form": "[]"}, "form", "A form is an object"),
        ],
    )
    def test_what_cannot_be_is_said_at_its_place(self, client, changes, place, sentence):
        response = client.post(NEW, GIVEN | changes)

        assert response.status_code == 200
        assert sentence in wrong(response)[place]
        assert not Policy.objects.exists()


class TestChange:
    def test_the_form_shows_what_holds_in_words(self, client, payment):
        page = client.get(address(payment)).content.decode()

        for value in ("20 seconds", "3 days", "2 days 12 hours"):
            assert f'value="{value}"' in page
        assert "group:managers\nuser:ana@example.com</textarea>" in page
        assert "1 day\n2 days</textarea>" in page

    def test_a_change_is_a_new_version_and_the_old_one_stays(self, client, payment):
        before = make_approval(type="supplier-payment", approvers=[])
        save(client, payment, votes_needed="3", expires_in="5 days")
        after = make_approval(type="supplier-payment", approvers=[])

        assert [version.number for version in payment.versions.all()] == [2, 1]
        before.refresh_from_db()
        assert (before.policy.number, before.votes_needed) == (1, 2)
        assert (after.policy.number, after.votes_needed) == (2, 3)

    def test_the_same_again_makes_no_version(self, client, payment):
        save(client, payment, title="Payment of suppliers")

        payment.refresh_from_db()
        assert payment.title == "Payment of suppliers"
        assert payment.versions.count() == 1

    def test_the_name_that_workflows_use_stays(self, client, payment):
        save(client, payment, name="other")

        payment.refresh_from_db()
        assert payment.name == "supplier-payment"

    def test_of_two_who_change_it_the_second_is_told(self, client, payment):
        save(client, payment, votes_needed="3")
        response = client.post(address(payment), GIVEN | {"seen": "1", "votes_needed": "1"})

        assert "made version 2 meanwhile" in wrong(response)["__all__"]
        assert payment.versions.count() == 2

    def test_the_history_says_what_changed_and_how_many_were_asked(self, client, payment):
        for _ in range(2):
            make_approval(type="supplier-payment", approvers=[])
        save(client, payment, expires_in="5 days", form="")
        make_approval(type="supplier-payment", approvers=[], expires_in=None)

        said = text_of(client.get(address(payment)))

        assert "Time limit: 3 days → 5 days" in said
        assert "Form: cost_center → none" in said
        history = said.partition("What changed")[2]
        first, _, rest = history.partition("The first version")
        assert re.search(r"none\W+1\W", first)
        assert rest.strip().startswith("2")

    def test_defaults_that_the_form_writes_out_are_no_change(self, managers):
        rule = {"field": "Amount", "operator": ">", "value": 5000, "approvers": ["group:managers"]}
        policy = Policy.objects.create(name="expense", title="Expense")
        old = policy.revise("-", stages=[{"approvers": ["group:managers"]}], rules=[rule])
        new = policy.revise(
            "-",
            stages=[{"approvers": ["group:managers"], "votes_needed": 1}],
            rules=[rule | {"votes_needed": 2}],
            undo=30,
        )

        said = "Amount > 5000: group:managers"
        assert changes(new, old) == [
            f"Rules: {said} (1 vote) → {said} (2 votes)",
            "Undo window: none → 30 seconds",
        ]

    def test_a_type_is_switched_off_and_never_deleted(self, client, payment):
        delete = reverse("admin:approvals_policy_delete", args=[payment.pk])
        assert client.post(delete, {"post": "yes"}).status_code == 403

        save(client, payment, is_active="")

        payment.refresh_from_db()
        assert not payment.is_active

    def test_a_version_can_be_read_and_not_changed(self, client, payment):
        page = reverse("admin:approvals_policyversion_change", args=[payment.versions.get().pk])

        assert "group:managers, user:ana@example.com (2 votes)" in text_of(client.get(page))
        assert client.post(page, {"undo": "1"}).status_code == 403


class TestAccess:
    def test_who_may_only_look_reads_the_terms_and_changes_nothing(self, payment):
        reader = make_user(is_staff=True)
        reader.user_permissions.add(Permission.objects.get(codename="view_policy"))
        browser = as_person(reader)

        said = text_of(browser.get(address(payment)))
        assert "group:managers, user:ana@example.com (2 votes)" in said
        assert "2 days 12 hours" in said
        assert "<textarea" not in browser.get(address(payment)).content.decode()
        assert browser.post(address(payment), GIVEN).status_code == 403
        assert payment.versions.count() == 1

    def test_lists_and_pages_ask_few_things_of_the_database(
        self, client, payment, django_assert_max_num_queries
    ):
        for number in range(12):
            save(client, payment, expires_in=f"{number + 4} days")
            make_approval(type="supplier-payment", approvers=[])
            Policy.objects.create(name=f"type-{number}", title="x").revise("test")

        with django_assert_max_num_queries(8):
            client.get(reverse("admin:approvals_policy_changelist"))
        with django_assert_max_num_queries(8):
            client.get(address(payment))
