"""Whatever two do at the same moment, there is one outcome, one delivery, and a whole record."""

import itertools
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from approvals.models import (
    AlreadyClosed,
    AlreadyRegistered,
    Approval,
    CannotHandOver,
    Delivery,
    Event,
    NotYours,
    StandIn,
    Timer,
    TooLate,
    Vote,
)
from countersign.terms import TermsRefused
from tests.approvals.racing import assert_whole, at_once, fresh, kinds, queued
from tests.factories import make_approval, make_callback_url, make_group, make_type, make_user

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT: dict[str, Any] = {"type": "expense", "approvers": []}


@pytest.fixture
def people(transactional_db):
    return [make_user(f"{name}@example.com") for name in ("ana", "ben", "cleo", "dora", "olga")]


@pytest.fixture
def finance(people):
    return make_group("finance", *people[:3])


def ask(**fields):
    return make_approval(**{"approvers": ["group:finance"], **fields})


def voting(approval, person, outcome="approved"):
    """This person opens the page now, and answers when called."""
    opened = fresh(approval)

    def vote():
        opened.decide(outcome, by=person, revision=1, comment="Because.")
        return opened.status

    return vote


def again_and_again(act):
    """As the worker does it, around a moment."""
    return lambda: any(act() for _ in range(50))


def pass_by(approval):
    """Wait until its time is over."""
    left = (approval.expires_at - timezone.now()).total_seconds()
    time.sleep(max(left, 0) + 0.01)


@pytest.mark.usefixtures("finance")
class TestVoteAgainstVote:
    def test_the_last_two_votes_at_once_settle_once(self, people):
        approval = ask(votes_needed=2)
        fresh(approval).decide("approved", by=people[0], revision=1)

        one, two = queued(approval, voting(approval, people[1]), voting(approval, people[2]))

        assert {one, two} == {"approved", AlreadyClosed}
        assert assert_whole(approval).votes.count() == 2

    def test_both_votes_that_are_needed_at_once_settle_once(self, people):
        approval = ask(votes_needed=2)

        outcomes = queued(approval, voting(approval, people[1]), voting(approval, people[2]))

        assert sorted(outcomes) == ["approved", "pending"]
        closed = assert_whole(approval)
        assert closed.status == "approved"
        assert kinds(closed) == ["registered", "voted", "voted", "decided"]
        last = closed.events.last()
        assert last.actor == closed.decided_by.actor == closed.votes.last().user.actor

    def test_of_everybody_at_once_the_last_settles(self, people):
        approval = ask(votes_needed="everyone")

        outcomes = queued(approval, *(voting(approval, person) for person in people[:3]))

        assert sorted(outcomes) == ["approved", "pending", "pending"]
        assert assert_whole(approval).votes.count() == 3

    def test_approval_and_rejection_at_once_are_one_outcome(self, people):
        approval = ask()

        outcomes = queued(
            approval, voting(approval, people[0]), voting(approval, people[1], "rejected")
        )

        assert AlreadyClosed in outcomes
        assert assert_whole(approval).status in outcomes

    def test_a_person_who_clicks_twice_has_one_vote(self, people):
        approval = ask(votes_needed=2)

        outcomes = queued(approval, voting(approval, people[0]), voting(approval, people[0]))

        assert outcomes == ["pending", "pending"]
        assert assert_whole(approval).votes.count() == 1

    def test_a_double_click_is_not_a_vote_in_the_next_stage(self, people):
        stages = [{"approvers": ["user:ana@example.com"]}, {"approvers": ["group:finance"]}]
        approval = make_approval(approvers=[], stages=stages)

        outcomes = queued(approval, voting(approval, people[0]), voting(approval, people[0]))

        assert outcomes == ["pending", "pending"]
        assert assert_whole(approval).votes.count() == 1

    def test_a_person_and_their_stand_in_have_one_vote_together(self, people):
        ana, dora = people[0], people[3]
        approval = ask(votes_needed=2)
        day = timedelta(days=1)
        now = timezone.now()
        StandIn.objects.create(user=ana, colleague=dora, starts_at=now - day, ends_at=now + day)

        outcomes = queued(approval, voting(approval, ana), voting(approval, dora))

        assert outcomes.count("pending") == outcomes.count(NotYours) == 1
        assert assert_whole(approval).votes.get().principal == ana


