"""The operators' pages: callers are kept here, the record only read."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.urls import reverse

from approvals.models import (
    ApiKey,
    Approval,
    Attempt,
    Caller,
    Delivery,
    Event,
    PersonalToken,
    Policy,
    User,
    Vote,
)
from approvals.models.outbox import FINAL, State
from tests.approvals.reading import address, as_person, counts, decide, text_of
from tests.factories import make_approval, make_caller, make_user

RECORD = (Approval, Attempt, ApiKey, Delivery, Event, Vote)


@pytest.fixture
def client(olga):
    """Olga's browser: she has every permission."""
    return as_person(olga)


@pytest.fixture
def decided(approval, ana):
    """A rejected approval whose delivery was refused, and a key: a row of every kind."""
    decide(approval, by=ana, outcome="rejected", comment="Take the train")
    Delivery.objects.update(state=State.BLOCKED, reason="Google said 403.")
    approval.delivery.attempts.create(number=1, result="refused", status=403)
    ApiKey.objects.issue(approval.caller, "laptop")
    return approval


class TestAccess:
    def test_people_without_staff_status_are_sent_to_the_sign_in(self, ana):
        assert as_person(ana).get("/admin/")["Location"].startswith("/admin/login/")

    def test_staff_see_only_what_they_were_granted(self, decided):
        clerk = as_person(make_user(is_staff=True))

        assert clerk.get("/admin/").status_code == 200
        for model in (*RECORD, Caller, User):
            assert clerk.get(address(model, "changelist")).status_code == 403

    def test_every_list_and_page_opens_and_can_be_searched(self, client, decided):
        for model in (*RECORD, Caller, User, Group):
            assert client.get(address(model, "changelist")).status_code == 200
            assert client.get(address(model, "changelist"), {"q": "ana"}).status_code == 200
            row = model.objects.all()[0]
            assert client.get(address(model, "change", row.pk)).status_code == 200


class TestRecord:
    @pytest.mark.parametrize("model", RECORD)
    def test_nothing_of_it_is_added_changed_or_deleted(self, client, decided, model):
        row = model.objects.all()[0]
        before = list(model.objects.values())

        assert client.get(address(model, "add")).status_code == 403
        assert client.post(address(model, "add"), {}).status_code == 403
        page = address(model, "change", row.pk)
        assert client.post(page, {"title": "x", "outcome": "approved"}).status_code == 403
        assert client.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        action = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        client.post(address(model, "changelist"), action)

        assert list(model.objects.values()) == before

    def test_pages_have_no_fields_to_type_in(self, client, decided):
        for model in RECORD:
            body = client.get(address(model, "change", model.objects.all()[0].pk)).content.decode()
            assert not re.search(r"<textarea|<select|type=\"text\"|name=\"_save", body), model

    def test_an_approval_shows_its_votes_and_events(self, client, decided):
        said = text_of(client.get(address(Approval, "change", decided.pk)))

        assert "Take the train" in said
        assert "user:ana@example.com" in said

    def test_an_approval_shows_who_is_asked(self, client, ana, managers):
        approval = make_approval(approvers=["group:managers", "user:ana@example.com"])

        said = text_of(client.get(address(Approval, "change", approval.pk)))

        assert "group:managers, user:ana@example.com" in said

    def test_an_approval_shows_the_terms_it_was_asked_on(self, client, managers):
        policy = Policy.objects.create(name="trip", title="Trip")
        policy.revise("test", stages=[{"approvers": ["group:managers"], "name": "Bosses"}])
        approval = make_approval(type="trip", approvers=[])

        said = text_of(client.get(address(Approval, "change", approval.pk)))

        assert "trip v1" in said
        assert "Bosses" in said

    def test_times_have_seconds_and_the_zone(self, client, approval):
        Approval.objects.update(created_at=datetime(2026, 5, 4, 16, 3, 2, tzinfo=UTC))

        for page in (address(Approval, "changelist"), address(Approval, "change", approval.pk)):
            assert "4 May 2026, 16:03:02 UTC" in text_of(client.get(page))

    def test_hidden_characters_of_a_workflow_are_marked(self, client, managers):
        evil = "a\u202eb"
        approval = make_approval(
            title="plain", type=evil, summary=evil, fields={evil: evil}, links=[]
        )

        for page in (address(Approval, "changelist"), address(Approval, "change", approval.pk)):
            body = client.get(page).content.decode().partition('id="content-main"')[2]
            assert "⟨U+202E⟩" in body
            assert "\u202e" not in body.partition('id="changelist-filter"')[0]

    def test_lists_ask_few_things_of_the_database(
        self, client, decided, django_assert_max_num_queries
    ):
        for model in RECORD:
            with django_assert_max_num_queries(10):
                client.get(address(model, "changelist"))

    def test_counts_of_the_record_never_change_here(self, client, decided):
        before = counts()

        client.get("/admin/")

        assert counts() == before


