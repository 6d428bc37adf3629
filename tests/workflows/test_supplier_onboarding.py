"""Every way that a supplier can take through `workflows/supplier-onboarding.yaml`."""

import pytest

from emulator.testing import AnswerRefused

SUPPLIER = {"name": "ACME", "country": "PT", "iban": "PT50000201231234567890154"}
APPLICATION = {"requester": "eva@example.com", "supplier": SUPPLIER}
FIXED = SUPPLIER | {"iban": "PT50000201231234567890155"}


@pytest.fixture
def run(workflows):
    workflows.deploy("workflows/supplier-onboarding.yaml")
    workflows.inbox.has_group("purchasing", "Ana Almeida <ana@example.com>")
    workflows.inbox.has_group("finance", "ben@example.com", "dora@example.com", "eva@example.com")
    return workflows.start("supplier-onboarding", APPLICATION)


class TestAsk:
    def test_purchasing_is_asked_first_and_then_two_of_finance(self, run):
        approval = run.approval("New supplier ACME")
        assert (approval.stage, approval.approvers) == (1, ["group:purchasing"])
        with pytest.raises(AnswerRefused, match="others were asked"):
            approval.approve(by="ben@example.com")

        approval.approve()
        assert (approval.stage, approval.approvers) == (2, ["group:finance"])
        approval.approve(by="ben@example.com")
        assert approval.is_pending
        with pytest.raises(AnswerRefused, match="answered this request already"):
            approval.reject("Changed my mind.", by="ben@example.com")

    def test_nobody_decides_their_own(self, run):
        approval = run.approval()
        approval.approve()

        with pytest.raises(AnswerRefused, match="Nobody decides their own"):
            approval.approve(by="eva@example.com")


class TestDecide:
    def test_when_all_agree_it_is_created_on_the_terms_they_filled_in(self, run):
        approval = run.approval()
        for person, days in (("ana", 30), ("ben", 14), ("dora", 21)):
            approval.approve(by=f"{person}@example.com", form={"payment_days": days})

        assert run.result() == {
            "status": "created",
            "supplier": SUPPLIER,
            "terms": {"payment_days": 21},
            "rounds": 1,
        }
        assert [line.text for line in run.log] == ["Created supplier ACME, pays in 21 days"]
        assert approval.reported.message == "Created ACME"

    def test_the_form_begins_with_what_is_usual_and_has_limits(self, run):
        approval = run.approval()
        assert approval.prefill == {"payment_days": 30}
        with pytest.raises(AnswerRefused, match="payment_days: At most 90"):
            approval.approve(form={"payment_days": 120})
        with pytest.raises(AnswerRefused, match="payment_days: Please fill this in"):
            approval.approve(form={})

        for _ in range(3):
            approval.approve()
        assert run.result()["terms"] == {"payment_days": 30}

    @pytest.mark.parametrize("agreed", [0, 1, 2])
    def test_a_rejection_in_any_stage_ends_it(self, run, agreed):
        approval = run.approval()
        for _ in range(agreed):
            approval.approve()

        approval.reject("On the list of sanctions.")

        result = {"status": "rejected", "reason": "On the list of sanctions.", "rounds": 1}
        assert run.result() == result
        assert run.log == []
        assert approval.reported.message == "ACME was not created"


class TestChanges:
    def send_back(self, run, why="Wrong IBAN."):
        approval = run.approval()
        approval.choose("changes_requested", why)
        return approval

    def test_the_requester_corrects_it_and_it_is_asked_again(self, run):
        first = self.send_back(run)
        correction = run.approval("Please correct the data of ACME")
        assert correction.approvers == ["user:eva@example.com"]
        assert (correction.summary, correction.prefill) == ("Wrong IBAN.", SUPPLIER)
        [link] = correction.request["links"]
        assert link["url"].endswith(f"/approvals/{first.id}/")

        correction.approve(form=FIXED)

        second = run.approval("New supplier ACME")
        assert second.request["supersedes"] == first.id
        assert second.fields["IBAN"] == FIXED["iban"]
        for _ in range(3):
            second.approve()
        result = run.result()
        assert (result["status"], result["supplier"], result["rounds"]) == ("created", FIXED, 2)

    def test_the_requester_may_give_up(self, run):
        self.send_back(run)
        run.approval().reject("")

        assert run.result()["status"] == "changes_requested"

    def test_a_requester_who_does_not_answer_ends_it(self, workflows, run):
        self.send_back(run)
        workflows.advance(days=7)

        assert run.result() == {
            "status": "changes_requested",
            "reason": "Wrong IBAN.",
            "rounds": 1,
        }

    def test_after_three_rounds_it_ends(self, run):
        for _ in range(2):
            self.send_back(run)
            run.approval().approve()
        self.send_back(run, "Still wrong.")

        assert run.result() == {
            "status": "changes_requested",
            "reason": "Still wrong.",
            "rounds": 3,
        }


class TestNobodyDecides:
    @pytest.mark.parametrize("agreed", [0, 1, 2])
    def test_after_two_weeks_it_expires_in_any_stage(self, workflows, run, agreed):
        approval = run.approval()
        for _ in range(agreed):
            approval.approve()
        workflows.advance(days=14)

        assert run.result() == {"status": "expired", "reason": "", "rounds": 1}

    def test_withdrawn_is_not_created(self, run):
        run.approval().withdraw()

        assert run.result()["status"] == "withdrawn"

    def test_one_that_is_superseded_ends_and_the_new_one_goes_on(self, workflows, run):
        old = run.approval()
        given = APPLICATION | {"supplier": FIXED, "supersedes": old.id}
        again = workflows.start("supplier-onboarding", given)

        assert run.result()["status"] == "withdrawn"
        for _ in range(3):
            again.approval().approve()
        assert again.result()["supplier"] == FIXED
