"""Every way that a question can take through `workflows/request_approval.yaml`."""

from datetime import timedelta
from typing import Any

import pytest

from emulator.testing import RunFailed, StillWaiting, Workflows

HOUR = 3600
DAY = 24 * HOUR
ASK = """
main:
  params: [args]
  steps:
    - ask:
        call: request_approval
        args:
          request: ${args.request}
          key: ${default(map.get(args, "key"), "approval")}
          timeout: ${default(map.get(args, "timeout"), 86400)}
          inbox: ${map.get(args, "inbox")}
        result: decision
    - done: {return: "${decision}"}
"""
TWICE = """
main:
  params: [keys]
  steps:
    - first:
        call: request_approval
        args: {request: {title: "First", approvers: ["group:managers"]}, key: "${keys[0]}"}
        result: one
    - second:
        call: request_approval
        args: {request: {title: "${keys[2]}", approvers: ["group:managers"]}, key: "${keys[1]}"}
        result: two
    - done: {return: ["${one.outcome}", "${two.outcome}"]}
"""
PARALLEL = """
main:
  steps:
    - prepare: {assign: [{outcomes: {}}]}
    - all:
        parallel:
          shared: [outcomes]
          for:
            value: who
            in: ["legal", "finance", "security"]
            steps:
              - ask:
                  call: request_approval
                  args:
                    key: ${who}
                    request: {title: "${who}", approvers: ["${\\"group:\\" + who}"]}
                  result: decision
              - keep: {assign: [{"outcomes[who]": "${decision.outcome}"}]}
    - done: {return: "${outcomes}"}
"""
PARENT = """
main:
  steps:
    - child:
        call: googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run
        args:
          workflow_id: child
          argument: {request: {title: "Ship it?", approvers: ["group:managers"]}}
        result: decision
    - done: {return: "${decision.outcome}"}
"""
QUESTION = {"title": "Ship it?", "approvers": ["group:managers"]}


def ask(workflows: Workflows, **given: Any):
    """A run of a workflow that asks one question, for a day if `timeout` is not given."""
    workflows.deploy(ASK)
    request = {**QUESTION, **given.pop("request", {})}
    return workflows.start("main", {"request": request, **given})


class TestAsk:
    def test_the_question_goes_out_with_its_callback_and_the_time_it_has(self, workflows):
        run = ask(workflows, timeout=2 * HOUR, key="ship")
        approval = run.approval()

        assert approval.key == f"{run.id}/ship"
        assert approval.request["expires_in"] == 2 * HOUR
        assert approval.request["callback_url"] == run.callback().url
        assert run.waiting_at == ["request_approval.wait"]
        assert workflows.inbox.callers == ["workflow@emulator.invalid"]

    def test_the_inbox_closes_before_the_workflow_stops_waiting(self, workflows):
        approval = ask(workflows, timeout=DAY).approval()

        assert workflows.now < approval.expires_at < workflows.now + timedelta(days=1)

    def test_an_author_may_name_the_inbox(self, workflows):
        workflows.deploy(ASK, env={"COUNTERSIGN_URL": ""})
        given = {"request": QUESTION, "inbox": workflows.inbox.url}

        workflows.start("main", given).approval()

    def test_without_an_address_it_says_what_to_set(self, workflows):
        workflows.deploy(ASK, env={"COUNTERSIGN_URL": ""})

        assert (
            workflows.start("main", {"request": QUESTION})
            .error()
            .startswith("Set COUNTERSIGN_URL when deploying, or pass inbox:")
        )