CLOSERS = {
    "approve": lambda approval, people: voting(approval, people[0]),
    "reject": lambda approval, people: voting(approval, people[1], "rejected"),
    "withdraw": lambda approval, people: lambda: fresh(approval).withdraw("", actor="caller:x"),
    "expire": lambda approval, people: fresh(approval).expire,
    "settle": lambda approval, people: (
        lambda: fresh(approval).settle(timed_out=True, actor="caller:x")["outcome"]
    ),
    "supersede": lambda approval, people: (
        lambda: make_approval(approvers=["group:finance"], supersedes=str(approval.pk)).status
    ),
}


@pytest.mark.usefixtures("finance")
class TestClosing:
    @pytest.mark.parametrize(("first", "second"), [*itertools.permutations(CLOSERS, 2)], ids=str)
    def test_any_two_ways_to_close_it_close_it_once(self, people, first, second):
        approval = ask(expires_in=1) if "expire" in (first, second) else ask()
        acts = [CLOSERS[name](approval, people) for name in (first, second)]
        if first == "expire":
            pass_by(approval)
        between = 0.6 if second == "expire" else 0

        outcomes = queued(approval, *acts, between=between)

        closed = assert_whole(approval)
        assert closed.status != "pending"
        if "settle" in (first, second):
            assert outcomes[(first, second).index("settle")] == closed.status
        refused = [each for each in outcomes if isinstance(each, type)]
        assert set(refused) <= {AlreadyClosed}

    def test_at_the_very_deadline_vote_and_expiry_are_one_outcome(self, people):
        for _ in range(8):
            approval = ask(expires_in=1, on_expiry="rejected")
            vote = voting(approval, people[0])
            expire = fresh(approval).expire
            time.sleep((approval.expires_at - timezone.now()).total_seconds() - 0.003)

            voted, expired = at_once(vote, again_and_again(expire))

            closed = assert_whole(approval)
            assert (voted, expired) in (("approved", False), (AlreadyClosed, True))
            assert closed.status == ("rejected" if expired else "approved")


@pytest.mark.usefixtures("finance")
class TestVoteAgainstPassingOn:
    """Three votes are needed, so that a vote does not close it."""

    @pytest.fixture
    def approval(self, finance):
        return make_approval(
            approvers=["user:ana@example.com", "user:ben@example.com", "user:cleo@example.com"],
            votes_needed=3,
        )

    def handing_over(self, approval, people):
        return lambda: fresh(approval).hand_over(by=people[0], to=people[3], reason="Away")

    def reassigning(self, approval, people):
        approver = approval.approvers.get(user=people[0])
        operator = {"by": people[4], "reason": "Has left"}
        return lambda: fresh(approval).reassign(approver, to=people[3], **operator)

    @pytest.mark.parametrize("vote_first", [True, False])
    @pytest.mark.parametrize(
        ("way", "refusal"), [("handing_over", NotYours), ("reassigning", CannotHandOver)]
    )
    def test_who_passes_it_on_has_not_answered(self, approval, people, way, refusal, vote_first):
        acts = [voting(approval, people[0]), getattr(self, way)(approval, people)]
        acts = acts if vote_first else acts[::-1]

        outcomes = queued(approval, *acts)

        voted, passed = outcomes if vote_first else outcomes[::-1]
        assert (voted, passed) in (("pending", refusal), (NotYours, None))
        told = kinds(assert_whole(approval))
        assert told == ["registered", "voted" if passed else "handed_over"]
        asked = {str(each.user) for each in approval.approvers.current()}
        assert asked == ({"Ana", "Ben", "Cleo"} if passed else {"Ben", "Cleo", "Dora"})

    def test_it_is_passed_on_once(self, approval, people):
        outcomes = queued(
            approval, self.handing_over(approval, people), self.reassigning(approval, people)
        )

        assert sorted(outcomes, key=str)[1] is None
        assert kinds(assert_whole(approval)) == ["registered", "handed_over"]

    def test_passed_on_to_the_last_who_has_answered_it_is_settled(self, people):
        approval = ask(votes_needed="everyone")
        make_approval(approvers=["group:finance"])
        approval = make_approval(
            approvers=["user:ana@example.com", "user:ben@example.com"], votes_needed="everyone"
        )
        fresh(approval).decide("approved", by=people[1], revision=1)

        fresh(approval).hand_over(by=people[0], to=people[1], reason="You know better")

        assert assert_whole(approval).status == "approved"


