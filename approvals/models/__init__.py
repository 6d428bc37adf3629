"""The tables: one aggregate (an approval with its votes, delivery and record), people, callers."""

from approvals.models.approval import Approval
from approvals.models.caller import ApiKey, Caller
from approvals.models.delivery import Attempt, Delivery
from approvals.models.errors import (
    AlreadyClosed,
    AlreadyRegistered,
    ApprovalError,
    CommentRequired,
    NotYours,
    UnknownApprover,
    UnknownOption,
    WasChanged,
)
from approvals.models.record import Event, Vote
from approvals.models.user import User

__all__ = [
    "AlreadyClosed",
    "AlreadyRegistered",
    "ApiKey",
    "Approval",
    "ApprovalError",
    "Attempt",
    "Caller",
    "CommentRequired",
    "Delivery",
    "Event",
    "NotYours",
    "UnknownApprover",
    "UnknownOption",
    "User",
    "Vote",
    "WasChanged",
]