class TestDecide:
    @pytest.mark.parametrize(
        ("outcome", "comment"), [("approved", ""), ("rejected", "No."), ("later", "")]
    )
    def test_the_workflow_is_given_the_outcome_on_record(self, workflows, outcome, comment):
        options = [
            {"value": value, "label": value.title()} for value in ("approved", "rejected", "later")
        ]
        run = ask(workflows, request={"options": options})
        approval = run.approval()

        approval.choose(outcome, comment, by="Ana Almeida <ana@example.com>")

        decision = run.result()
        assert (decision["outcome"], decision["comment"]) == (outcome, comment)
        assert decision["decided_by"] == {
            "email": "ana@example.com",
            "name": "Ana Almeida",
            "on_behalf_of": None,
        }
        assert decision["approval_id"] == approval.id
        assert approval.delivery == "confirmed"

    def test_sent_back_for_changes_is_an_outcome_like_others(self, workflows):
        options = [{"value": "changes_requested", "label": "Send back"}]
        run = ask(workflows, request={"options": options})

        run.approval().choose("changes_requested", "Which hotel?")

        assert run.result()["outcome"] == "changes_requested"

    def test_no_time_passes_while_it_waits(self, workflows):
        run = ask(workflows)
        before = workflows.now

        with pytest.raises(StillWaiting, match=r"approval 'Ship it\?', 1 days more"):
            run.result()
        assert workflows.now == before

    def test_an_answer_at_the_last_moment_counts(self, workflows):
        run = ask(workflows)
        approval = run.approval()
        workflows.advance_to(approval.expires_at - timedelta(seconds=1))

        approval.approve()

        assert run.result()["outcome"] == "approved"


class TestNobodyAnswers:
    @pytest.mark.parametrize("on_expiry", ["expired", "rejected"])
    def test_it_is_closed_in_time(self, workflows, on_expiry):
        run = ask(workflows, request={"on_expiry": on_expiry})
        approval = run.approval()

        workflows.advance_to(approval.expires_at - timedelta(seconds=1))
        assert approval.is_pending
        workflows.advance(seconds=2)

        decision = run.result()
        assert (decision["outcome"], decision["decided_by"]) == (on_expiry, None)

    def test_a_wait_that_times_out_closes_it_where_the_inbox_has_not(self, workflows):
        workflows.inbox.stop_worker()
        run = ask(workflows)

        workflows.advance(hours=23)
        assert run.approval().is_pending
        workflows.advance(hours=1)

        assert run.result()["outcome"] == "expired"
        assert run.approvals[0].status == "expired"

    def test_withdrawn_is_no_approval(self, workflows):
        run = ask(workflows)

        run.approval().withdraw()

        assert run.result()["outcome"] == "withdrawn"


class TestCallback:
    def test_a_forged_one_changes_nothing(self, workflows):
        run = ask(workflows)
        approval = run.approval()
        forged = {"outcome": "approved", "approval_id": approval.id}

        assert run.callback().post(json=forged).status == 200
        assert run.waiting_at == ["request_approval.wait"]
        assert approval.is_pending
        approval.reject("No.")

        assert run.result()["outcome"] == "rejected"

    def test_a_forged_one_moves_no_deadline(self, workflows):
        run = ask(workflows)
        approval = run.approval()
        for _ in range(5):
            workflows.advance(hours=4)
            run.callback().post(json={})

        workflows.advance(hours=4)

        assert run.result()["outcome"] == "expired"
        assert workflows.now < approval.expires_at + timedelta(hours=1)

    def test_a_lost_one_is_made_up_for_when_the_wait_is_over(self, workflows):
        run = ask(workflows)
        run.approval().approve(deliver=False)
        with pytest.raises(StillWaiting, match="'approved' is on record"):
            run.result()

        workflows.advance(days=1)

        assert run.result()["outcome"] == "approved"

    def test_one_that_comes_twice_is_one_decision(self, workflows):
        run = ask(workflows)
        approval = run.approval()
        workflows.inbox.fails(503, times=1, on="settle")
        approval.approve()

        assert approval.deliver() == 200  # while the workflow asks the inbox
        assert run.result()["outcome"] == "approved"
        assert approval.deliver() == 404

    def test_the_inbox_tries_again_while_google_is_away(self, workflows):
        run = ask(workflows)
        approval = run.approval()
        workflows.fault("status", on=approval, statuses=(503, 503))
        before = workflows.now

        approval.approve()
        assert approval.delivery == "queued"

        assert run.result()["outcome"] == "approved"
        assert workflows.now - before < timedelta(minutes=1)

    def test_one_that_google_took_before_the_connection_broke_is_sent_once(self, workflows):
        run = ask(workflows)
        approval = run.approval()
        workflows.fault("reset", on=approval, stored=True)

        approval.approve()

        assert run.result()["outcome"] == "approved"
        assert approval.delivery == "confirmed"


