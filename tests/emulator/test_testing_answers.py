"""The pytest plugin: people who answer, other systems that do, and callbacks."""

from datetime import timedelta

import pytest

from emulator.testing import (
    AnswerRefused,
    NoStub,
    NotWaiting,
    RunFailed,
    TestingError,
    raises,
    responds,
    returns,
)
from tests.emulator.authored import ASK, LEDGER, PAY, QUESTION

TWO_CALLBACKS = """
main:
  steps:
    - first: {call: events.create_callback_endpoint, args: {http_callback_method: GET}, result: a}
    - second: {call: events.create_callback_endpoint, args: {http_callback_method: POST}, result: b}
    - both:
        parallel:
          branches:
            - one:
                steps:
                  - wait_a: {call: events.await_callback, args: {callback: "${a}"}}
            - two:
                steps:
                  - wait_b: {call: events.await_callback, args: {callback: "${b}"}}
"""


class TestApproval:
    def test_it_is_asked_for_after_whatever_comes_before(self, workflows):
        workflows.inbox.fails(503, times=2)
        workflows.deploy(ASK)

        approval = workflows.start("main", {**QUESTION, "summary": "Why."}).approval()

        assert (approval.title, approval.summary, approval.status) == (
            "Ship it?",
            "Why.",
            "pending",
        )

    def test_a_run_that_asks_nothing_says_what_it_did_instead(self, workflows):
        workflows.deploy("- a: {return: 5}\n", name="five")

        with pytest.raises(NotWaiting, match=r"without waiting for an approval. Its result is 5"):
            workflows.start("five").approval()

    def test_a_run_that_waits_for_another_callback_says_so(self, workflows):
        workflows.deploy(TWO_CALLBACKS)

        with pytest.raises(NotWaiting, match="belongs to no approval"):
            workflows.start("main").approval()

    def test_a_run_that_failed_says_why(self, workflows):
        workflows.deploy(ASK)

        with pytest.raises(RunFailed, match="String should have at least 1 character"):
            workflows.start("main", {"title": ""}).approval()

    def test_a_title_that_is_not_asked_is_told_with_what_is(self, workflows):
        workflows.deploy(ASK)
        run = workflows.start("main", QUESTION)

        with pytest.raises(NotWaiting, match=r"does not ask 'Pay\?' now. It waits for 'Ship it\?'"):
            run.approval("Pay?")


class TestAnswer:
    def test_groups_that_are_told_are_all_there_are(self, workflows):
        workflows.inbox.has_group("managers", "Ana Almeida <ana@example.com>", "ben@example.com")
        workflows.deploy(ASK)
        run = workflows.start("main", QUESTION | {"requested_by": "ana@example.com"})
        approval = run.approval()

        for stranger in ("carla@example.com", "ana@example.com"):
            with pytest.raises(AnswerRefused, match="others were asked to decide it"):
                approval.approve(by=stranger)
        approval.approve()

        assert approval.decided_by == "ben@example.com"

    def test_the_first_answer_stays(self, workflows):
        workflows.deploy(ASK)
        approval = workflows.start("main", QUESTION).approval()
        approval.approve("Fine.", by="Ana Almeida <ana@example.com>")

        with pytest.raises(AnswerRefused, match="Ana Almeida answered “Approved”"):
            approval.reject(by="ben@example.com")
        assert (approval.status, approval.comment) == ("approved", "Fine.")

    def test_an_answer_that_is_none_is_told_with_those_there_are(self, workflows):
        workflows.deploy(ASK)
        approval = workflows.start("main", QUESTION).approval()

        with pytest.raises(AnswerRefused, match=r"Approve \(approved\), Reject \(rejected\)"):
            approval.choose("maybe")

    def test_too_late_is_too_late(self, workflows):
        workflows.inbox.stop_worker()
        workflows.deploy(ASK)
        approval = workflows.start("main", QUESTION).approval()
        workflows.advance_to(approval.expires_at + timedelta(seconds=1))

        with pytest.raises(AnswerRefused, match="time to answer has passed"):
            approval.approve()

    def test_who_is_asked_by_nobody_are_the_default_approvers(self, workflows):
        workflows.deploy(ASK)
        workflows.inbox.has_default_approvers("user:ana@example.com")

        workflows.start("main", {"title": "Ship it?"}).approval()

    def test_what_is_not_answered_cannot_be_delivered(self, workflows):
        workflows.deploy(ASK)
        approval = workflows.start("main", QUESTION).approval()

        with pytest.raises(TestingError, match="'Ship it\\?' has no answer yet"):
            approval.deliver()
        assert approval.delivery is None


