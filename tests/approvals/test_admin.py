"""The operators' pages: people and callers are kept here, the record only read."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group, Permission
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
from tests.approvals.reading import as_person, counts, decide, text_of
from tests.factories import make_approval, make_caller, make_staff, make_user

RECORD = (Approval, Attempt, ApiKey, Delivery, Event, Vote)


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def olga(db):
    return make_staff()


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


class TestDeliverAgain:
    def press(self, client, delivery, **confirmed):
        data = {"action": "deliver_again", "_selected_action": [delivery.pk], **confirmed}
        return client.post(address(Delivery, "changelist"), data, follow=True)

    def test_it_queues_the_delivery_and_says_who_did(self, client, decided):
        asked = self.press(client, decided.delivery)
        assert "It is looked up first whether Google has them already" in text_of(asked)
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

    def test_what_the_workflow_has_is_left_alone(self, client, decided):
        Delivery.confirm(decided.pk, actor="caller:x")

        response = self.press(client, decided.delivery, confirmed="yes")

        assert "Left alone, the workflow has it: 1." in response.content.decode()
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
        assert (response.status_code, response["Location"]) == (302, url)
        page = client.get(url).content.decode()
        assert "csk_" not in client.get(url).content.decode()  # a reload

        text = re.findall(r"csk_[\w-]+", page)[0]
        key = ApiKey.objects.get()
        assert (key.caller, key.label, key.prefix) == (caller, "CI", text[:10])
        for model, pk in ((Caller, caller.pk), (ApiKey, key.pk)):
            later = client.get(address(model, "change", pk)).content.decode()
            assert text not in later
            assert key.digest not in later

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


class TestPeople:
    def test_a_person_is_added_by_address_and_can_sign_in(self, client):
        data = {
            "email": "New.Person@Example.com",
            "first_name": "New",
            "last_name": "Person",
            "usable_password": "true",
            "password1": "correct horse battery",
            "password2": "correct horse battery",
        }

        response = client.post(address(User, "add"), data)

        person = User.objects.get(email="new.person@example.com")
        assert response.status_code == 302
        assert person.check_password("correct horse battery")

    def test_one_address_is_one_person(self, client, ana):
        data = {"email": "ANA@example.com", "usable_password": "false"}

        response = client.post(address(User, "add"), data)

        assert "already exists" in response.content.decode()

    def test_people_are_made_inactive_never_deleted(self, client, ana):
        assert client.post(address(User, "delete", ana.pk), {"post": "yes"}).status_code == 403

        body = client.get(address(User, "change", ana.pk)).content.decode()

        assert 'name="is_active"' in body
        assert 'name="username"' not in body

    def test_a_group_is_kept_with_its_members(self, client, ana):
        data = {
            "name": "finance",
            "User_groups-TOTAL_FORMS": "1",
            "User_groups-INITIAL_FORMS": "0",
            "User_groups-0-user": str(ana.pk),
        }

        client.post(address(Group, "add"), data)

        group = Group.objects.get(name="finance")
        assert list(group.user_set.all()) == [ana]
        page = client.get(address(Group, "change", group.pk)).content.decode()
        assert "ana@example.com" in page
        assert "User_groups object" not in page

    def test_counts_of_the_record_never_change_here(self, client, decided):
        before = counts()

        client.get("/admin/")

        assert counts() == before


class TestRights:
    """What staff with single permissions cannot give to themselves or to others."""

    @pytest.fixture
    def clerk(self, db):
        return self.allow(make_user("clerk@example.com", is_staff=True), "view_user", "change_user")

    def allow(self, person, *names):
        person.user_permissions.add(*Permission.objects.filter(codename__in=names))
        return person

    def save(self, by, person, **fields):
        """Send the form of this person with all that could be in it."""
        sent = {
            "email": person.email,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "is_active": "on",
            **fields,
        }
        return as_person(by).post(address(User, "change", person.pk), sent)

    def test_a_clerk_keeps_names_addresses_and_passwords_of_people(self, clerk, ana):
        assert self.save(clerk, ana, first_name="Anna", email="anna@example.com").status_code == 302

        url = reverse("admin:auth_user_password_change", args=[ana.pk])
        new = {"usable_password": "true", "password1": "a new secret", "password2": "a new secret"}
        assert as_person(clerk).post(url, new).status_code == 302

        ana.refresh_from_db()
        assert (ana.first_name, ana.email) == ("Anna", "anna@example.com")
        assert ana.check_password("a new secret")

    def test_a_clerk_gives_nobody_rights(self, clerk, ana):
        group = Group.objects.create(name="finance")
        everything = list(Permission.objects.values_list("pk", flat=True))
        rights = {"is_staff": "on", "is_superuser": "on", "user_permissions": everything}

        for person in (clerk, ana):
            before = set(person.get_all_permissions()), person.is_staff
            assert self.save(clerk, person, groups=[group.pk], **rights).status_code == 302

            after = User.objects.get(pk=person.pk)
            assert (set(after.get_all_permissions()), after.is_staff) == before
            assert not after.is_superuser
            assert not after.groups.exists()

    @pytest.mark.parametrize(("staff", "superuser"), [(True, True), (False, True), (True, False)])
    def test_a_clerk_cannot_become_somebody_with_more_rights(self, clerk, staff, superuser):
        boss = make_user("boss@example.com", is_staff=staff, is_superuser=superuser)
        password = reverse("admin:auth_user_password_change", args=[boss.pk])
        new = {"usable_password": "true", "password1": "a new secret", "password2": "a new secret"}

        assert self.save(clerk, boss, email="clerk2@example.com").status_code == 403
        assert as_person(clerk).get(password).status_code == 403
        assert as_person(clerk).post(password, new).status_code == 403

        after = User.objects.get(pk=boss.pk)
        assert (after.email, after.password) == (boss.email, boss.password)
        page = as_person(clerk).get(address(User, "change", boss.pk))
        assert page.status_code == 200
        assert boss.password not in page.content.decode()

    def test_who_keeps_the_groups_also_says_who_is_in_them(self, clerk, ana):
        group = Group.objects.create(name="finance")
        self.allow(clerk, "change_group")

        self.save(clerk, ana, groups=[group.pk])

        assert list(group.user_set.all()) == [ana]

    def test_who_keeps_the_groups_joins_none_with_more_rights(self, clerk):
        group = Group.objects.create(name="admins")
        group.permissions.add(Permission.objects.get(codename="change_approval"))
        self.allow(clerk, "change_group", "view_group")
        clerk = User.objects.get(pk=clerk.pk)
        sent = {
            "name": "admins",
            "User_groups-TOTAL_FORMS": "1",
            "User_groups-INITIAL_FORMS": "0",
            "User_groups-0-user": str(clerk.pk),
        }

        assert self.save(clerk, clerk, groups=[group.pk]).status_code == 302
        assert as_person(clerk).post(address(Group, "change", group.pk), sent).status_code == 403

        assert not clerk.groups.exists()
        sent["name"] = "finance"
        finance = Group.objects.create(name="finance")
        as_person(clerk).post(address(Group, "change", finance.pk), sent)
        assert list(clerk.groups.all()) == [finance]

    def test_who_keeps_the_groups_gives_them_no_permissions(self, clerk):
        group = Group.objects.create(name="finance")
        self.allow(clerk, "change_group", "view_group")
        everything = list(Permission.objects.values_list("pk", flat=True))
        forms = {"User_groups-TOTAL_FORMS": "0", "User_groups-INITIAL_FORMS": "0"}
        sent = {"name": "accounts", "permissions": everything, **forms}

        assert as_person(clerk).post(address(Group, "change", group.pk), sent).status_code == 302

        group.refresh_from_db()
        assert (group.name, group.permissions.count()) == ("accounts", 0)

    def test_members_are_not_changed_by_those_who_may_only_look_at_groups(self, clerk, ana):
        group = Group.objects.create(name="finance")
        self.allow(clerk, "view_group")
        sent = {
            "name": "finance",
            "User_groups-TOTAL_FORMS": "1",
            "User_groups-INITIAL_FORMS": "0",
            "User_groups-0-user": str(ana.pk),
        }

        assert as_person(clerk).post(address(Group, "change", group.pk), sent).status_code == 403
        assert not group.user_set.exists()

    def test_a_superuser_gives_all_of_them(self, olga, ana):
        group = Group.objects.create(name="finance")
        permission = Permission.objects.get(codename="view_approval")
        rights = {"is_staff": "on", "is_superuser": "on", "user_permissions": [permission.pk]}

        assert self.save(olga, ana, groups=[group.pk], **rights).status_code == 302

        ana.refresh_from_db()
        assert ana.is_staff
        assert ana.is_superuser
        assert list(ana.groups.all()) == [group]
        assert list(ana.user_permissions.all()) == [permission]
