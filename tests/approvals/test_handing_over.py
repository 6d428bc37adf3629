"""Who is asked instead: handing over to a colleague, and what an operator may change."""

import pytest

from approvals.models import Approval, CannotHandOver, NotYours
from approvals.models.question import NOBODY
from tests.approvals.test_voting import answer, kinds, stand_in
from tests.factories import make_approval, make_group, make_user

pytestmark = pytest.mark.django_db


class TestHandOver:
    def test_the_colleague_decides_and_the_giver_does_not(self, people):
        ana, ben, _ = people
        approval = make_approval(approvers=["user:ana@example.com"])

        approval.hand_over(by=ana, to=ben, reason="on leave")

        with pytest.raises(NotYours):
            answer(approval, ana)
        assert answer(approval, ben).status == "approved"
        assert kinds(approval) == ["registered", "handed_over", "voted", "decided"]

    def test_never_to_the_requester_and_never_by_them(self, people):
        ana, ben, _ = people
        make_group("finance", ana, ben)
        approval = make_approval(approvers=["group:finance"], requested_by="ben@example.com")

        with pytest.raises(CannotHandOver):
            approval.hand_over(by=ana, to=ben, reason="")
        with pytest.raises(NotYours):
            approval.hand_over(by=ben, to=make_user("dora@example.com"), reason="")

    def test_by_a_stand_in_it_is_the_right_of_their_colleague_that_goes(self, people):
        ana, ben, cleo = people
        stand_in(ana, ben)
        make_user("dora@example.com")
        asked = ["user:ana@example.com", "user:dora@example.com"]
        approval = make_approval(approvers=asked, votes_needed=2)

        approval.hand_over(by=ben, to=cleo, reason="knows it")

        for giver in (ana, ben):
            with pytest.raises(NotYours):
                answer(approval, giver)
        assert answer(approval, cleo).status == "pending"
        assert approval.events.get(kind="handed_over").data["from"] == "Ana"

    def test_one_of_a_group_brings_in_no_votes_beside_the_groups(self, people, finance):
        approval = make_approval(approvers=["group:finance"], votes_needed=2)

        with pytest.raises(CannotHandOver):
            approval.hand_over(by=people[0], to=make_user("dora@example.com"), reason="a friend")

        assert kinds(approval) == ["registered"]
        assert approval.approvers.count() == 1

    def test_nor_does_one_who_is_asked_by_name_as_well(self, people, finance):
        ana, *_ = people
        asked = ["user:ana@example.com", "group:finance"]
        approval = make_approval(approvers=asked, votes_needed=2)

        with pytest.raises(CannotHandOver):
            approval.hand_over(by=ana, to=make_user("zoe@example.com"), reason="a friend")

        assert approval.may_be_decided_by(ana)
        assert approval.asked_now().count() == 2

    @pytest.mark.parametrize("asked", ["user:ben@example.com", "group:bens"])
    def test_it_leaves_enough_people_to_decide(self, people, asked):
        ana, ben, _ = people
        make_group("bens", ben)
        approval = make_approval(approvers=["user:ana@example.com", asked], votes_needed=2)

        with pytest.raises(CannotHandOver, match="one person has one vote"):
            approval.hand_over(by=ana, to=ben, reason="he knows")

        answer(approval, ana)
        assert answer(approval, ben).status == "approved"

    def test_among_several_it_may_be_somebody_who_is_asked(self, people):
        ana, ben, cleo = people
        asked = [f"user:{each.email}" for each in people]
        approval = make_approval(approvers=asked, votes_needed=2)

        approval.hand_over(by=ana, to=ben, reason="he knows")

        answer(approval, ben)
        assert answer(approval, cleo).status == "approved"

    def test_it_never_comes_back_through_a_stand_in(self, people):
        ana, ben, cleo = people
        stand_in(cleo, ana, ends=1)
        stand_in(cleo, ben, ends=3)
        approval = make_approval(approvers=["user:ana@example.com"])

        with pytest.raises(CannotHandOver, match="come back to you"):
            approval.hand_over(by=ana, to=cleo, reason="away")


class TestNobody:
    """Too few are left who could answer, as operators are told."""

    def test_whoever_has_answered_and_left_still_counts(self, people, finance):
        ana, ben, cleo = people
        finance.user_set.remove(cleo)
        approval = answer(make_approval(approvers=["group:finance"], votes_needed=2), ana)
        ana.is_active = False
        ana.save()

        assert not Approval.objects.nobodys().exists()
        assert approval.trouble == ""
        assert answer(approval, ben).status == "approved"

    def test_whoever_has_left_without_an_answer_is_missed(self, people, finance):
        ana, ben, _ = people
        approval = answer(make_approval(approvers=["group:finance"], votes_needed=3), ana)
        finance.user_set.remove(ben)

        assert Approval.objects.nobodys().get() == approval
        assert approval.trouble == NOBODY

    @pytest.mark.parametrize("votes", [1, "everyone"])
    def test_nor_is_the_requester_anybody_whatever_tag_is_in_the_address(self, votes):
        make_user("eva+work@example.com")
        approval = make_approval(
            approvers=["user:eva+work@example.com"],
            votes_needed=votes,
            requested_by="eva@example.com",
        )

        assert Approval.objects.nobodys().get() == approval

    def test_whom_everybody_left_has_outvoted_is_not_among_them(self, people, finance):
        ana, *others = people
        approval = make_approval(approvers=["group:finance"], votes_needed="everyone")
        answer(approval, ana)
        finance.user_set.remove(*others)

        assert not Approval.objects.nobodys().exists()
        assert approval.settle_left()


class TestReassign:
    def test_an_operator_does_not_choose_who_decides_their_own_request(self, people):
        ana, ben, cleo = people
        approval = make_approval(
            approvers=["user:ana@example.com"], requested_by="Cleo+x@example.com"
        )
        approver = approval.approvers.get()

        with pytest.raises(CannotHandOver):
            approval.reassign(approver, to=ben, by=cleo, reason="a friend")

        assert approval.may_be_decided_by(ana)
        assert not approval.may_be_decided_by(ben)

    def test_an_operator_replaces_somebody_who_has_left(self, people):
        ana, ben, cleo = people
        approval = make_approval(approvers=["user:ana@example.com"])
        ana.is_active = False
        ana.save()
        assert Approval.objects.all().nobodys().get() == approval

        approver = approval.approvers.get()
        approval.reassign(approver, to=ben, by=cleo, reason="Ana has left")

        assert not Approval.objects.all().nobodys().exists()
        assert answer(approval, ben).status == "approved"

    def test_they_give_it_neither_to_themselves_nor_to_whom_they_stand_in_for(self, people):
        ana, ben, cleo = people
        stand_in(ben, cleo)
        approval = make_approval(approvers=["user:ana@example.com"])

        for to in (cleo, ben):
            with pytest.raises(CannotHandOver):
                approval.reassign(approval.approvers.get(), to=to, by=cleo, reason="Left")

        assert approval.may_be_decided_by(ana)
        assert not approval.may_be_decided_by(cleo)
