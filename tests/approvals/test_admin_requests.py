"""What operators may do with approvals in the admin: ask somebody else, withdraw; stand-ins."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from approvals.models import Approval, Event, Policy, StandIn
from tests.approvals.reading import as_person, decide, text_of
from tests.factories import make_approval, make_group, make_staff, make_type, make_user

LIST = reverse("admin:approvals_approval_changelist")
CARL = "carl@example.com"


@pytest.fixture
def client(db):
    return as_person(make_staff())


@pytest.fixture
def carl(db):
    return make_user(CARL, last="Cruz")


@pytest.fixture
def left(ana, ben, eva):
    """Three requests that ask Ana, who has left; one asks Ben too."""
    approvals = [
        make_approval(title="First", approvers=["user:ana@example.com"]),
        make_approval(title="Second", approvers=["user:ana@example.com", "user:ben@example.com"]),
        make_approval(title="Third", approvers=["user:ben@example.com"]),
    ]
    ana.is_active = False
    ana.save()
    return approvals


def press(client, approvals, action, **given):
    data = {"action": action, "_selected_action": [str(each.pk) for each in approvals], **given}
    return client.post(LIST, data, follow=True)


def asked(approval):
    return sorted(str(each) for each in approval.approvers.current())


class TestNarrow:
    def test_states_and_types_are_called_as_in_the_inbox(self, client, left):
        make_type("expense", "user:ben@example.com")
        Policy.objects.update(title="Travel expense")
        make_approval(title="Fourth", type="expense", approvers=[])

        every = text_of(client.get(LIST))
        travel = text_of(client.get(LIST, {"type": "expense", "status": "pending"}))

        filters = every.partition("By state")[2]
        assert filters.startswith(
            " All Waiting Approved Rejected Sent back Expired Withdrawn Another answer By type"
        )
        assert "Travel expense" in filters
        assert "Fourth" in travel
        assert "First" not in travel
        assert "Fourth" not in text_of(client.get(LIST, {"status": "approved"}))


class TestAskSomebodyElse:
    GIVEN = {  # noqa: RUF012 - only read
        "confirmed": "yes",
        "instead_of": "user:ana@example.com",
        "to": CARL,
        "reason": "Ana has left",
    }

    def test_it_is_confirmed_on_a_page_first(self, client, left, carl):
        response = press(client, left, "ask_somebody_else")

        said = text_of(response) or response.content.decode()
        assert "In place of" in said
        assert "First" in said
        assert asked(left[0]) == ["user:ana@example.com"]

    def test_somebody_is_asked_in_place_of_one_who_has_left(self, client, left, carl):
        response = press(client, left, "ask_somebody_else", **self.GIVEN)

        assert "Carl Cruz is asked instead: 2." in response.content.decode()
        assert [asked(each) for each in left] == [
            [f"user:{CARL}"],
            ["user:ben@example.com", f"user:{CARL}"],
            ["user:ben@example.com"],
        ]
        told = Event.objects.filter(kind="handed_over")
        assert {event.actor for event in told} == {"user:olga@example.com"}
        assert {event.data["reason"] for event in told} == {"Ana has left"}

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"to": "nobody"}, "Nobody here has this name or address"),
            ({"to": ""}, "Please choose a colleague."),
            ({"reason": ""}, "Please say why"),
            ({"instead_of": "user:x@example.com"}, "not one of the available choices"),
        ],
    )
    def test_what_is_wrong_is_said_at_its_place(self, client, left, carl, changes, sentence):
        response = press(client, left, "ask_somebody_else", **(self.GIVEN | changes))

        assert response.status_code == 422
        assert sentence in response.content.decode()
        assert asked(left[0]) == ["user:ana@example.com"]

    def test_the_requester_cannot_be_asked_and_the_others_have_their_turn(
        self, client, ana, ben, carl
    ):
        his = make_approval(requested_by=CARL, approvers=["user:ana@example.com"], title="His")
        other = make_approval(approvers=["user:ana@example.com"], title="Other")

        body = press(client, [his, other], "ask_somebody_else", **self.GIVEN).content.decode()

        assert "His: Carl Cruz asked for this, and cannot decide it." in body
        assert asked(his) == ["user:ana@example.com"]
        assert asked(other) == [f"user:{CARL}"]

    def test_what_is_closed_is_left_alone(self, client, left, carl):
        for each in left:
            each.withdraw("x", actor="caller:x")

        response = press(client, left, "ask_somebody_else", **self.GIVEN)

        assert "None of these is open any more." in response.content.decode()

    def test_it_is_for_those_who_may(self, left, carl):
        reader = make_user(is_staff=True)
        reader.user_permissions.add(Permission.objects.get(codename="view_approval"))

        press(as_person(reader), left, "ask_somebody_else", **self.GIVEN)

        assert asked(left[0]) == ["user:ana@example.com"]
        page = as_person(reader).get(reverse("admin:approvals_approval_change", args=[left[0].pk]))
        assert "Ask somebody else" not in page.content.decode()


class TestWithdraw:
    def test_it_closes_with_a_reason_and_tells_the_workflow(self, client, left):
        assert "Withdraw" in press(client, left[:1], "withdraw").content.decode()
        press(client, left[:2], "withdraw", confirmed="yes", reason="The trip is off")

        for each in left:
            each.refresh_from_db()
        assert [each.status for each in left] == ["withdrawn", "withdrawn", "pending"]
        assert left[0].delivery.payload["outcome"] == "withdrawn"
        said = text_of(client.get(left[0].get_absolute_url()))
        assert "Olga withdrew the request" in said
        assert "The trip is off" in said

    def test_it_needs_a_reason(self, client, left):
        response = press(client, left[:1], "withdraw", confirmed="yes", reason="")

        assert response.status_code == 422
        left[0].refresh_from_db()
        assert left[0].status == "pending"

    def test_one_that_is_decided_meanwhile_stays_decided(self, client, ben, eva, monkeypatch):
        approval = make_approval(approvers=["user:ben@example.com"])
        withdraw = Approval.withdraw

        def late(self, *args, **options):
            decide(Approval.objects.get(pk=approval.pk), ben)
            withdraw(self, *args, **options)

        monkeypatch.setattr(Approval, "withdraw", late)
        body = press(client, [approval], "withdraw", confirmed="yes", reason="x").content.decode()

        assert "Ben Okafor answered “Approved”" in body
        approval.refresh_from_db()
        assert approval.status == "approved"


class TestWhoIsAsked:
    def test_a_group_shows_what_it_is_asked(self, client, managers):
        waiting, done = make_approval(title="Waiting"), make_approval(title="Done")
        done.withdraw("x", actor="caller:x")

        said = client.get(reverse("admin:auth_group_change", args=[managers.pk])).content.decode()

        assert reverse("admin:approvals_approval_change", args=[waiting.pk]) in said
        assert reverse("admin:approvals_approval_change", args=[done.pk]) not in said

    def test_a_person_shows_what_they_are_asked_by_name(self, client, left, ana):
        said = client.get(reverse("admin:approvals_user_change", args=[ana.pk])).content.decode()

        assert [each.title in said for each in left] == [True, True, False]

    def test_of_very_many_the_first_are_listed(
        self, client, managers, django_assert_max_num_queries
    ):
        for number in range(25):
            make_approval(title=f"Request {number}")

        with django_assert_max_num_queries(20):
            page = client.get(reverse("admin:auth_group_change", args=[managers.pk]))

        assert "and 5 more" in page.content.decode()


class TestStandIn:
    ADD = reverse("admin:approvals_standin_add")

    def given(self, user, colleague, **changes):
        now = timezone.localtime()
        day = {"0": "%Y-%m-%d", "1": "%H:%M:%S"}
        times = {"starts_at": now - timedelta(hours=1), "ends_at": now + timedelta(days=3)}
        sent = {
            f"{name}_{part}": at.strftime(form)
            for name, at in times.items()
            for part, form in day.items()
        }
        return {"user": user.pk, "colleague": colleague.pk, "reason": "Ill", **sent, **changes}

    def test_an_operator_makes_one_for_somebody_else(self, client, ana, ben):
        approval = make_approval(approvers=["user:ana@example.com"])
        response = client.post(self.ADD, self.given(ana, ben))

        assert response.status_code == 302, text_of(response)
        made = StandIn.objects.get()
        assert (made.user, made.colleague) == (ana, ben)
        assert made.created_by == "user:olga@example.com"
        assert approval.may_be_decided_by(ben)

    def test_nobody_stands_in_for_themselves_nor_backwards(self, client, ana, ben):
        client.post(self.ADD, self.given(ana, ana))
        client.post(self.ADD, self.given(ana, ben, ends_at_0="2020-01-01"))

        assert not StandIn.objects.exists()

    def test_one_is_ended_and_not_changed(self, client, ana, ben):
        client.post(self.ADD, self.given(ana, ben))
        made = StandIn.objects.get()
        page = reverse("admin:approvals_standin_change", args=[made.pk])
        assert client.post(page, self.given(ben, ana)).status_code == 403

        data = {"action": "end_now", "_selected_action": [made.pk], "confirmed": "yes"}
        client.post(reverse("admin:approvals_standin_changelist"), data)

        made.refresh_from_db()
        assert made.ended_at
        assert (made.user, made.colleague) == (ana, ben)

    def test_those_in_force_can_be_listed(self, client, ana, ben, carl):
        client.post(self.ADD, self.given(ana, ben))
        client.post(self.ADD, self.given(ana, carl))
        StandIn.objects.get(colleague=carl).end()

        found = {
            when: client.get(reverse("admin:approvals_standin_changelist"), {"when": when})
            for when in ("now", "coming", "over")
        }

        counted = {when: page.context["cl"].result_count for when, page in found.items()}
        assert counted == {"now": 1, "coming": 0, "over": 1}

    def test_it_is_for_those_who_may(self, ana, ben):
        reader = make_user(is_staff=True)
        reader.user_permissions.add(Permission.objects.get(codename="view_standin"))

        assert as_person(reader).post(self.ADD, self.given(ana, ben)).status_code == 403

    def test_groups_that_ask_nothing_say_so(self, client):
        group = make_group("idle")

        page = client.get(reverse("admin:auth_group_change", args=[group.pk]))

        assert "None." in page.content.decode()
