"""Every way that an expense can take through `workflows/expense-approval.yaml`."""

import pytest

from approvals.management.commands.seed_demo import TYPES
from emulator.testing import AnswerRefused

EXPENSE = {
    "requester": "eva@example.com",
    "purpose": "Hotel in Lisbon",
    "amount": 1240,
    "currency": "EUR",
}


@pytest.fixture(autouse=True)
def deployed(workflows):
    """The workflow, and its type as the demo has it."""
    workflows.deploy("workflows/expense-approval.yaml")
    title, _, said = TYPES["expense"]
    rules = {name: said[name] for name in ("stages", "rules")}
    workflows.inbox.has_type("expense", title=title, **rules)


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

    @pytest.mark.parametrize(
        ("amount", "asked"),
        [
            (100, "group:managers"),
            (5000, "group:managers"),
            (5000.01, "group:directors"),
            (48000, "group:directors"),
        ],
    )
    def test_the_amount_decides_who_is_asked(self, workflows, amount, asked):
        run = workflows.start("expense-approval", EXPENSE | {"amount": amount})

        assert run.approval().approvers == [asked]

    def test_they_read_what_it_is_for_and_what_each_button_does(self, run):
        approval = run.approval()

        assert (approval.title, approval.requested_by) == ("Hotel in Lisbon", "eva@example.com")
        assert list(approval.fields.items()) == [
            ("Amount", 1240),
            ("Currency", "EUR"),
            ("Purpose", "Hotel in Lisbon"),
            ("Requested by", "eva@example.com"),
        ]
        assert [
            (option["value"], option["consequence"]) for option in approval.request["options"]
        ] == [
            ("approved", "1240 EUR is paid to eva@example.com at once"),
            ("changes_requested", "Nothing is paid yet; the requester is told what is missing"),
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

    @pytest.mark.parametrize(
        ("outcome", "status"), [("rejected", "rejected"), ("changes_requested", "sent back")]
    )
    def test_one_that_is_not_approved_is_not_paid_and_the_requester_is_told_why(
        self, run, outcome, status
    ):
        approval = run.approval()
        with pytest.raises(AnswerRefused, match="say why"):
            approval.choose(outcome, "  ")
        approval.choose(outcome, "Over budget.")

        assert run.result() == {"status": status, "reason": "Over budget."}
        assert [line.text for line in run.log] == [
            f"To eva@example.com, your expense was {status}, Over budget."
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

    def test_one_that_is_superseded_is_not_paid_and_the_new_one_is(self, workflows, run):
        old = run.approval()
        given = EXPENSE | {"amount": 990, "supersedes": old.id}
        corrected = workflows.start("expense-approval", given)

        assert run.result() == {"status": "withdrawn"}
        corrected.approval().approve()
        assert corrected.result() == {"status": "paid", "amount": "990 EUR"}
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
