"""Every way that an expense can take through `workflows/expense-approval.yaml`."""

import pytest

from emulator.testing import AnswerRefused

EXPENSE = {
    "requester": "eva@example.com",
    "purpose": "Hotel in Lisbon",
    "amount": 1240,
    "currency": "EUR",
}


@pytest.fixture(autouse=True)
def deployed(workflows):
    workflows.deploy("workflows/expense-approval.yaml")


@pytest.fixture
def run(workflows):
    return workflows.start("expense-approval", EXPENSE)


class TestAsk:
    @pytest.mark.parametrize("amount", [0, 99, 99.99])
    def test_a_small_expense_is_paid_and_nobody_is_asked(self, workflows, amount):
        run = workflows.start("expense-approval", EXPENSE | {"amount": amount})

        assert run.result() == {"status": "paid", "amount": f"{amount} EUR"}
        assert run.approvals == []
        assert [line.text for line in run.log] == [f"Paid {amount} EUR to eva@example.com"]

    def test_the_limit_itself_is_asked_for(self, workflows):
        assert workflows.start("expense-approval", EXPENSE | {"amount": 100}).approval().is_pending

    def test_the_managers_read_what_it_is_for_and_what_each_button_does(self, run):
        approval = run.approval()

        assert (approval.title, approval.requested_by) == ("Hotel in Lisbon", "eva@example.com")
        assert approval.approvers == ["group:managers"]
        assert list(approval.fields.items()) == [
            ("Amount", "1240 EUR"),
            ("Purpose", "Hotel in Lisbon"),
            ("Requested by", "eva@example.com"),
        ]
        assert [
            (option["value"], option["consequence"]) for option in approval.request["options"]
        ] == [
            ("approved", "1240 EUR is paid to eva@example.com at once"),
            ("rejected", "Nothing is paid; the requester is told why"),
        ]
        assert run.log == []

    def test_nobody_approves_their_own(self, run):
        with pytest.raises(AnswerRefused, match="Nobody decides their own"):
            run.approval().approve(by="Eva+x@example.com")


class TestDecide:
    def test_an_approved_expense_is_paid_and_reported(self, run):
        approval = run.approval()
        approval.approve(by="ana@example.com")

        assert run.result() == {"status": "paid", "amount": "1240 EUR"}
        assert [line.text for line in run.log] == ["Paid 1240 EUR to eva@example.com"]
        assert (approval.reported.status, approval.reported.message) == (
            "succeeded",
            "Paid 1240 EUR",
        )
        assert approval.delivery == "confirmed"

    def test_a_rejected_expense_is_not_paid_and_the_requester_is_told_why(self, run):
        approval = run.approval()
        with pytest.raises(AnswerRefused, match="say why"):
            approval.reject("  ")
        approval.reject("Over budget.")

        assert run.result() == {"status": "rejected", "reason": "Over budget."}
        assert [line.text for line in run.log] == [
            "To eva@example.com, your expense was rejected, Over budget."
        ]
        assert approval.reported.message == "Told eva@example.com why"


class TestNobodyDecides:
    def test_after_three_days_nothing_is_paid(self, workflows, run):
        workflows.advance(days=3)

        assert run.result() == {"status": "expired"}
        assert run.log == []
        assert run.approvals[0].reported.message == "Nothing was paid"

    def test_an_expense_that_is_withdrawn_is_not_paid(self, run):
        run.approval().withdraw()

        assert run.result() == {"status": "withdrawn"}
        assert run.log == []


class TestReport:
    @pytest.mark.parametrize("status", [409, 503, None])
    def test_an_expense_is_paid_even_if_that_cannot_be_reported(self, workflows, run, status):
        workflows.inbox.fails(status, on="outcome")
        approval = run.approval()

        approval.approve()

        assert run.result() == {"status": "paid", "amount": "1240 EUR"}
        assert approval.reported is None
        paid, warning = run.log
        assert paid.text == "Paid 1240 EUR to eva@example.com"
        assert warning.severity == "WARNING"
        assert warning.data["message"] == "The outcome could not be reported to the inbox."
        assert warning.data["approval_id"] == approval.id