class TestDeliverAgain:
    def press(self, client, delivery, **confirmed):
        data = {"action": "deliver_again", "_selected_action": [delivery.pk], **confirmed}
        return client.post(address(Delivery, "changelist"), data, follow=True)

    def test_it_queues_the_delivery_and_says_who_did(self, client, decided):
        asked = self.press(client, decided.delivery)
        assert "after checking whether Google already has them" in text_of(asked)
        assert Delivery.objects.get().state == State.BLOCKED

        response = self.press(client, decided.delivery, confirmed="yes")

        assert "Queued again: 1." in response.content.decode()
        delivery = Delivery.objects.get()
        assert delivery.state == State.UNKNOWN
        assert Event.objects.order_by("-pk")[0].actor == "user:olga@example.com"
        decided.refresh_from_db()
        assert decided.status == "rejected"

    def test_it_is_a_button_on_the_page_of_a_delivery(self, client, decided):
        page = client.get(address(Delivery, "change", decided.delivery.pk)).content.decode()
        assert f'name="_selected_action" value="{decided.delivery.pk}">Deliver again<' in page

        Delivery.confirm(decided.pk, actor="caller:x")

        page = client.get(address(Delivery, "change", decided.delivery.pk)).content.decode()
        assert "Deliver again" not in page

    def test_its_button_is_for_those_who_may_press_it(self, decided):
        reader = make_user(is_staff=True)
        reader.user_permissions.add(Permission.objects.get(codename="view_delivery"))

        page = as_person(reader).get(address(Delivery, "change", decided.delivery.pk))

        assert page.status_code == 200
        assert "Deliver again" not in page.content.decode()

    @pytest.mark.parametrize("state", State.values)
    def test_a_state_is_called_the_same_in_column_filter_and_page(self, client, decided, state):
        final = state in FINAL
        Delivery.objects.update(state=state, next_attempt_at=None if final else decided.decided_at)

        for found in (state, next(each for each in State.values if each != state)):
            page = text_of(client.get(address(Delivery, "changelist"), {"state": found}))
            rows, _, filters = page.partition("By state")
            words = f"{State(state).label} ({state})"
            assert (words in rows) == (found == state)
            assert words in filters
        assert words in text_of(client.get(address(Delivery, "change", decided.delivery.pk)))

    def test_what_nobody_misses_is_not_said_to_need_attention(self, client, approval):
        approval.withdraw("Its execution was cancelled.", actor="system")
        Delivery.objects.update(state=State.MISSED, next_attempt_at=None)

        rows, _, _ = text_of(client.get(address(Delivery, "changelist"))).partition("By state")

        assert "The workflow had ended (missed)" in rows
        assert "Needs attention (missed)" not in rows

    def test_what_the_workflow_has_is_left_alone(self, client, decided):
        Delivery.confirm(decided.pk, actor="caller:x")

        response = self.press(client, decided.delivery, confirmed="yes")

        assert "Skipped, as the workflow has the answer: 1." in response.content.decode()
        assert Delivery.objects.get().state == State.CONFIRMED

    def test_reading_is_not_enough(self, decided):
        reader = make_user(is_staff=True)
        reader.user_permissions.add(Permission.objects.get(codename="view_delivery"))

        self.press(as_person(reader), decided.delivery)

        assert Delivery.objects.get().state == State.BLOCKED


