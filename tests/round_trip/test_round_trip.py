"""A workflow asks, a manager clicks, the workflow branches: real processes, real HTTP."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.emulators import eventually
from tests.round_trip.system import EXPENSE, Person

SIMPLE = """
main:
  params: [input]
  steps:
    - create:
        call: events.create_callback_endpoint
        args: {http_callback_method: "POST"}
        result: endpoint
    - ask:
        call: http.post
        args:
          url: ${sys.get_env("COUNTERSIGN_URL") + "/api/v1/approvals"}
          auth: {type: OIDC, audience: '${sys.get_env("COUNTERSIGN_URL")}'}
          body:
            title: "Ship it?"
            callback_url: ${endpoint.url}
            approvers: ["group:managers"]
    - wait:
        call: events.await_callback
        args: {callback: "${endpoint}", timeout: 86400}
        result: answer
    - linger:
        call: sys.sleep
        args: {seconds: 100}
    - branch:
        switch:
          - condition: ${answer.http_request.body.outcome == "approved"}
            return: ${answer.http_request.body}
    - otherwise:
        return: "not shipped"
"""


class TestApprove:
    def test_the_expense_is_paid_and_everybody_sees_it(self, system, ana):
        execution = system.emulator.execute("expense-approval", EXPENSE)
        approval = system.asked(execution)
        assert "Hotel in Lisbon" in ana.get("/").text

        answer = ana.decide(approval, "approved", "Enjoy.")

        assert answer.status_code == 303
        assert execution.result() == {"status": "paid", "amount": "1240 EUR"}
        system.delivery(execution, "confirmed")
        receipt = answer.headers["Location"]
        eventually(lambda: "Paid 1240 EUR" in ana.get(receipt).text, "the report")
        assert "The workflow has it" in ana.get(receipt).text

    def test_the_answer_that_the_workflow_settled_is_the_one_on_record(self, system, ana):
        execution = system.emulator.execute("expense-approval", EXPENSE)
        approval = system.asked(execution)
        ana.decide(approval, "approved")
        execution.result()

        [row] = system.approvals(execution)

        assert row["status"] == "approved"
        assert row["decided_by"] == {"email": "ana@example.com", "name": "Ana Almeida"}


class TestReject:
    def test_nothing_is_paid_and_the_requester_is_told_why(self, system, ben):
        execution = system.emulator.execute("expense-approval", EXPENSE | {"amount": 777})
        approval = system.asked(execution)

        assert ben.decide(approval, "rejected").status_code == 422
        assert ben.decide(approval, "rejected", "Over budget.").status_code == 303

        assert execution.result() == {"status": "rejected", "reason": "Over budget."}
        assert system.emulator.logged("your expense was rejected, Over budget.")
        assert not system.emulator.logged("Paid 777")


class TestNobodyIsAsked:
    def test_a_small_expense_is_paid_at_once(self, system):
        execution = system.emulator.execute("expense-approval", EXPENSE | {"amount": 99})

        assert execution.result()["status"] == "paid"
        assert system.approvals(execution) == []


class TestRights:
    def test_who_was_not_asked_finds_nothing_and_who_asked_cannot_decide(self, system, eva):
        execution = system.emulator.execute("expense-approval", EXPENSE)
        approval = system.asked(execution)
        page = f"/approvals/{approval}/"

        assert "Approve</" not in eva.get(page).text
        answer = eva.post(f"{page}decide/", {"outcome": "approved", "revision": "1"}, page="/")
        assert answer.status_code == 403
        assert system.approvals(execution)[0]["status"] == "pending"

    def test_a_page_without_its_token_decides_nothing(self, system, ana):
        execution = system.emulator.execute("expense-approval", EXPENSE)
        path = f"/approvals/{system.asked(execution)}/decide/"

        answer = ana.session.post(
            system.base + path, {"outcome": "approved", "revision": "1"}, timeout=20
        )

        assert answer.status_code == 403
        assert system.approvals(execution)[0]["status"] == "pending"


class TestForgedCallback:
    def test_a_payload_that_is_not_ours_changes_nothing(self, system, ana):
        execution = system.emulator.execute("expense-approval", EXPENSE)
        approval = system.asked(execution)

        forged = execution.send({"outcome": "approved", "approval_id": approval})
        assert forged.status_code == 200
        execution.callback_url()  # it has asked the inbox, and waits again
        assert execution.read()["state"] == "ACTIVE"

        ana.decide(approval, "rejected", "No.")
        assert execution.result()["status"] == "rejected"


class TestTimeout:
    def test_a_wait_that_times_out_closes_the_approval(self, start_system):
        system = start_system(time_scale=100_000)
        execution = system.emulator.execute("expense-approval", EXPENSE)

        assert execution.result(40) == {"status": "expired"}

        approval = system.approvals(execution)[0]
        assert (approval["status"], approval["delivery"]) == ("expired", "confirmed")
        late = Person(system.base, "ana@example.com").decide_directly(approval["id"], "approved")
        assert late.status_code == 409


class TestSimpleWorkflow:
    def test_one_that_only_reads_the_callback_is_served_as_well(self, system, ana):
        system.emulator.ask(
            "POST",
            f"{system.emulator.parent}/workflows",
            params={"workflowId": "simple"},
            json={"sourceContents": SIMPLE, "userEnvVars": {"COUNTERSIGN_URL": system.base}},
        )
        execution = system.emulator.execute("simple")
        approval = system.asked(execution)

        ana.decide(approval, "approved", "Go.")

        body = execution.result(30)
        assert (body["approval_id"], body["comment"]) == (approval, "Go.")
        assert system.delivery(execution, "confirmed")


class TestFiftyClicks:
    def test_one_of_fifty_wins_over_http(self, system, ana, ben):
        execution = system.emulator.execute("expense-approval", EXPENSE)
        approval = system.asked(execution)

        def click(number):
            person = (ana, ben)[number % 2]
            return person.decide_directly(approval, ("approved", "rejected")[number % 2], "Mine.")

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(click, range(50)))

        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [303] * 25 + [409] * 25  # the winner repeats, the other reads who won
        [row] = system.approvals(execution)
        loser = next(answer for answer in answers if answer.status_code == 409)
        assert row["decided_by"]["name"] in loser.text
        paid = {"approved": "paid", "rejected": "rejected"}[row["status"]]
        assert execution.result()["status"] == paid


class TestRefusedCredentials:
    @pytest.mark.parametrize(
        ("email", "audience", "expires_in", "status"),
        [
            ("workflow@emulator.invalid", "https://elsewhere.example", 3600, 401),
            ("workflow@emulator.invalid", None, -3600, 401),
            ("stranger@emulator.invalid", None, 3600, 403),
        ],
    )
    def test_a_token_that_is_not_right_registers_nothing(
        self, system, email, audience, expires_in, status
    ):
        token = system.emulator.id_token(audience or system.base, email, expires_in)

        answer = requests.post(
            f"{system.base}/api/v1/approvals",
            json={"title": "x"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
        )

        assert answer.status_code == status

    def test_no_log_holds_a_token(self, system):
        logs = [system.web.log, system.worker.log, system.emulator.output]
        text = "".join(log.read_text() for log in logs)

        assert "eyJ" not in text
        assert "ya29." not in text


class TestLogs:
    def test_every_line_of_web_and_worker_is_one_json_object(self, system):
        for log in (system.web.log, system.worker.log):
            for line in log.read_text().splitlines():
                assert {"time", "severity", "message"} <= set(json.loads(line))