@pytest.mark.usefixtures("finance")
class TestUndo:
    UNDO = 1

    @pytest.fixture
    def waiting(self, people):
        make_type("expense", "group:finance", undo=self.UNDO)
        approval = make_approval(**LIMIT)
        fresh(approval).decide("approved", by=people[0], revision=1)
        return fresh(approval)

    def taking_back(self, approval, people):
        opened = fresh(approval)
        return lambda: opened.take_back(by=people[0])

    def over(self, approval, *, but=0.0):
        left = (approval.settles_at - timezone.now()).total_seconds()
        time.sleep(max(left - but, 0))

    def test_what_was_taken_back_before_the_end_is_not_concluded(self, waiting, people):
        conclude = fresh(waiting).conclude

        outcomes = queued(waiting, self.taking_back(waiting, people), conclude, between=self.UNDO)

        told = kinds(assert_whole(waiting))
        assert outcomes in ([None, False], [TooLate, True])  # SQLite lets either go first
        assert told[-1] == ("decided" if outcomes[1] else "taken_back")
        assert Delivery.objects.exists() == outcomes[1]

    def test_at_the_very_end_it_is_taken_back_or_sent(self, people):
        make_type("expense", "group:finance", undo=self.UNDO)
        for _ in range(4):
            approval = make_approval(**LIMIT)
            fresh(approval).decide("approved", by=people[0], revision=1)
            approval = fresh(approval)
            conclude = fresh(approval).conclude
            self.over(approval, but=0.003)

            conclude = again_and_again(conclude)

            def send(conclude=conclude):
                done = conclude()
                claimed = Delivery.objects.claim_next()
                return done and claimed is not None and claimed.begin_attempt() is not None

            taken, sent = at_once(self.taking_back(approval, people), send)

            assert (taken, sent) in ((None, False), (TooLate, True))
            assert Delivery.objects.filter(approval=approval).exists() == sent
            assert_whole(approval)
            Delivery.objects.update(state="confirmed", next_attempt_at=None)

    def test_a_concluded_answer_is_concluded_once(self, waiting):
        self.over(waiting)

        outcomes = queued(waiting, fresh(waiting).conclude, fresh(waiting).conclude)

        assert sorted(outcomes) == [False, True]
        assert assert_whole(waiting).status == "approved"

    @pytest.mark.parametrize("expire_first", [True, False])
    def test_conclusion_and_expiry_at_once_are_the_answer_that_was_given(
        self, people, expire_first
    ):
        make_type("expense", "group:finance", undo=1, on_expiry="rejected")
        approval = make_approval(**LIMIT, expires_in=2)
        fresh(approval).decide("approved", by=people[0], revision=1)
        approval = fresh(approval)
        self.over(approval)
        pass_by(approval)
        acts = [fresh(approval).conclude, fresh(approval).expire]

        outcomes = queued(approval, *(acts[::-1] if expire_first else acts))

        assert sorted(outcomes) == [False, True]
        closed = assert_whole(approval)
        assert (closed.status, closed.decided_by) == ("approved", people[0])

    def test_who_looked_before_it_was_taken_back_settles_it(self, waiting, people):
        vote = voting(waiting, people[1], "rejected")
        fresh(waiting).take_back(by=people[0])

        vote()

        assert assert_whole(waiting).settles_as == "rejected"

    def test_who_concludes_does_so_with_what_is_settled_now(self, waiting, people):
        looked_before = fresh(waiting)
        fresh(waiting).take_back(by=people[0])
        fresh(waiting).decide("rejected", by=people[1], revision=1, comment="So")
        self.over(fresh(waiting))

        looked_before.conclude()

        closed = assert_whole(waiting)
        assert (closed.status, closed.decided_by) == ("rejected", people[1])

    def test_what_is_left_after_taking_one_back_may_still_be_enough(self, people):
        make_type("expense", "group:finance", undo=self.UNDO, votes_needed=2, reject_settles=False)
        approval = make_approval(**LIMIT)
        for person, outcome in zip(people, ("rejected", "approved", "approved"), strict=False):
            fresh(approval).decide(outcome, by=person, revision=1, comment="So")

        fresh(approval).take_back(by=people[0])

        assert assert_whole(approval).settles_as == "approved"