class TestKeys:
    def test_a_key_is_shown_once_and_works(self, client, olga):
        caller = make_caller()
        url = reverse("admin:approvals_caller_issue_key", args=[caller.pk])

        assert "csk_" not in client.get(url).content.decode()
        assert ApiKey.objects.count() == 0
        response = client.post(url, {"label": "CI"})
        assert (response.status_code, "no-store" in response["Cache-Control"]) == (200, True)
        assert "csk_" not in client.get(url).content.decode()

        text = re.findall(r"csk_[\w-]+", response.content.decode())[0]
        key = ApiKey.objects.get()
        assert (key.caller, key.label, key.prefix) == (caller, "CI", text[:10])
        for model, pk in ((Caller, caller.pk), (ApiKey, key.pk)):
            later = client.get(address(model, "change", pk)).content.decode()
            assert text not in later
            assert key.digest not in later

    def test_the_text_of_a_key_is_nowhere_in_the_database(self, client, db):
        url = reverse("admin:approvals_caller_issue_key", args=[make_caller().pk])

        page = client.post(url, {"label": "CI"}).content.decode()

        text = re.findall(r"csk_[\w-]+", page)[0]
        sessions = [session.get_decoded() for session in Session.objects.all()]
        kept = (sessions, *(list(model.objects.values()) for model in (ApiKey, LogEntry)))
        assert all(kept)
        assert text not in str(kept)

    def test_a_reload_of_the_page_with_a_key_makes_no_other(self, client, db):
        caller = make_caller()
        url = reverse("admin:approvals_caller_issue_key", args=[caller.pk])
        once = re.findall(r'name="once" value="([\w-]+)"', client.get(url).content.decode())[0]
        data = {"label": "CI", "once": once}
        client.post(url, data)

        again = client.post(url, data, follow=True)

        assert again.redirect_chain == [(address(Caller, "change", caller.pk), 302)]
        assert "This key was issued already, and its text is shown only once." in text_of(again)
        assert "csk_" not in again.content.decode().replace(ApiKey.objects.get().prefix, "")
        client.post(url, {**data, "once": str(uuid4())})
        assert ApiKey.objects.count() == 2

    def test_a_key_needs_a_label_that_says_where_it_is_kept(self, client, db):
        url = reverse("admin:approvals_caller_issue_key", args=[make_caller().pk])

        response = client.post(url, {"label": "  "})

        assert "Please say where the key will be kept." in text_of(response)
        assert ApiKey.objects.count() == 0

    def test_the_list_says_where_keys_are_made(self, client, db):
        body = client.get(address(ApiKey, "changelist")).content.decode()

        assert "choose “Issue a key” there" in body
        assert f'href="{address(Caller, "changelist")}">callers' in body

    def test_keys_in_use_and_revoked_ones_are_told_apart(self, client, db):
        used, _ = ApiKey.objects.issue(make_caller(), "used")
        ended, _ = ApiKey.objects.issue(make_caller(), "ended")
        ApiKey.objects.filter(pk=ended.pk).revoke()

        for state, there, away in (("no", used, ended), ("yes", ended, used)):
            rows = text_of(client.get(address(ApiKey, "changelist"), {"revoked": state}))
            assert there.prefix in rows
            assert away.prefix not in rows

    def test_issuing_takes_its_own_permission(self, db):
        clerk = make_user(is_staff=True)
        clerk.user_permissions.add(Permission.objects.get(codename="change_caller"))
        caller = make_caller()
        url = reverse("admin:approvals_caller_issue_key", args=[caller.pk])

        assert as_person(clerk).post(url, {}).status_code == 403
        page = as_person(clerk).get(address(Caller, "change", caller.pk)).content.decode()
        assert "Issue a key" not in page
        assert ApiKey.objects.count() == 0

    def test_revoking_ends_a_key_at_once_and_once(self, client, db):
        key, _ = ApiKey.objects.issue(make_caller())
        data = {"action": "revoke", "_selected_action": [key.pk]}
        client.post(address(ApiKey, "changelist"), data)
        assert ApiKey.objects.usable().exists()

        data["confirmed"] = "yes"
        for count in (1, 0):
            response = client.post(address(ApiKey, "changelist"), data, follow=True)
            assert f"Revoked: {count}." in response.content.decode()

        assert not ApiKey.objects.usable().exists()

    def test_a_token_of_somebody_is_ended_and_never_shown(self, client, ana):
        token, text = PersonalToken.objects.issue(ana, "laptop")
        page = client.get(address(PersonalToken, "change", token.pk)).content.decode()
        assert text not in page
        assert token.digest not in page

        data = {"action": "revoke", "_selected_action": [token.pk], "confirmed": "yes"}
        client.post(address(PersonalToken, "changelist"), data)

        assert PersonalToken.objects.of(text) is None
        assert client.post(address(PersonalToken, "add"), {}).status_code == 403

    def test_a_caller_is_made_without_a_key(self, client):
        data = {"name": "New", "email": "Bot@Example.com", "projects": "12", "is_active": "on"}

        client.post(address(Caller, "add"), data)

        assert Caller.objects.get().email == "bot@example.com"
