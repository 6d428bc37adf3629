"""What the page of an approval says of its people: why me, who else, how far, which stage."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.models import Approval, Policy, StandIn, User
from tests.approvals.reading import as_person, decide, pages, send, text_of
from tests.factories import make_approval, make_group, make_staff, make_user


@pytest.fixture
def cleo(db):
    return make_user("cleo@example.com", first="Cleo", last="Park")


@pytest.fixture
def finance(cleo):
    return make_group("finance", cleo)


def page(user, approval):
    return text_of(as_person(user).get(approval.get_absolute_url()))


class TestWhy:
    def test_the_rule_of_the_type_that_chose_me_is_said(self, managers, finance, ana, cleo, eva):
        policy = Policy.objects.create(name="payment", title="Supplier payment")
        rule = {"field": "Amount", "operator": ">", "value": 1000, "approvers": ["group:finance"]}
        stages = [{"name": "", "approvers": ["group:managers"], "votes_needed": 1}]
        policy.revise("user:olga@example.com", stages=stages, rules=[rule])
        large = make_approval(type="payment", approvers=[], fields={"Amount": 5000})
        small = make_approval(type="payment", approvers=[], fields={"Amount": 5})

        assert "Why Supplier payment: Amount &gt; 1000" in page(cleo, large)
        assert "Why Named in the type “Supplier payment”" in page(ana, small)

    def test_the_title_of_the_type_stands_there_and_not_its_name(self, managers, ana):
        policy = Policy.objects.create(name="payment", title="Supplier payment")
        stages = [{"name": "", "approvers": ["group:managers"], "votes_needed": 1}]
        policy.revise("user:olga@example.com", stages=stages)
        approval = make_approval(type="payment", approvers=[])

        assert "Supplier payment" in page(ana, approval)
        assert "Supplier payment" in text_of(as_person(ana).get("/"))

    def test_who_stands_in_reads_for_whom_and_until_when(self, managers, ana, cleo, eva):
        until = timezone.now() + timedelta(days=3)
        StandIn.objects.create(
            user=ana,
            colleague=cleo,
            starts_at=timezone.now(),
            ends_at=until,
            created_by=ana.actor,
        )
        approval = make_approval()

        said = page(cleo, approval)

        assert "Acting for Ana Almeida, who is away until" in said
        assert "Who else Ana Almeida, Ben Okafor" in said
        assert "(you" not in said.partition("Workflow")[0]
        assert "for Ana Almeida" in text_of(as_person(cleo).get("/"))

    def test_ones_own_right_comes_before_that_of_a_colleague(self, approval, ana, ben):
        now = timezone.now()
        StandIn.objects.create(
            user=ana,
            colleague=ben,
            starts_at=now,
            ends_at=now + timedelta(days=1),
            created_by="x",
        )

        assert "Acting for" not in page(ben, approval)
        assert "for Ana" not in text_of(as_person(ben).get("/"))

    def test_no_stand_in_decides_what_their_principal_asked(self, approval, eva, cleo):
        now = timezone.now()
        StandIn.objects.create(
            user=eva,
            colleague=cleo,
            starts_at=now,
            ends_at=now + timedelta(days=1),
            created_by="x",
        )

        client = as_person(cleo)
        assert client.get(approval.get_absolute_url()).status_code == 404
        assert send(client, approval).status_code == 404


class TestProgress:
    def test_all_involved_see_who_may_and_who_has(self, managers, ana, ben, eva, cleo):
        make_group("board", cleo)
        approval = make_approval(approvers=["group:managers", "group:board"], votes_needed=2)
        assert "Waiting for you and one more 0 of 2 answers" in page(ana, approval)
        assert "Who else Ben Okafor, Cleo Park" in page(ana, approval)
        send(as_person(ana), approval)

        for person in (ben, eva, make_staff()):
            said = page(person, approval)
            assert "1 of 2 answers" in said
            assert "Answered Ana Almeida: Approved" in said
        assert "Who else Cleo Park" in page(ben, approval)
        assert "Who decides Ben Okafor, Cleo Park" in page(eva, approval)
        mine = page(ana, approval)
        assert "You answered “Approved” 1 of 2 answers so far" in mine
        waiting = text_of(as_person(ana).get("/?tab=waiting"))
        assert "You: Approved 1 of 2" in waiting
        receipt = text_of(as_person(ana).get(pages(approval)["receipt"]))
        assert "Waiting for others. 1 of 2 answers so far." in receipt

    def test_everyone_is_counted(self, managers, ana, ben, eva):
        approval = make_approval(votes_needed="everyone")
        send(as_person(ana), approval)

        assert "1 of 2 answers" in page(ben, approval)
        assert "1 of 2" in text_of(as_person(ben).get("/"))

    def test_a_stand_in_is_counted_in_place_of_their_colleague(self, managers, ana, ben, cleo):
        now = timezone.now()
        StandIn.objects.create(
            user=ana, colleague=cleo, starts_at=now, ends_at=now + timedelta(days=1), created_by="x"
        )
        approval = make_approval(votes_needed="everyone")
        send(as_person(cleo), approval)

        assert "Waiting for your answer 1 of 2 answers" in page(ben, approval)
        assert "1 of 2" in text_of(as_person(ben).get("/"))
        assert send(as_person(ben), approval).status_code == 303
        assert Approval.objects.get(pk=approval.pk).status == "approved"

    def test_where_nobody_else_may_it_says_so(self, ana, eva):
        alone = make_approval(approvers=["user:ana@example.com"])

        assert "Who else Nobody else" in page(ana, alone)
        assert "Who decides Ana Almeida" in page(eva, alone)

    def test_of_very_many_some_are_named(self, eva, ana):
        make_group("all", ana, *(make_user(f"p{n:02}@example.com") for n in range(15)))

        assert "P11 and 3 more" in page(ana, make_approval(approvers=["group:all"]))

    def test_a_second_answer_of_mine_is_explained(self, managers, ana, eva):
        approval = make_approval(votes_needed=2)
        send(as_person(ana), approval)

        response = send(as_person(ana), approval, "rejected", comment="No")

        assert response.status_code == 409
        assert "You have answered this request already" in text_of(response)


class TestStages:
    @pytest.fixture
    def staged(self, managers, finance, eva):
        stages = [
            {"name": "Team lead", "approvers": ["group:managers"], "votes_needed": 1},
            {"name": "Money", "approvers": ["group:finance"], "votes_needed": 1},
        ]
        return make_approval(approvers=[], stages=stages)

    def test_the_present_one_is_marked(self, staged, ana, cleo):
        client = as_person(ana)
        said = text_of(client.get(staged.get_absolute_url()))
        assert "Stages Team lead (managers) now Money (finance)" in said
        send(client, staged)

        response = as_person(cleo).get(staged.get_absolute_url())

        assert "Stages Team lead (managers) done Money (finance) now" in text_of(response)
        assert response.content.decode().count('aria-current="step"') == 1
        assert "Who is asked finance (you are a member)" in text_of(response)
        receipt = text_of(client.get(pages(staged)["receipt"]))
        assert "Waiting for others. Your stage has agreed. Next: Money." in receipt
        assert "Your stage has agreed. Next: Money." in page(ana, staged)

    def test_the_receipt_counts_the_answers_of_the_next_stage_as_that_stages(
        self, managers, finance, ana, eva
    ):
        stages = [
            {"name": "Team lead", "approvers": ["group:managers"]},
            {"name": "Money", "approvers": ["group:finance"], "votes_needed": 2},
        ]
        approval = make_approval(approvers=[], stages=stages)
        client = as_person(ana)
        send(client, approval)

        receipt = text_of(client.get(pages(approval)["receipt"]))

        assert "Next: Money, with 0 of 2 answers so far." in receipt

    def test_who_has_not_decided_it_reads_that_they_answered(self, managers, ana, ben, eva):
        approval = make_approval(votes_needed=2)
        first, second = as_person(ana), as_person(ben)

        send(first, approval)
        assert "Answered by Ana Almeida" in text_of(first.get(pages(approval)["receipt"]))
        send(second, approval)

        assert "Answered by Ana Almeida" in text_of(first.get(pages(approval)["receipt"]))
        assert "Decided by Ben Okafor" in text_of(second.get(pages(approval)["receipt"]))

    def test_who_is_asked_later_reads_but_does_not_decide_yet(self, staged, cleo):
        assert "Others were asked to decide it" in page(cleo, staged)
        assert send(as_person(cleo), staged).status_code == 403

    def test_when_it_ends_no_stage_is_now(self, staged, ana, cleo):
        send(as_person(ana), staged, "rejected", comment="No")

        said = page(cleo, staged)

        assert "Stages Team lead (managers) done Money (finance) Rejected by Ana Almeida" in said

    def test_a_single_stage_is_not_worth_a_list(self, approval, ana):
        assert "Stages" not in page(ana, approval)


class TestChanges:
    @pytest.fixture
    def again(self, managers, eva, ana):
        old = make_approval(
            title="Onboard Müller",
            fields={"IBAN": "DE1", "Limit": 5, "Same": "x", "Gone": "y"},
            summary="Please.",
        )
        decide(old, by=ana, outcome="rejected", comment="Wrong IBAN")
        return old, make_approval(
            title="Onboard Müller",
            fields={"IBAN": "DE2", "Limit": 5, "Same": "x", "New": "z"},
            summary="Please once more.",
            supersedes=str(old.pk),
        )

    def test_old_and_new_stand_side_by_side(self, again, ben):
        old, new = again

        response = as_person(ben).get(new.get_absolute_url())

        words, _, facts = text_of(response).partition("Supplied by")
        assert "Text Please. Please once more." in words
        assert "3 facts differ; they are marked below." in words
        assert "IBAN changed before: DE1 now: DE2" in facts
        assert "New new now: z" in facts
        assert "Gone left out before: y" in facts
        for unchanged in ("Limit 5", "Same x"):
            assert unchanged in facts
        assert f'href="{old.get_absolute_url()}"' in response.content.decode()
        assert "ended as “Rejected”" in words

    def test_the_old_one_says_what_replaced_it(self, again, ana):
        old, new = again

        response = as_person(ana).get(old.get_absolute_url())

        assert "It was asked again: Onboard Müller." in text_of(response)
        assert f'href="{new.get_absolute_url()}"' in response.content.decode()

    def test_an_open_one_is_closed_by_the_new_one_and_says_so(self, managers, ana, eva):
        old = make_approval(title="First")
        make_approval(title="Second", supersedes=str(old.pk))

        said = page(ana, old)

        assert "Withdrawn" in said
        assert "It was asked again: Second." in said
        response = send(as_person(ana), old)
        assert response.status_code == 409

    def test_who_may_not_read_the_other_one_has_no_link_to_it(self, managers, ana, cleo):
        old = make_approval(approvers=["user:cleo@example.com"])
        new = make_approval(supersedes=str(old.pk))

        there = as_person(ana).get(new.get_absolute_url()).content.decode()
        here = as_person(cleo).get(old.get_absolute_url()).content.decode()

        assert str(old.pk) not in there
        assert str(new.pk) not in here
        assert "others decide the new request" in here

    def test_the_same_words_again_are_said_to_be_the_same(self, managers, ana, eva):
        old = make_approval()
        new = make_approval(supersedes=str(old.pk))

        assert "Its words and facts are the same." in page(ana, new)


POSTS = {
    "decide": {"outcome": "approved", "revision": "1", "comment": ""},
    "take_back": {},
    "say": {"text": "Why?"},
    "hand_over": {"to": "zoe@example.com", "reason": "Holiday"},
}


class TestRights:
    """Who may do what, on every address of an approval that changes something."""

    @pytest.mark.parametrize("name", POSTS)
    @pytest.mark.parametrize(
        ("who", "statuses"),
        [
            ("eva", {"decide": 403, "take_back": 409, "say": 303, "hand_over": 403}),
            ("stand-in of eva", dict.fromkeys(POSTS, 404)),
            ("stranger", dict.fromkeys(POSTS, 404)),
            ("reader", {**dict.fromkeys(POSTS, 403), "take_back": 409}),
            ("deactivated", dict.fromkeys(POSTS, "out")),
            ("signed out", dict.fromkeys(POSTS, "out")),
        ],
    )
    def test_nobody_else_gets_through(self, approval, name, who, statuses):
        make_user("zoe@example.com")

        response = self.browser(who).post(
            reverse(f"approvals:{name}", args=[approval.pk]), POSTS[name]
        )

        if statuses[name] == "out":
            assert response.status_code in {302, 403}
            assert approval.title not in response.content.decode()
        else:
            assert response.status_code == statuses[name]
        after = Approval.objects.get()
        assert after.status == "pending"
        assert not after.votes.exists()
        assert after.approvers.count() == 1

    def browser(self, who):
        if who == "signed out":
            return Client()
        if who == "eva":
            return as_person(User.objects.get(email="eva@example.com"))
        if who == "deactivated":
            client = as_person(User.objects.get(email="ana@example.com"))
            User.objects.filter(email="ana@example.com").update(is_active=False)
            return client
        person = make_user(f"{who.partition(' ')[0]}@example.com")
        if who == "reader":
            person.user_permissions.add(Permission.objects.get(codename="view_approval"))
        elif who == "stand-in of eva":
            now = timezone.now()
            StandIn.objects.create(
                user=User.objects.get(email="eva@example.com"),
                colleague=person,
                starts_at=now,
                ends_at=now + timedelta(days=1),
                created_by="user:eva@example.com",
            )
        return as_person(person)
