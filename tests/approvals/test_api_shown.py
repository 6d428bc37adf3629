"""What the API shows of an approval: stages, votes, versions, and what came before and after."""

from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.models import Approval, Policy
from tests.approvals.calling import URL
from tests.approvals.tokens import ACCOUNT
from tests.factories import make_approval, make_caller, make_group, make_user

STAGES = [
    {"name": "Check", "approvers": ["group:managers"], "votes_needed": "everyone"},
    {"name": "Release", "approvers": ["user:cleo@example.com"]},
]
FORM = {"type": "object", "properties": {"note": {"type": "string"}}}


@pytest.fixture
def cleo(db):
    return make_user("cleo@example.com", first="Cleo")


@pytest.fixture
def staged(caller, cleo):
    return make_approval(caller=caller, stages=STAGES, approvers=[])


class TestStages:
    def test_each_says_how_far_it_is(self, api, staged, ana, ben, cleo):
        def told():
            body = api.get(f"{URL}/{staged.pk}").json()
            stages = [(each["state"], each["votes_cast"]) for each in body["stages"]]
            return body["stage"], stages

        assert told() == (1, [("open", 0), ("later", 0)])
        staged.decide("approved", by=ana, revision=1)
        assert told() == (1, [("open", 1), ("later", 0)])
        staged.decide("approved", by=ben, revision=1)
        assert told() == (2, [("done", 2), ("open", 0)])
        staged.decide("approved", by=cleo, revision=2)
        assert told() == (2, [("done", 2), ("done", 1)])

    def test_a_stage_that_was_never_asked_is_left_out(self, api, staged, ana):
        staged.decide("rejected", by=ana, revision=1, comment="No.")

        stages = api.get(f"{URL}/{staged.pk}").json()["stages"]
        assert [stage["state"] for stage in stages] == ["done", "left out"]

    def test_they_say_who_why_and_how_many(self, api, staged):
        check, release = api.get(f"{URL}/{staged.pk}").json()["stages"]

        assert (check["name"], check["votes_needed"]) == ("Check", "everyone")
        assert (release["number"], release["votes_needed"]) == (2, 1)
        assert release["approvers"] == [
            {
                "approver": "user:cleo@example.com",
                "name": "Cleo",
                "why": "Named in the request",
            }
        ]

    def test_who_has_handed_over_is_not_asked_any_more(self, api, managers, ana, ben):
        caller = make_caller(ACCOUNT)
        approval = make_approval(caller=caller, approvers=["user:ana@example.com"])
        approval.hand_over(by=ana, to=ben, reason="On leave")

        told = api.get(f"{URL}/{approval.pk}").json()
        assert told["approvers"] == ["user:ben@example.com"]
        assert "On leave" in told["stages"][0]["approvers"][0]["why"]


class TestVotes:
    def test_they_are_told_while_it_is_open(self, api, caller, managers, ana):
        approval = make_approval(caller=caller, votes_needed=2, form=FORM)
        approval.decide("approved", by=ana, revision=1, comment="Ok.", form={"note": "x"})

        told = api.get(f"{URL}/{approval.pk}").json()
        (vote,) = told["votes"]
        assert {name: vote[name] for name in vote if name != "at"} == {
            "email": "ana@example.com",
            "on_behalf_of": None,
            "stage": 1,
            "outcome": "approved",
            "comment": "Ok.",
            "form": {"note": "x"},
        }
        assert (told["form"], told["prefill"]) == (FORM, {})

    def test_one_that_was_taken_back_is_not(self, api, caller, managers, ana):
        approval = make_approval(caller=caller, votes_needed=2)
        Approval.objects.update(undo=60)
        approval.refresh_from_db()
        approval.decide("approved", by=ana, revision=1)
        approval.take_back(by=ana)

        told = api.get(f"{URL}/{approval.pk}").json()
        assert (told["votes"], told["stages"][0]["votes_cast"]) == ([], 0)


class TestTypes:
    def test_the_version_stays_the_one_it_was_asked_under(self, api, caller, managers):
        policy = Policy.objects.create(name="payment", title="Payment")
        stages = [{"approvers": ["group:managers"]}]
        after = {"escalate_after": 3600, "escalate_to": "group:managers"}
        policy.revise("admin", stages=stages, **after)
        approval = make_approval(caller=caller, type="payment", approvers=[])
        policy.revise("admin", stages=stages, priority="high")

        told = api.get(f"{URL}/{approval.pk}").json()

        assert (told["type"], told["type_version"]) == ("payment", 1)
        (escalation,) = told["escalations"]
        assert (escalation["to"], escalation["done_at"]) == ("group:managers", None)
        approval.timers.get().ring()
        assert api.get(f"{URL}/{approval.pk}").json()["escalations"][0]["done_at"]


class TestSupersede:
    def test_both_name_each_other(self, api, caller, managers):
        old = make_approval(caller=caller)
        new = make_approval(caller=caller, supersedes=str(old.pk))

        before, after = (api.get(f"{URL}/{each.pk}").json() for each in (old, new))
        assert (before["status"], before["superseded_by"]) == ("withdrawn", str(new.pk))
        assert (after["supersedes"], after["superseded_by"]) == (str(old.pk), None)


class TestQueries:
    @pytest.mark.usefixtures("managers", "cleo")
    def test_a_full_page_needs_no_more_than_a_short_one(
        self, api, ana, ben, django_assert_num_queries
    ):
        caller = api.caller
        make_group("others", make_user(), make_user())
        counts = []
        for _ in range(2):
            for _ in range(12):
                staged = make_approval(caller=caller, stages=STAGES, approvers=[])
                staged.decide("approved", by=ana, revision=1)
                other = make_approval(caller=caller, approvers=["group:others", "group:managers"])
                other.decide("approved", by=ben, revision=1)
                make_approval(caller=caller, supersedes=str(other.pk))
            with django_assert_num_queries(9) as counted:
                assert len(api.get(URL).json()["approvals"]) >= 36
            counts.append(len(counted))

        assert counts[0] == counts[1]

    def test_filters_and_cursors_go_together(self, api, caller, managers):
        for number in range(60):
            make_approval(caller=caller, type="even" if number % 2 else "odd")
        Approval.objects.update(created_at=timezone.now() - timedelta(days=1))

        first = api.get(f"{URL}?type=even").json()
        assert len(first["approvals"]) == 30
        page = api.get(URL).json()
        rest = api.get(f"{URL}?cursor={page['next_cursor']}&type=even").json()
        seen = [row["id"] for row in (*page["approvals"], *rest["approvals"])]
        assert len(seen) == len(set(seen))
