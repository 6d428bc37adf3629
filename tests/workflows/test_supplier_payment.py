"""Every way that a payment can take through `workflows/supplier-payment.yaml`."""

import pytest

from approvals.management.commands.seed_demo import TYPES

PAYMENT = {
    "supplier": "ACME",
    "invoice": "4711",
    "amount": 240,
    "currency": "EUR",
    "requester": "eva@example.com",
}


@pytest.fixture(autouse=True)
def deployed(workflows):
    """The workflow, and its type as the demo has it."""
    workflows.deploy("workflows/supplier-payment.yaml")
    title, _, said = TYPES["supplier-payment"]
    rules = {name: said[name] for name in ("stages", "rules")}
    rules["comment"] = said["comment_rule"]
    workflows.inbox.has_type("supplier-payment", title=title, **rules)


@pytest.fixture
def run(workflows):
    return workflows.start("supplier-payment", PAYMENT)


class TestDecide:
    def test_approved_it_is_paid_and_reported(self, run):
        approval = run.approval()
        approval.approve(by="ana@example.com")

        assert approval.title == "Pay ACME, invoice 4711"
        assert run.result() == {"status": "paid", "signed": 1}
        assert [line.text for line in run.log] == ["Paid 240 EUR to ACME"]
        assert approval.reported.message == "Paid 240 EUR"

    def test_a_large_one_takes_two_signatures(self, workflows):
        run = workflows.start("supplier-payment", PAYMENT | {"amount": 12400})
        approval = run.approval()
        approval.approve(by="ana@example.com")
        assert run.state == "ACTIVE"

        approval.approve(by="ben@example.com")

        assert run.result() == {"status": "paid", "signed": 2}

    def test_rejected_it_is_not_paid_and_no_comment_is_asked(self, run):
        run.approval().reject("")

        assert run.result() == {"status": "rejected", "reason": ""}
        assert run.log == []


class TestNobodyDecides:
    def test_after_a_week_nothing_is_paid(self, workflows, run):
        workflows.advance(days=7)

        assert run.result() == {"status": "expired", "reason": ""}

    def test_withdrawn_it_is_not_paid(self, run):
        run.approval().withdraw()

        assert run.result()["status"] == "withdrawn"

    def test_one_that_is_superseded_ends_and_the_new_one_is_paid(self, workflows, run):
        again = workflows.start("supplier-payment", PAYMENT | {"supersedes": run.approval().id})

        assert run.result()["status"] == "withdrawn"
        again.approval().approve()
        assert again.result()["status"] == "paid"
        assert run.log == []