class TestDelivery:
    """How the answer comes to its callback, when that goes wrong."""

    @pytest.fixture
    def run(self, workflows):
        workflows.deploy(ASK)
        return workflows.start("main", QUESTION)

    @pytest.mark.parametrize(
        ("fault", "delivery"),
        [
            ({"kind": "status", "statuses": (503,)}, "queued"),
            ({"kind": "status", "statuses": (500,)}, "unknown"),
            ({"kind": "reset"}, "unknown"),
            ({"kind": "stall", "seconds": 0.05}, "unknown"),
            ({"kind": "status", "statuses": (403,)}, "blocked"),
        ],
    )
    def test_it_is_brought_again(self, workflows, run, fault, delivery):
        approval = run.approval()
        workflows.fault(**fault, on=run)

        approval.approve()
        assert approval.delivery == delivery

        assert run.result() == "approved"
        assert approval.delivery == "confirmed"

    def test_after_the_end_of_the_run_it_is_missed(self, run):
        approval = run.approval()
        run.cancel()

        approval.approve()

        assert approval.delivery == "missed"

    def test_one_that_waits_behind_a_forged_one_is_blocked(self, workflows):
        workflows.deploy(
            """
            main:
              steps:
                - create:
                    call: events.create_callback_endpoint
                    args: {http_callback_method: POST}
                    result: endpoint
                - ask:
                    call: http.post
                    args:
                      url: ${sys.get_env("COUNTERSIGN_URL") + "/api/v1/approvals"}
                      auth: {type: OIDC, audience: '${sys.get_env("COUNTERSIGN_URL")}'}
                      body:
                        title: "Ship it?"
                        approvers: ["group:managers"]
                        callback_url: ${endpoint.url}
                - rest: {call: sys.sleep, args: {seconds: 3600}}
                - wait:
                    call: events.await_callback
                    args: {callback: "${endpoint}"}
                    result: first
                - again:
                    call: events.await_callback
                    args: {callback: "${endpoint}"}
                    result: second
                - done:
                    return:
                      - ${first.http_request.body}
                      - ${second.http_request.body.outcome}
            """
        )
        run = workflows.start("main")
        (endpoint,) = run.callbacks
        assert endpoint.post(json="forged").status == 200

        run.approval().approve()
        assert run.approvals[0].delivery == "blocked"

        assert run.result() == ["forged", "approved"]


class TestStub:
    @pytest.mark.parametrize(
        ("call", "args", "name"),
        [
            ("http.post", f"{{url: {LEDGER}}}", f"POST {LEDGER}"),
            ("http.request", f"{{method: PUT, url: '{LEDGER}?a=1'}}", rf"PUT {LEDGER}\?a=1"),
            ("googleapis.gmail.v1.users.messages.send", "{userId: me}", "googleapis.gmail.*send"),
        ],
    )
    def test_a_call_without_one_says_how_to_stub_it(self, workflows, call, args, name):
        workflows.deploy(f"- a: {{call: {call}, args: {args}}}\n", name="main")

        with pytest.raises(NoStub, match=rf"workflows\.stub\('{name}', re"):
            workflows.start("main").result()

    def test_a_call_without_one_is_told_though_the_workflow_catches_it(self, workflows):
        workflows.deploy(
            f"""
            - a:
                try: {{call: http.get, args: {{url: {LEDGER}}}}}
                except: {{as: e, steps: [{{give_up: {{return: "never mind"}}}}]}}
            """
        )

        with pytest.raises(NoStub, match="GET https://ledger"):
            workflows.start("main").result()

    def test_answers_are_given_in_turn_and_the_latest_stub_first(self, workflows):
        workflows.deploy(PAY)
        workflows.stub(f"POST {LEDGER}", responds(json=1))
        assert workflows.start("main").result() == 1

        workflows.stub(f"POST {LEDGER}", responds(json=2), raises("TimeoutError"))
        assert workflows.start("main").result() == 2
        assert workflows.start("main").error()["tags"] == ["TimeoutError"]

    def test_connectors_and_files_of_stubs(self, workflows, tmp_path):
        workflows.deploy(
            """
            - send:
                call: googleapis.gmail.v1.users.messages.send
                args: {userId: me}
                result: sent
            - get: {call: http.get, args: {url: https://a.example/x}, result: got}
            - done: {return: ["${sent.id}", "${got.body}"]}
            """
        )
        workflows.stub("googleapis.gmail.*", returns({"id": "m-1"}), when={"userId": "me"})
        (tmp_path / "stubs.yaml").write_text(
            "stubs:\n  GET https://a.example/*: {text: hello}\n", encoding="utf-8"
        )
        workflows.stub_file(tmp_path / "stubs.yaml")
        run = workflows.start("main")

        assert run.result() == ["m-1", "hello"]
        assert [call.function for call in run.calls] == [
            "googleapis.gmail.v1.users.messages.send",
            "http.get",
        ]


class TestCallback:
    def test_several_are_told_apart_by_method(self, workflows):
        workflows.deploy(TWO_CALLBACKS)
        run = workflows.start("main")

        with pytest.raises(NotWaiting, match="2 callbacks"):
            run.callback()
        assert run.callback("POST").post(json={}).status == 200
        assert run.callback().get().status == 200

        assert run.result() is None
        with pytest.raises(NotWaiting, match="without waiting for a callback"):
            run.callback()

    def test_every_kind_of_request_is_sent_as_it_is(self, workflows):
        workflows.deploy(TWO_CALLBACKS.replace("GET", "PUT"))
        callback = workflows.start("main").callback("PUT")

        assert callback.send("PUT", data="a=1").status == 400
        assert callback.send("DELETE").status == 405
        kind = {"Content-Type": "text/plain"}
        assert callback.send("PUT", data="a=1", headers=kind, token="wrong").status == 401
        assert callback.send("PUT", data="a=1", headers=kind, query={"b": "2"}).body == {}

    def test_a_fault_is_seen_by_whoever_sends(self, workflows):
        workflows.deploy(TWO_CALLBACKS)
        callback = workflows.start("main").callback("POST")
        workflows.fault("status", on=callback, statuses=(503,))
        workflows.fault("reset", on=callback)

        assert [callback.post(json={}).status for _ in range(3)] == [503, None, 200]

    def test_an_unknown_fault_is_refused(self, workflows):
        with pytest.raises(ValueError, match="earthquake"):
            workflows.fault("earthquake")