class TestInboxAway:
    def test_asking_goes_on_until_it_is_back(self, workflows):
        workflows.inbox.fails(503, times=5)
        before = workflows.now

        approval = ask(workflows).approval()

        assert workflows.now - before == timedelta(seconds=1 + 2 + 4 + 8 + 16)
        assert len(workflows.inbox.approvals) == 1
        assert approval.is_pending

    @pytest.mark.parametrize("status", [503, 429, None])
    def test_after_twenty_minutes_and_more_it_fails(self, workflows, status):
        workflows.inbox.fails(status)
        before = workflows.now
        run = ask(workflows)

        error = run.error()

        assert error.get("code") == status
        pauses = [1, 2, 4, 8, 16, 32, 64, *13 * [90]]
        assert workflows.now - before == timedelta(seconds=sum(pauses))

    def test_the_answer_is_asked_for_until_it_is_back(self, workflows):
        run = ask(workflows)
        workflows.inbox.fails(None, times=3, on="settle")

        run.approval().approve()

        assert run.result()["outcome"] == "approved"

    def test_a_question_is_asked_once_though_its_first_answer_was_lost(self, workflows):
        workflows.inbox.fails(None, times=1, stored=True)

        run = ask(workflows)
        run.approval().approve()

        assert run.result()["outcome"] == "approved"
        assert len(workflows.inbox.approvals) == 1


class TestRefused:
    @pytest.mark.parametrize(
        ("request_", "named"),
        [
            ({"title": ""}, "title"),
            ({"aprovers": []}, "aprovers"),
            ({"approvers": ["group:nobody"]}, "approvers"),
        ],
    )
    def test_a_wrong_question_fails_at_once_and_names_the_field(self, workflows, request_, named):
        workflows.inbox.has_group("managers", "ana@example.com")
        before = workflows.now

        error = ask(workflows, request=request_).error()

        assert error["code"] == 422
        assert [problem["loc"][-1] for problem in error["body"]["detail"]] == [named]
        assert workflows.now == before

    def test_a_service_account_that_is_no_caller_fails_at_once(self, workflows):
        workflows.inbox.knows_only("other@example.com")

        error = ask(workflows).error()

        assert error["code"] == 403
        assert "workflow@emulator.invalid" in error["body"]["detail"]


class TestSeveralQuestions:
    def test_one_after_the_other(self, workflows):
        workflows.deploy(TWICE)
        run = workflows.start("main", ["a", "b", "Second"])

        run.approval("First").approve()
        run.approval("Second").reject("No.")

        assert run.result() == ["approved", "rejected"]

    def test_all_at_once_in_any_order(self, workflows):
        workflows.deploy(PARALLEL)
        run = workflows.start("main")

        run.approval("security").approve()
        run.approval("legal").reject("No.")
        run.approval().approve()

        outcomes = {"finance": "approved", "legal": "rejected", "security": "approved"}
        assert run.result() == outcomes

    def test_the_same_key_with_the_same_question_is_one_approval(self, workflows):
        workflows.deploy(TWICE)
        run = workflows.start("main", ["a", "a", "First"])

        run.approval().approve()

        assert run.result() == ["approved", "approved"]
        assert len(run.approvals) == 1

    def test_the_same_key_with_another_question_fails(self, workflows):
        workflows.deploy(TWICE)
        run = workflows.start("main", ["a", "a", "Second"])
        run.approval().approve()

        with pytest.raises(RunFailed, match="registered before with other content") as failed:
            run.result()
        assert failed.value.value["code"] == 409

    def test_a_child_asks_and_its_parent_waits(self, workflows):
        workflows.deploy(ASK, name="child")
        workflows.deploy(PARENT, name="parent")
        run = workflows.start("parent")

        with pytest.raises(StillWaiting, match="Ship it"):
            run.result()
        run.approval().approve()

        assert run.result() == "approved"
        (child,) = workflows.runs("child")
        assert child.approvals[0].reported is None
        assert child.state == "SUCCEEDED"
