"""The JSON API: workflows register questions and settle outcomes.

Callers are programs. Nothing here can vote: people answer on the pages.
"""

import base64
import binascii
import json
import logging
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Header, NinjaAPI, Query, Status
from ninja.errors import AuthenticationError, HttpError
from ninja.parser import Parser
from ninja.security import HttpBearer

from approvals import delivery, identity, registration
from approvals.callbacks import CallbackAddress
from approvals.middleware import unavailable
from approvals.models import ApiKey, Approval, ApprovalError, Caller, UnknownApprover
from approvals.models.caller import KEY_PREFIX, digest
from approvals.models.content import PENDING
from approvals.registration import Place
from approvals.schemas import (
    ApprovalIn,
    ApprovalOut,
    ApprovalPage,
    Outcome,
    OutcomeIn,
    Pending,
    Problem,
    SettleIn,
    Text,
    WithdrawIn,
)
from approvals.terms import TermsRefused

log = logging.getLogger(__name__)

PAGE = 50
MAX_DEPTH = 16


class BadBody(ValueError):
    """A body that is not JSON, or none that both databases can keep; the message says why."""


class StrictJson(Parser):
    """JSON that both databases can keep: no NaN, no repeated keys, not deep."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            body = json.loads(
                request.body, parse_constant=_no_constant, object_pairs_hook=_no_repeats
            )
        except BadBody:
            raise
        except (ValueError, RecursionError):
            raise BadBody("The body is not JSON.") from None
        if _depth(body) > MAX_DEPTH:
            raise BadBody(f"The body is nested deeper than {MAX_DEPTH} levels.")
        return body


def _no_constant(name: str) -> Any:
    raise BadBody(f"{name} is not a JSON number.")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadBody("A key stands twice in one object.")
    return found


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        depth += 1
    return depth


class CallerAuth(HttpBearer):
    """`Authorization: Bearer` with a Google-signed ID token or an API key."""

    def authenticate(self, _request: HttpRequest, token: str) -> Caller:
        if token.startswith(KEY_PREFIX):
            return self._by_key(token)
        try:
            email = identity.service_account(token, settings.BASE_URL)
        except identity.Rejected as error:
            log.warning("token rejected", extra={"word": str(error)})
            raise HttpError(
                401,
                "The token was not accepted. Send an OIDC ID token with"
                f" audience {settings.BASE_URL}, or an API key.",
            ) from None
        except identity.KeysUnavailable:
            raise HttpError(
                503, "The token cannot be checked just now. Please try again."
            ) from None
        caller = Caller.objects.filter(email=email, is_active=True).first()
        if caller is None:
            log.warning("unknown caller", extra={"email": email})
            raise HttpError(
                403, f"{email} may not register approvals. An operator can add it as a caller."
            )
        return caller

    def _by_key(self, token: str) -> Caller:
        keys = ApiKey.objects.usable().filter(digest=digest(token))
        key = keys.select_related("caller").first()
        if key is None:
            raise HttpError(401, "This API key is unknown or was revoked.")
        key.note_use()
        return key.caller


api = NinjaAPI(
    title="Countersign",
    version="1",
    description="Register a question for people; settle its outcome. See docs/api.md.",
    auth=CallerAuth(),
    parser=StrictJson(),
    urls_namespace="api",
)
REFUSALS = {frozenset({400, 401, 403, 409, 413, 422, 503}): Problem}
READ_REFUSALS = {frozenset({401, 403, 404, 503}): Problem}
CHANGE_REFUSALS = {frozenset({400, 401, 403, 404, 409, 413, 422, 503}): Problem}


@api.exception_handler(AuthenticationError)
def no_credentials(request: HttpRequest, _error: AuthenticationError) -> HttpResponse:
    response = api.create_response(
        request,
        {"detail": "Send `Authorization: Bearer` with an OIDC ID token or an API key."},
        status=401,
    )
    response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Ninja hides why a body could not be parsed behind one sentence; ours says it."""
    why = error.__cause__ if isinstance(error.__cause__, BadBody) else error
    return api.create_response(request, {"detail": str(why)}, status=error.status_code)


@api.exception_handler(RequestDataTooBig)
def too_large(request: HttpRequest, _error: RequestDataTooBig) -> HttpResponse:
    detail = "The body is larger than 256 kB. Link to large texts instead."
    return api.create_response(request, {"detail": detail}, status=413)


@api.exception_handler(Http404)
def not_found(request: HttpRequest, _error: Http404) -> HttpResponse:
    detail = "There is no such approval among those that you registered."
    return api.create_response(request, {"detail": detail}, status=404)


