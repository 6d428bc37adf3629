"""What programs ask: register a question, look at it, settle it, say what came of it."""

import base64
import binascii
import logging
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Header, Query, Router, Status
from ninja.errors import HttpError

from approvals import dispatch, registration
from approvals.api.answers import (
    ApprovalOut,
    ApprovalPage,
    Outcome,
    Pending,
    with_all_that_is_shown,
)
from approvals.api.auth import CallerAuth
from approvals.api.documented import CHANGE, LIST, READ, REGISTER, documented
from approvals.api.errors import Invalid
from approvals.api.preview import CheckOut, preview
from approvals.google.addresses import CallbackAddress
from approvals.models import Approval, Caller
from approvals.models.content import PENDING
from approvals.models.querysets import ApprovalQuerySet
from approvals.registration import Place
from approvals.schemas import ApprovalIn, CheckIn
from countersign.bodies import OutcomeIn, SettleIn, Text, WithdrawIn

log = logging.getLogger(__name__)

PAGE = 50
router = Router(auth=CallerAuth())
Key = Annotated[str | None, Header(max_length=200, pattern=r"^[\x20-\x7e]*$")]


def _caller(request: HttpRequest) -> Caller:
    caller: Caller = request.auth  # type: ignore[attr-defined]  # set by ninja
    return caller


def _mine(request: HttpRequest) -> ApprovalQuerySet:
    return with_all_that_is_shown(Approval.objects.filter(caller=_caller(request)))


def _own(request: HttpRequest, approval_id: UUID) -> Approval:
    """This caller's approval; others' are as unknown as none."""
    return get_object_or_404(_mine(request), pk=approval_id)


def _place(caller: Caller, callback_url: str, key: str | None) -> Place:
    """Where the answer goes. Raises `Invalid` for another caller's project."""
    address = CallbackAddress.parse(callback_url)
    if not caller.owns(address.project):
        sentence = f"{caller.name} may not name callbacks of project {address.project}."
        raise Invalid({("callback_url",): sentence})
    return Place(address.url, address.execution_name, key or None)


def _content(body: ApprovalIn) -> dict[str, Any]:
    return body.model_dump(mode="json", exclude={"callback_url"})


@router.post(
    "/approvals",
    **documented("register", {201: ApprovalOut, 200: ApprovalOut}, *REGISTER),
)
def register(
    request: HttpRequest, body: ApprovalIn, idempotency_key: Key = None
) -> Status[Approval]:
    """Register one question for people; the answer is posted to `callback_url`.

    A repetition with the same content is answered with the approval that exists (200).
    """
    caller = _caller(request)
    place = _place(caller, body.callback_url, idempotency_key)
    approval, created = registration.register(caller, place, _content(body))
    log.info("registered" if created else "registered again", extra={"approval": str(approval.pk)})
    return Status(201 if created else 200, _own(request, approval.pk))


@router.post("/approvals/check", **documented("check", {200: CheckOut}, *REGISTER))
def check(request: HttpRequest, body: CheckIn, idempotency_key: Key = None) -> CheckOut:
    """What registering this would do: who is asked and why, until when, what is sent back.

    Nothing is stored, and nobody is told or invited. It is refused where registering would be.
    """
    caller = _caller(request)
    place = _place(caller, body.callback_url, idempotency_key) if body.callback_url else None
    content = _content(body)
    planned, existing = registration.check(caller, place, content)
    return preview(planned, content, existing)


@router.get("/approvals", **documented("list", {200: ApprovalPage}, *LIST))
def list_approvals(  # noqa: PLR0917 - query parameters, always named
    request: HttpRequest,
    status: Annotated[Text | None, Query(max_length=50)] = None,
    type: Annotated[Text | None, Query(max_length=100)] = None,  # noqa: A002 - the contract's name
    execution: Annotated[Text | None, Query(max_length=400)] = None,
    requested_by: Annotated[Text | None, Query(max_length=254)] = None,
    cursor: Annotated[Text | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """Your own approvals, newest first, a page of 50 at a time."""
    wanted = {
        "status": status,
        "type": type,
        "execution": execution,
        "requested_by": requested_by,
    }
    rows = (
        _mine(request)
        .filter(**{name: value for name, value in wanted.items() if value is not None})
        .order_by("-created_at", "-pk")
    )
    if cursor:
        rows = rows.after(*_read_cursor(cursor))
    page = list(rows[: PAGE + 1])
    more = len(page) > PAGE
    return {
        "approvals": page[:PAGE],
        "next_cursor": _write_cursor(page[PAGE - 1]) if more else None,
    }


def _write_cursor(approval: Approval) -> str:
    text = f"{approval.created_at.isoformat()} {approval.pk}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, _, pk = base64.urlsafe_b64decode(cursor).decode().partition(" ")
        return datetime.fromisoformat(at).astimezone(UTC), UUID(pk)
    except (ValueError, OverflowError, binascii.Error):
        raise HttpError(400, "This cursor is not one of ours. Start without it.") from None


@router.get("/approvals/{uuid:approval_id}", **documented("read", {200: ApprovalOut}, *READ))
def get_approval(request: HttpRequest, approval_id: UUID) -> Approval:
    """One of your approvals, as it is now."""
    return _own(request, approval_id)


@router.post(
    "/approvals/{uuid:approval_id}/settle",
    **documented("settle", {200: Outcome | Pending}, *CHANGE),
)
def settle(request: HttpRequest, approval_id: UUID, body: SettleIn) -> dict[str, Any]:
    """The recorded outcome (the callback body). Undecided: `woken` is told `pending`,
    `timeout` closes it, and that is the answer ever after."""
    approval = _own(request, approval_id)
    actor = _caller(request).actor
    payload = approval.settle(timed_out=body.reason == "timeout", actor=actor)
    log.info("settled", extra={"approval": str(approval.pk), "outcome": approval.status})
    return payload or {"approval_id": approval.pk, "outcome": PENDING}


@router.post(
    "/approvals/{uuid:approval_id}/withdraw",
    **documented("withdraw", {200: ApprovalOut}, *CHANGE),
)
def withdraw(request: HttpRequest, approval_id: UUID, body: WithdrawIn) -> Approval:
    """The workflow no longer needs the answer. 409 when it was decided before."""
    approval = _own(request, approval_id)
    approval.withdraw(body.reason, actor=_caller(request).actor)
    dispatch.deliver_now(approval.outgoing)
    return _own(request, approval_id)


@router.post(
    "/approvals/{uuid:approval_id}/outcome",
    **documented("report", {200: ApprovalOut}, *CHANGE),
)
def outcome(request: HttpRequest, approval_id: UUID, body: OutcomeIn) -> Approval:
    """What the workflow did with the answer; the people involved see it."""
    approval = _own(request, approval_id)
    approval.report(body.status, body.message, body.url, actor=_caller(request).actor)
    return _own(request, approval_id)
