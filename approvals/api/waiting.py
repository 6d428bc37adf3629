"""What waits for a person, for a program of their own."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema
from ninja.errors import HttpError

from approvals.api.auth import PersonalTokenAuth, SessionAuth
from approvals.api.documented import LIST, documented
from approvals.inbox import needs, page_of
from approvals.models import Approval, User

router = Router(auth=[PersonalTokenAuth(), SessionAuth()])


class WaitingOut(Schema):
    """One approval that waits; what else is to be read stands in its ballot."""

    approval_id: UUID
    url: str = Field(description="Its page.")
    title: str
    type: str
    priority: str
    requested_by: str
    revision: int
    created_at: datetime
    expires_at: datetime | None


class WaitingPage(Schema):
    """Those that wait, the most pressing first."""

    approvals: list[WaitingOut]
    next_cursor: UUID | None = Field(description="Send it as `cursor` for those that follow.")


@router.get("/me/approvals", **documented("waiting", {200: WaitingPage}, *LIST))
def list_waiting(
    request: HttpRequest, cursor: Annotated[UUID | None, Query()] = None
) -> WaitingPage:
    """What waits for your answer, as the inbox orders it, a page of 50 at a time. For people."""
    person: User = request.auth  # type: ignore[attr-defined]  # set by ninja
    after = Approval.objects.visible_to(person).filter(pk=cursor).first() if cursor else None
    if cursor and after is None:
        raise HttpError(400, "This cursor is not one of ours. Start without it.")
    page = page_of(needs(person), after=after)
    return WaitingPage(approvals=list(map(_waiting, page.rows)), next_cursor=page.last)


def _waiting(approval: Approval) -> WaitingOut:
    names = WaitingOut.model_fields.keys() - {"approval_id"}
    told = {name: getattr(approval, name) for name in names}
    return WaitingOut(approval_id=approval.pk, **told)