@api.exception_handler(Exception)
def trouble(request: HttpRequest, error: Exception) -> HttpResponse:
    """Whatever else goes wrong is ours: a 503, which workflows try again, never a 500."""
    if isinstance(error, DataError):
        detail = "The request holds text that cannot be kept."
        return api.create_response(request, {"detail": detail}, status=400)
    log.error("trouble", extra={"path": request.path, "kind": type(error).__name__})
    return unavailable(request)


@api.exception_handler(UnknownApprover)
def unknown_approver(request: HttpRequest, error: UnknownApprover) -> HttpResponse:
    return _invalid(request, "approvers", str(error))


@api.exception_handler(ApprovalError)
def refused(request: HttpRequest, error: ApprovalError) -> HttpResponse:
    return api.create_response(request, {"detail": str(error)}, status=409)


def _invalid(request: HttpRequest, field: str, sentence: str) -> HttpResponse:
    """The 422 of ninja's own validation, for rules that need the database."""
    problem = {"type": "value_error", "loc": ["body", "body", field], "msg": sentence}
    return api.create_response(request, {"detail": [problem]}, status=422)


def _caller(request: HttpRequest) -> Caller:
    caller: Caller = request.auth  # type: ignore[attr-defined]  # set by ninja
    return caller


def _own(request: HttpRequest, approval_id: UUID) -> Approval:
    """This caller's approval; others' are as unknown as none."""
    mine = Approval.objects.filter(caller=_caller(request)).select_related("decided_by")
    return get_object_or_404(mine, pk=approval_id)


@api.post(
    "/approvals",
    response={201: ApprovalOut, 200: ApprovalOut, **REFUSALS},
    summary="Register a question",
)
def register(
    request: HttpRequest,
    body: ApprovalIn,
    idempotency_key: Annotated[
        str | None, Header(max_length=200, pattern=r"^[\x20-\x7e]*$")
    ] = None,
) -> Status[Approval] | HttpResponse:
    """Register one question for people; the answer is posted to `callback_url`.

    A repetition with the same content is answered with the approval that exists (200).
    """
    address = CallbackAddress.parse(body.callback_url)
    caller = _caller(request)
    if not caller.owns(address.project):
        sentence = f"{caller.name} may not name callbacks of project {address.project}."
        return _invalid(request, "callback_url", sentence)
    place = Place(address.url, address.execution_name, idempotency_key or None)
    content = body.model_dump(mode="json", exclude={"callback_url"})
    try:
        approval, created = registration.register(caller, place, content)
    except TermsRefused as refused:
        return _invalid(request, refused.field, str(refused))
    log.info("registered" if created else "registered again", extra={"approval": str(approval.pk)})
    return Status(201 if created else 200, approval)


@api.get("/approvals", response={200: ApprovalPage, 400: Problem, **READ_REFUSALS})
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
        Approval.objects.filter(caller=_caller(request))
        .filter(**{name: value for name, value in wanted.items() if value is not None})
        .select_related("decided_by", "delivery")
        .prefetch_related("approvers__user", "approvers__group")
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


@api.get("/approvals/{uuid:approval_id}", response={200: ApprovalOut, **READ_REFUSALS})
def get_approval(request: HttpRequest, approval_id: UUID) -> Approval:
    """One of your approvals."""
    return _own(request, approval_id)


@api.post(
    "/approvals/{uuid:approval_id}/settle", response={200: Outcome | Pending, **CHANGE_REFUSALS}
)
def settle(request: HttpRequest, approval_id: UUID, body: SettleIn) -> dict[str, Any]:
    """The recorded outcome (the callback body). Undecided: `woken` is told `pending`,
    `timeout` closes it, and that is the answer ever after."""
    approval = _own(request, approval_id)
    actor = _caller(request).actor
    payload = approval.settle(timed_out=body.reason == "timeout", actor=actor)
    log.info("settled", extra={"approval": str(approval.pk), "outcome": approval.status})
    return payload or {"approval_id": approval.pk, "outcome": PENDING}


@api.post("/approvals/{uuid:approval_id}/withdraw", response={200: ApprovalOut, **CHANGE_REFUSALS})
def withdraw(request: HttpRequest, approval_id: UUID, body: WithdrawIn) -> Approval:
    """The workflow no longer needs the answer. 409 when it was decided before."""
    approval = _own(request, approval_id)
    approval.withdraw(body.reason, actor=_caller(request).actor)
    delivery.deliver_now(approval.delivery)
    return _own(request, approval_id)


@api.post("/approvals/{uuid:approval_id}/outcome", response={200: ApprovalOut, **CHANGE_REFUSALS})
def outcome(request: HttpRequest, approval_id: UUID, body: OutcomeIn) -> Approval:
    """What the workflow did with the answer; the people involved see it."""
    approval = _own(request, approval_id)
    approval.report(body.status, body.message, body.url, actor=_caller(request).actor)
    return approval
