"""One execution in each mode, what people, processes and Google do to it, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db.models import F
from django.utils import timezone
from google.auth.credentials import Credentials
from google.auth.exceptions import TransportError

from approvals.delivery import deliver
from approvals.google import callbacks
from approvals.models import AlreadyRegistered, Approval, Attempt, Delivery
from tests.emulators import APP, EmulatorProcess, eventually
from tests.factories import make_approval, make_caller, make_group, make_user

SOURCE = """
main:
  params: [input]
  steps:
    - create:
        call: events.create_callback_endpoint
        args: {http_callback_method: "POST"}
        result: endpoint
    - register:
        call: http.post
        args:
          url: ${sys.get_env("INBOX") + "/api/v1/approvals"}
          auth: {type: OIDC, audience: '${sys.get_env("INBOX")}'}
          body:
            title: "Ship it?"
            callback_url: ${endpoint.url + input.wrong}
            approvers: ["group:managers"]
        result: registered
    - come_late:
        call: sys.sleep
        args: {seconds: "${input.before}"}
    - wait:
        steps:
          - begin:
              assign: [{reason: "woken"}, {outcome: "none"}]
          - await:
              try:
                call: events.await_callback
                args: {callback: "${endpoint}", timeout: "${input.timeout}"}
                result: answer
              except:
                as: e
                steps:
                  - too_late:
                      assign: [{reason: "timeout"}]
          - choose:
              switch:
                - condition: ${input.settles}
                  next: settle
                - condition: ${reason == "timeout"}
                  next: go_on
          - branch_on_the_body:
              assign: [{outcome: "${answer.http_request.body.outcome}"}]
              next: go_on
          - settle:
              call: http.post
              args:
                url: ${sys.get_env("INBOX") + "/api/v1/approvals/" + registered.body.id + "/settle"}
                auth: {type: OIDC, audience: '${sys.get_env("INBOX")}'}
                body: {reason: "${reason}"}
              result: settled
          - branch_on_the_record:
              assign: [{outcome: "${settled.body.outcome}"}]
          - woken_for_nothing:
              switch:
                - condition: ${outcome == "pending"}
                  next: begin
    - go_on:
        call: sys.sleep
        args: {seconds: "${input.after}"}
    - fail:
        switch:
          - condition: ${input.fails}
            raise: "out of paper"
    - give_back:
        return: ${outcome}
"""
STRANGER = "stranger@emulator.invalid"
FORGED = {"outcome": "forged", "decision_id": "of somebody else"}


class Account(Credentials):
    """Credentials with the emulator's own tokens; or with what `tokens` says instead."""

    def __init__(self, emulator: EmulatorProcess) -> None:
        super().__init__()
        self.emulator, self.tokens = emulator, "good"
        self.turn("good")

    def turn(self, tokens: str) -> None:
        """From now on: good, revoked, of a stranger without a role, or none to be had."""
        self.tokens = tokens
        self.token = None if tokens == "none" else self._fresh()

    def refresh(self, request: Any) -> None:
        if self.tokens == "none":
            raise TransportError("the metadata server is down")
        self.token = self._fresh()

    def _fresh(self) -> str:
        if self.tokens == "revoked":
            return "ya29.revoked"
        return self.emulator.token(STRANGER if self.tokens == "stranger" else APP)


@dataclass
class Scene:
    """One execution, its approval, and what happens to them."""

    emulator: EmulatorProcess
    account: Account
    settles: bool
    given: dict[str, Any]
    attended: list[bool | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ana = make_user("ana@example.com")
        make_group("managers", self.ana)
        make_caller(projects="123456789012")
        argument = {"before": 0, "timeout": 5000, "after": 1000, "fails": False, "wrong": ""}
        self.execution = self.emulator.execute(
            "protocol", argument | self.given | {"settles": self.settles}
        )
        self.approval = eventually(Approval.objects.first, "the approval")
        self.rest()

    def rest(self) -> None:
        """Wait until the execution can do nothing more by itself."""
        self.clock("0s")

    def clock(self, seconds: str) -> None:
        url = f"{self.emulator.url}/emulator/clock"
        requests.post(url, json={"advance": seconds}, timeout=20).raise_for_status()

    def order(self, **fault: Any) -> None:
        about = {"method": "POST", "execution": self.execution.id} | fault
        url = f"{self.emulator.url}/emulator/faults"
        requests.post(url, json=about, timeout=20).raise_for_status()

    # What people and processes do

    def decide(self) -> None:
        self.approval.decide("approved", by=self.ana, revision=1)

    def claim(self) -> Delivery:
        Delivery.objects.exclude(state__in=["confirmed", "missed"]).update(
            next_attempt_at=timezone.now()
        )
        claimed = Delivery.objects.claim_next()
        assert claimed is not None
        return claimed

    def round(self) -> None:
        """A round of a worker, if the delivery has not come to its end."""
        if self.delivery.next_attempt_at is not None:
            deliver(self.claim())
        self.rest()

    def dies_before_sending(self) -> None:
        self.claim().begin_attempt()

    def dies_after_sending(self) -> None:
        claimed = self.claim()
        claimed.begin_attempt()
        callbacks.post(claimed.approval.callback_url, claimed.body)
        self.rest()

    def dies_after_noting(self) -> None:
        claimed = self.claim()
        attempt = claimed.begin_attempt()
        callbacks.post(claimed.approval.callback_url, claimed.body)
        attempt.finish(Attempt.Result.STORED, status=200, detail="HTTP 200")
        self.rest()

    def is_put_back_by_hand(self) -> None:
        self.delivery.requeue(actor="user:olga@example.com")

    def forge(self) -> None:
        """Somebody else with the right to send callbacks answers the workflow directly."""
        self.execution.send(FORGED, url=self.approval.callback_url)
        self.rest()

    def register_another_for_the_same_endpoint(self) -> None:
        with pytest.raises(AlreadyRegistered):
            make_approval(callback_url=self.approval.callback_url, title="And this?")

    def what_was_on_its_way_arrives(self) -> None:
        """A request that its sender has given up, late."""
        callbacks.post(self.approval.callback_url, self.delivery.body)
        self.rest()

    def cancel(self) -> None:
        self.emulator.ask("POST", f"{self.execution.name}:cancel")
        self.rest()

    # What came of it

    @property
    def delivery(self) -> Delivery:
        return Delivery.objects.select_related("approval").get()

    @property
    def received(self) -> list[dict[str, Any]]:
        """The requests with our decision that reached Google."""
        path = f"/emulator/executions/{self.execution.id}/received"
        listed = requests.get(self.emulator.url + path, timeout=20).json()["received"]
        ours = str(Delivery.objects.get().pk)
        return [each for each in listed if ours in str(each["request"])]


Act = Callable[[Scene], None]


def fault(kind: str, **more: Any) -> Act:
    return lambda it: it.order(kind=kind, **more)


def cannot_look(status: int) -> Act:
    return fault("status", statuses=[status], method="GET")


def tokens(which: str) -> Act:
    return lambda it: it.account.turn(which)


def later(seconds: float) -> Act:
    """Our record is so much older."""
    by = timedelta(seconds=seconds)

    def act(it: Scene) -> None:
        Attempt.objects.update(started_at=F("started_at") - by)
        Delivery.objects.update(stored_at=F("stored_at") - by)

    return act


def clock(seconds: int) -> Act:
    return lambda it: it.clock(f"{seconds}s")