@pytest.mark.usefixtures("finance")
class TestTimers:
    @pytest.fixture
    def approval(self, people, finance):
        make_group("board", people[3])
        hours = {"escalate_after": 3600, "escalate_to": "group:board", "remind_after": [60]}
        make_type("expense", "group:finance", **hours)
        return make_approval(**LIMIT)

    def test_they_wait_while_an_answer_can_be_taken_back(self, people, approval):
        Approval.objects.update(undo=60)
        Timer.objects.update(due_at=timezone.now())
        voting(approval, people[0])()

        assert not Timer.objects.all().due().exists()
        fresh(approval).take_back(by=people[0])
        assert Timer.objects.all().due().count() == 2

    @pytest.mark.parametrize("kind", Timer.Kind.values)
    def test_one_rings_once(self, approval, kind):
        timer = Timer.objects.get(kind=kind)

        outcomes = queued(approval, timer.ring, Timer.objects.get(pk=timer.pk).ring)

        assert sorted(outcomes) == [False, True]
        assert len(kinds(assert_whole(approval))) == 2

    def test_a_group_that_is_gone_is_told_of_once(self, approval):
        Group.objects.filter(name="board").update(name="directors")

        assert Timer.objects.get(kind="escalate").ring()

        line = assert_whole(approval).events.last()
        assert line.kind == "escalated"
        assert "group:board" in line.data["failed"]
        assert not Timer.objects.get(kind="escalate").ring()

    @pytest.mark.parametrize("kind", Timer.Kind.values)
    @pytest.mark.parametrize("vote_first", [True, False])
    def test_nothing_rings_after_the_answer(self, approval, people, kind, vote_first):
        timer = Timer.objects.select_related("approval").get(kind=kind)
        acts = [voting(approval, people[0]), timer.ring]

        outcomes = queued(approval, *(acts if vote_first else acts[::-1]))

        closed = assert_whole(approval)
        rang = outcomes[1] if vote_first else outcomes[0]
        assert len(kinds(closed)) == (4 if rang else 3)
        assert closed.approvers.count() == (2 if rang and kind == "escalate" else 1)


