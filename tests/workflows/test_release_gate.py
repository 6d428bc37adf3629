"""Every way that a release can take through `workflows/release-gate.yaml`."""

import pytest

RELEASE = {
    "service": "checkout",
    "version": "2.14.0",
    "requester": "eva@example.com",
    "changes": "* Faster",
}
GROUPS = ("quality", "security")


@pytest.fixture
def run(workflows):
    workflows.deploy("workflows/release-gate.yaml")
    return workflows.start("release-gate", RELEASE)


def asked(run, group):
    return run.approval(f"Release checkout 2.14.0, {group}")


class TestAsk:
    def test_both_groups_are_asked_at_once(self, run):
        assert [asked(run, group).approvers for group in GROUPS] == [
            ["group:quality"],
            ["group:security"],
        ]
        assert asked(run, "quality").summary.endswith("* Faster")
        assert asked(run, "quality").requested_by == "eva@example.com"


class TestDecide:
    @pytest.mark.parametrize("first", GROUPS)
    def test_both_must_approve_in_any_order(self, run, first):
        second = next(group for group in GROUPS if group != first)
        one, other = asked(run, first), asked(run, second)

        one.approve(by=f"{first}@example.com")
        assert run.log == []
        assert other.is_pending
        other.approve(by=f"{second}@example.com")

        assert run.result() == {
            "status": "released",
            "quality": "quality@example.com",
            "security": "security@example.com",
        }
        assert [line.text for line in run.log] == ["Rolled out checkout 2.14.0"]
        assert one.reported.message == other.reported.message == "Rolled out checkout 2.14.0"

    @pytest.mark.parametrize("group", GROUPS)
    @pytest.mark.parametrize("outcome", ["rejected", "changes_requested"])
    def test_one_no_is_enough_and_the_other_need_not_answer(self, run, group, outcome):
        other = next(each for each in GROUPS if each != group)
        spared = asked(run, other)

        asked(run, group).choose(outcome, "A fault in the tests.")

        assert run.result() == {"status": "held", group: outcome, other: "withdrawn"}
        assert spared.status == "withdrawn"
        assert run.log == []
        assert spared.reported.message == "checkout 2.14.0 was not rolled out"

    def test_a_no_after_a_yes_holds_it(self, run):
        asked(run, "quality").approve()
        asked(run, "security").reject("An open hole.")

        assert run.result() == {"status": "held", "quality": "approved", "security": "rejected"}
        assert run.log == []

    def test_an_answer_while_the_other_is_being_withdrawn_stands(self, workflows, run):
        quality, security = asked(run, "quality"), asked(run, "security")
        workflows.inbox.fails(503, times=1, on="withdraw")
        quality.reject("No.")
        security.approve()

        assert run.result() == {"status": "held", "quality": "rejected", "security": "approved"}


class TestNobodyDecides:
    def test_after_two_days_it_is_held(self, workflows, run):
        workflows.advance(days=2)

        result = run.result()
        assert result["status"] == "held"
        assert {result[group] for group in GROUPS} <= {"expired", "withdrawn"}
        assert run.log == []

    def test_one_yes_and_a_group_that_does_not_answer_hold_it(self, workflows, run):
        asked(run, "quality").approve()
        workflows.advance(days=2)

        assert run.result() == {"status": "held", "quality": "approved", "security": "expired"}

    def test_one_that_is_withdrawn_spares_the_other_group(self, run):
        asked(run, "quality").withdraw()

        assert run.result() == {
            "status": "held",
            "quality": "withdrawn",
            "security": "withdrawn",
        }

    def test_a_later_release_supersedes_one_that_waits(self, workflows, run):
        ids = {group: asked(run, group).id for group in GROUPS}
        later = workflows.start("release-gate", RELEASE | {"version": "2.14.1", "supersedes": ids})

        assert run.result()["status"] == "held"
        assert {approval.status for approval in run.approvals} == {"withdrawn"}
        for group in GROUPS:
            later.approval(f"Release checkout 2.14.1, {group}").approve()
        assert later.result()["status"] == "released"
