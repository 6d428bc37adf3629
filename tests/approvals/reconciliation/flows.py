"""A workflow that waits, as tests of reconciliation play it, and what they do again and again."""

import itertools
import uuid
from collections import Counter
from copy import copy
from dataclasses import dataclass, field

import requests
from django.db.models import F

from approvals.models import Approval, Execution, Workflow
from approvals.reconciliation import Reconciler
from tests.emulators import NUMBER, EmulatorProcess
from tests.factories import make_approval

WAITS = """
main:
  params: [argument]
  steps:
    - ask:
        call: events.create_callback_endpoint
        args: {http_callback_method: POST}
        result: asked
    - wait:
        call: events.await_callback
        args: {callback: "${asked}", timeout: 86400}
        result: answer
    - decide:
        switch:
          - condition: ${"fail" in answer.http_request.body}
            raise: It is broken
          - condition: ${"again" in answer.http_request.body}
            next: ask
          - condition: ${"work" in answer.http_request.body}
            next: work
        next: end
    - work:
        call: sys.sleep
        args: {seconds: 86400}
"""
_number = itertools.count(1)


def whole(emulator):
    """Take all faults back."""
    requests.delete(f"{emulator.url}/emulator/faults", timeout=10).raise_for_status()


@dataclass
class Flow:
    """A workflow of this test alone."""

    emulator: EmulatorProcess
    id: str = field(default_factory=lambda: f"flow-{next(_number)}")

    @property
    def name(self):
        return f"projects/{NUMBER}/locations/us-central1/workflows/{self.id}"

    def run(self):
        return self.emulator.execute(self.id)

    def asked(self, **fields):
        """An execution that waits, and the approval that it has registered."""
        execution = self.run()
        approval = make_approval(callback_url=execution.callback_url(), **fields)
        return execution, approval

    def fault(self, kind, *, of="executions", **more):
        """Order a fault of lists (`of`), or of one execution (its id)."""
        path = f"/v1/*/workflows/{self.id}/{of}"
        body = {"kind": kind, "path": path, "method": "GET", **more}
        url = f"{self.emulator.url}/emulator/faults"
        requests.post(url, json=body, timeout=10).raise_for_status()


@dataclass
class Asked:
    """What was asked of Google, in order; everything is let through."""

    urls: list[str] = field(default_factory=list)

    @property
    def kinds(self):
        """How many lists, looks at one, and lists of callbacks."""
        last = Counter(url.rpartition("/")[2] for url in self.urls)
        named = {name: last.pop(name, 0) for name in ("executions", "callbacks", "workflows")}
        return {"one": last.total(), **named}


def work(reconciler=None):
    """Rounds until there is nothing to do."""
    reconciler = reconciler or Reconciler(rate=1000)
    for _ in range(500):
        if not reconciler():
            return
    raise AssertionError("it never comes to rest")


def let_pass(time):
    """As if everything had been done so much earlier."""
    for model, columns in (
        (Execution, ("look_at", "looked_at", "unregistered_since")),
        (Workflow, ("list_at", "listed_at")),
    ):
        model.objects.update(**{name: F(name) - time for name in columns})


def end(execution, state):
    """Bring it to its end, in this state."""
    if state == "CANCELLED":
        execution.emulator.ask("POST", f"{execution.name}:cancel", json={})
    else:
        execution.send({"fail": 1} if state == "FAILED" else {"fine": 1})
    assert execution.wait()["state"] == state


def kept(execution):
    return Execution.objects.get(pk=execution.name)


STATES = ("SUCCEEDED", "FAILED", "CANCELLED")
WORDS = {
    "SUCCEEDED": "The workflow finished without waiting for the answer.",
    "FAILED": "The workflow failed before the request was answered.",
    "CANCELLED": "The workflow was cancelled before the request was answered.",
}


def another(execution, url):
    """The URL of the callback it waits at, if that is not this one."""
    found = execution.callback_url()
    return found if found != url else None


def like_it(approval, names):
    """The same request, of each of these executions."""
    rows = []
    for name in names:
        row = copy(approval)
        row.pk, row.execution, row.callback_url = uuid.uuid4(), name, f"{name}/callbacks/a"
        rows.append(row)
    Approval.objects.bulk_create(rows)