@pytest.mark.usefixtures("finance")
class TestRegistering:
    def test_two_that_supersede_the_same_are_one(self):
        old = ask()

        outcomes = queued(old, *(self.asking_anew(old) for _ in range(2)))

        assert outcomes.count(TermsRefused) == 1
        assert Approval.objects.filter(supersedes=old).count() == 1
        assert assert_whole(old).status == "withdrawn"

    def test_at_once_too(self):
        for _ in range(5):
            old = ask()

            outcomes = at_once(*(self.asking_anew(old) for _ in range(4)))

            assert outcomes.count(TermsRefused) == 3
            assert_whole(old)

    def asking_anew(self, old):
        return lambda: ask(supersedes=str(old.pk)).status

    def test_two_addresses_of_one_execution_rearm_it_in_turn(self):
        urls = [make_callback_url(execution="e1") for _ in range(3)]
        approval = ask(callback_url=urls[0], key="e1/ask")

        def rearm(url):
            return lambda: ask(callback_url=url, key="e1/ask").pk

        assert queued(approval, rearm(urls[1]), rearm(urls[2])) == [approval.pk] * 2
        assert kinds(assert_whole(approval)) == ["registered", "rearmed", "rearmed"]
        assert fresh(approval).callback_url in urls[1:]

    def test_an_answer_to_the_page_from_before_counts_as_the_question_is_the_same(self, people):
        urls = [make_callback_url(execution="e1") for _ in range(2)]
        approval = ask(callback_url=urls[0], key="e1/ask")
        vote = voting(approval, people[0])
        ask(callback_url=urls[1], key="e1/ask")

        assert vote() == "approved"

        closed = assert_whole(approval)
        assert (closed.revision, closed.callback_url) == (1, urls[1])
        assert closed.votes.get().content_sha256 == closed.content_sha256

    def test_an_answer_to_a_question_that_was_replaced_does_not_count(self, people):
        old = ask()
        vote = voting(old, people[0])
        new = ask(supersedes=str(old.pk), title="Another amount")

        with pytest.raises(AlreadyClosed):
            vote()

        assert (assert_whole(old).status, fresh(new).votes.count()) == ("withdrawn", 0)

    def test_an_address_for_two_questions_at_once_is_for_one(self):
        for run in "abcdefgh":  # once, either may be through before the other begins
            first = ask(callback_url=make_callback_url(execution=run), key=f"{run}/ask")
            url = make_callback_url(execution=run)

            def ask_again(key, title, url=url):
                return lambda: ask(callback_url=url, key=key, title=title).status

            outcomes = at_once(
                ask_again(f"{run}/ask", first.title), ask_again(f"{run}/other", "Another")
            )

            assert outcomes.count(AlreadyRegistered) == 1
            assert_whole(first)

    def test_the_same_new_address_twice_rearms_once(self):
        first = ask(callback_url=make_callback_url(execution="e1"), key="e1/ask")
        url = make_callback_url(execution="e1")

        outcomes = queued(first, *(lambda: ask(callback_url=url, key="e1/ask").pk,) * 2)

        assert outcomes == [first.pk] * 2
        assert kinds(assert_whole(first)) == ["registered", "rearmed"]


@pytest.mark.usefixtures("finance")
class TestLines:
    def test_lines_that_are_written_at_once_have_a_place_each(self, people):
        approval = ask()

        def reported() -> None:
            Event.append(approval.pk, Event.Kind.REMINDED, "system")

        outcomes = queued(approval, reported, reported, reported)

        assert outcomes == [None, None, None]
        assert kinds(approval).count("reminded") == 3
        assert_whole(approval)


@pytest.mark.usefixtures("finance")
class TestDeliveries:
    def test_confirming_and_delivering_again_at_once_keep_the_record(self, people):
        approval = ask()
        fresh(approval).decide("approved", by=people[0], revision=1)
        delivery = Delivery.objects.get()

        queued(
            approval,
            lambda: fresh(approval).settle(timed_out=False, actor="caller:x"),
            lambda: delivery.requeue(actor="user:olga@example.com"),
            lambda: fresh(approval).settle(timed_out=True, actor="caller:x"),
        )

        approval = fresh(approval)
        told = kinds(approval)
        assert told.count("confirmed") in (1, 2)
        assert Delivery.objects.get().state in ("confirmed", "unknown")
        assert Vote.objects.count() == 1
