"""Both inboxes, the real one and the one of the tests, asked the same."""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
import requests

from approvals import identity
from approvals.models import Approval, User
from approvals.models.errors import ApprovalError
from emulator.testing import AnswerRefused, Workflows
from emulator.testing.inbox_api import APPROVALS
from tests.approvals.tokens import ACCOUNT, AUDIENCE, certificates, id_token
from tests.factories import make_caller, make_group, make_user

Answer = tuple[int, Any]
Send = Callable[..., Answer]
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
STAGES = [
    {"approvers": ["group:managers"], "votes_needed": "everyone", "name": "Check"},
    {"approvers": ["user:ana@example.com"]},
]
FORM = {
    "type": "object",
    "properties": {
        "amount": {"type": "number", "minimum": 1},
        "note": {"type": "string", "default": "-"},
    },
    "required": ["amount"],
}
PLAIN = {"title": "Pay ACME", "approvers": ["group:managers"], "requested_by": "eva@example.com"}


@cache
def good_token() -> str:
    """Made once, for it takes long."""
    return id_token()


def endpoint(origin: str, execution: str, name: str = "a") -> str:
    return (
        f"{origin}/v1/projects/123456789012/locations/us-central1/workflows/pay"
        f"/executions/{execution}/callbacks/{name}_{execution}"
    )


@dataclass
class Both:
    """The real inbox and the one of the tests; `real` and `played` send one request."""

    origin: str
    real: Send
    played: Send
    workflows: Workflows
    told: dict[Send, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str = "", body: Any = ..., token: Any = ..., **headers: str
    ) -> Answer:
        """The answer, if both give the same, IDs and times aside.

        Args:
            path: below that of all approvals; `{}` is the ID of the one that was told of last.
        """
        answers = []
        for send in (self.real, self.played):
            address = APPROVALS + path.replace("{}", self.told.get(send, ""))
            status, told = send(method, address, body, token, headers)
            if isinstance(told, dict) and "id" in told:
                self.told[send] = told["id"]
            answers.append((status, told))
        real, played = answers
        assert masked(played) == masked(real)
        return played

    def register(self, *, key: str = "", callback: str = "", **fields: Any) -> Answer:
        url = callback or endpoint(self.origin, str(uuid.uuid4()))
        headers = {"Idempotency-Key": key} if key else {}
        return self.ask("POST", body={**PLAIN, "callback_url": url, **fields}, **headers)

    def decide(
        self, outcome: str, by: User, comment: str = "", form: dict[str, Any] | None = None
    ) -> None:
        """The same answer in both; both take it, or refuse it."""
        approval = Approval.objects.get(pk=self.told[self.real])
        played = self.workflows.inbox.approvals[-1]
        given: dict[str, Any] = {"comment": comment, "form": form or {}}
        try:
            approval.decide(outcome, by=by, revision=approval.revision, **given)
            refused = ""
        except ApprovalError as error:
            refused = str(error)
        if not refused:
            played.choose(outcome, by=f"{by} <{by.email}>", **given)
            return
        with pytest.raises(AnswerRefused) as told:
            played.choose(outcome, by=f"{by} <{by.email}>", **given)
        assert str(told.value).split()[:2] == refused.split()[:2]


def masked(answer: Answer) -> Answer:
    """Without what is different each time, and without how deliveries go."""
    status, body = answer
    text = re.sub(UUID, "UUID", json.dumps(body, sort_keys=True))
    text = re.sub(r'"[0-9a-f]{64}"', '"DIGEST"', text)
    text = re.sub(TIME, "TIME", text).replace(AUDIENCE, "BASE")
    text = re.sub(r'"delivery": "\w+"', '"delivery": "STATE"', text)
    text = re.sub(r" on (TIME|\d+ \w+ \d{4}, \d\d:\d\d \w+)\.", " on TIME.", text)
    return status, json.loads(re.sub(r'"next_cursor": "[^"]+"', '"next_cursor": "CURSOR"', text))


@pytest.fixture
def both(db, client, settings, workflows, monkeypatch):
    """Both inboxes, with the same people, the same caller and the same address."""
    site = workflows._site
    origin = site.services.settings.base_url
    settings.WORKFLOWS_EMULATOR_HOST = origin
    monkeypatch.setattr(identity, "google_keys", identity.Keys(certificates))
    people = [make_user(f"{name.lower()}@example.com", first=name) for name in ("Ana", "Ben")]
    make_group("managers", *people)
    make_caller(ACCOUNT)
    address = site.api_address
    site.inbox.url = AUDIENCE
    site.api.certificates = certificates
    workflows.inbox.has_group("managers", *(f"{who} <{who.email}>" for who in people))
    workflows.inbox.knows_only(ACCOUNT)

    def headers_of(token: Any, headers: dict[str, str]) -> dict[str, str]:
        shown = good_token() if token is ... else token
        return {**({"Authorization": f"Bearer {shown}"} if shown else {}), **headers}

    def text_of(body: Any) -> bytes:
        if body is ...:
            return b""
        return body if isinstance(body, bytes) else json.dumps(body).encode()

    def real(method, path, body, token, headers):
        sent = headers_of(token, headers)
        kind = {"content_type": "application/json"}
        answer = client.generic(method, path, text_of(body), headers=sent, **kind)
        return answer.status_code, answer.json()

    def played(method, path, body, token, headers):
        sent = {"Content-Type": "application/json", **headers_of(token, headers)}
        answer = requests.request(
            method, address + path, data=text_of(body), headers=sent, timeout=10
        )
        return answer.status_code, answer.json()

    return Both(origin, real, played, workflows)
