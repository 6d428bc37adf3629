"""What was decided before in the like of a request, for whom, and what is unusual now."""

from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.models import Approval
from approvals.precedents import COMPARED, SHOWN, differs, precedents_of, unusual
from tests.approvals.reading import as_person, decide, text_of
from tests.factories import make_approval, make_group, make_type, make_user


@pytest.fixture
def payment(managers, eva):
    make_type("payment", "group:managers")

    def make(amount=100, supplier="ACME", **fields):
        facts = {"Amount": amount, "Currency": "EUR", "Supplier": supplier}
        title = fields.pop("title", f"Pay {supplier} {amount}")
        return make_approval(title=title, type="payment", approvers=[], fields=facts, **fields)

    return make


def facts(amount=100, supplier="ACME", **more):
    return {"Amount": amount, "Currency": "EUR", "Supplier": supplier, **more}.items()


class TestDiffer:
    @pytest.mark.parametrize(
        ("then", "said"),
        [
            (facts(100), "The same facts"),
            (facts(75), "25 EUR more"),
            (facts(1100), "1,000 EUR less"),
            (facts(100, "Atlas"), "The same amount; Supplier ACME, not Atlas"),
            (facts(100, Note="x"), "The same amount; 1 other fact differs"),
            (facts(75, Note="x", Day="y"), "25 EUR more; 2 other facts differ"),
            ({"Amount": 100, "Currency": "USD"}.items(), "100 EUR, not 100 USD; 2 other facts"),
            ({}.items(), "3 other facts differ"),
        ],
    )
    def test_it_is_said_in_one_line(self, then, said):
        assert differs(facts(100), then).startswith(said)

    def test_what_strangers_wrote_is_short_and_has_nothing_hidden(self):
        said = differs(facts(1, "A\u202e" * 99), facts(1, "B"))

        assert "\u202e" not in said
        assert len(said) < 150


class TestUnusual:
    LAST = tuple(facts(amount, "ACME", IBAN="PT50") for amount in (80, 100, 240))

    def test_an_amount_above_all_of_the_last_is_said(self):
        said = unusual(facts(241, IBAN="PT50"), self.LAST)

        assert said == ["The amount is higher than in any of the last 3: at most 240 EUR so far."]

    @pytest.mark.parametrize("amount", [240, 1])
    def test_and_one_that_was_there_before_is_not(self, amount):
        assert unusual(facts(amount, IBAN="PT50"), self.LAST) == []

    def test_another_currency_is_not_compared(self):
        other = {"Amount": 9999, "Currency": "USD"}.items()

        assert unusual(other, self.LAST) == []

    def test_a_new_payee_is_said(self):
        said = unusual(facts(100, "Atlas"), self.LAST)

        assert said == ["New: Supplier Atlas is not in any of the last 3."]

    def test_case_and_blanks_make_no_new_payee(self):
        assert unusual(facts(100, "acme ", IBAN="PT 50"), self.LAST) == []

    def test_a_known_payee_with_another_account_is_said(self):
        said = unusual(facts(100, IBAN="DE99"), self.LAST)

        assert said == ["ACME had another IBAN until now."]

    def test_of_too_few_nothing_is_said(self):
        assert unusual(facts(9999, "Atlas"), self.LAST[:2]) == []


class TestFind:
    def test_those_of_the_same_requester_come_first_then_those_of_like_amount(
        self, payment, ana, eva
    ):
        make_user("rui@example.com")
        for amount in (9000, 130, 500):
            decide(payment(amount, requested_by="rui@example.com"), by=ana)
        decide(payment(7000), by=ana)
        now = payment(120)

        found = precedents_of(now, ana).found

        assert [each.approval.fields[0][1] for each in found] == [7000, 130, 500, 9000]
        assert found[1].differs == "10 EUR less"
        assert (found[1].who, found[1].outcome, found[1].said) == ("Ana Almeida", "Approved", "why")

    def test_nobody_sees_what_they_may_not_read(self, payment, ana, ben):
        cleo = make_user("cleo@example.com")
        make_group("board", cleo)
        foreign = payment(100)
        Approval.objects.filter(pk=foreign.pk).update(requester_mailbox="x@example.com")
        foreign.approvers.update(group=cleo.groups.get())
        decide(foreign, by=cleo)
        now = payment(100)

        assert precedents_of(now, ana).found == []
        assert "The first of its kind that you can see." in text_of(
            as_person(ana).get(now.get_absolute_url())
        )

    @pytest.mark.parametrize("how", ["expired", "withdrawn", "waiting", "other type"])
    def test_only_what_a_person_decided_of_the_type_counts(self, payment, ana, how):
        before = payment(100)
        if how == "withdrawn":
            before.withdraw("", actor="caller:x")
        elif how == "expired":
            Approval.objects.filter(pk=before.pk).update(expires_at=timezone.now())
            before.expire()
        elif how == "other type":
            make_type("gift", "group:managers")
            decide(make_approval(type="gift", approvers=[]), by=ana)

        assert precedents_of(payment(100), ana).found == []

    def test_without_a_type_nothing_is_compared(self, approval, ana):
        assert precedents_of(approval, ana) is None
        assert "Decided before" not in text_of(as_person(ana).get(approval.get_absolute_url()))

    def test_it_asks_three_times_however_many_there_are(
        self, payment, ana, django_assert_num_queries
    ):
        for amount in range(SHOWN + 4):
            decide(payment(amount), by=ana)
        now = payment(5)

        ana.has_perm("approvals.view_approval")  # which is kept for the whole request
        with django_assert_num_queries(3):
            found = precedents_of(now, ana)
            assert len(found.found) == SHOWN
            assert all(each.who == "Ana Almeida" for each in found.found)

    def test_what_is_unusual_is_against_the_last_ones(self, payment, ana):
        old = decide(payment(9000), by=ana)
        Approval.objects.filter(pk=old.pk).update(decided_at=timezone.now() - timedelta(days=9))
        for _ in range(COMPARED):
            decide(payment(100), by=ana)

        said = text_of(as_person(ana).get(payment(200, "Atlas").get_absolute_url()))

        assert "Check before you answer" in said
        assert f"higher than in any of the last {COMPARED}: at most 100 EUR so far." in said
        assert f"Supplier Atlas is not in any of the last {COMPARED}." in said


class TestPage:
    def test_it_says_who_decided_what_and_how_this_one_differs(self, payment, ana, ben):
        before = decide(payment(340), by=ben, outcome="rejected", comment="Too\u202e dear")
        now = payment(100)

        response = as_person(ana).get(now.get_absolute_url())

        said = text_of(response)
        assert "Decided before Rejected Pay ACME 340 240 EUR less Ben Okafor, just now" in said
        assert "Too⟨U+202E⟩ dear" in said
        assert f'href="{before.get_absolute_url()}"' in response.content.decode()

    def test_who_does_not_decide_is_shown_none(self, payment, ana, eva):
        decide(payment(100), by=ana)

        assert "Decided before" not in text_of(as_person(eva).get(payment(100).get_absolute_url()))
