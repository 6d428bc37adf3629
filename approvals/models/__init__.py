"""The tables: one aggregate (an approval with its votes, delivery and record), people, callers."""

from approvals.models.alarm import Alarm
from approvals.models.approval import Approval
from approvals.models.caller import ApiKey, Caller
from approvals.models.channel import Channel
from approvals.models.delivery import Attempt, Delivery
from approvals.models.errors import (
    AlreadyClosed,
    AlreadyRegistered,
    ApprovalError,
    CannotHandOver,
    CommentRequired,
    FormInvalid,
    NotYours,
    TooLate,
    UnknownApprover,
    UnknownOption,
    WasChanged,
)
from approvals.models.execution import Execution
from approvals.models.notice import Notice
from approvals.models.policy import Policy, PolicyVersion
from approvals.models.preference import Preference
from approvals.models.record import Event, Vote
from approvals.models.saved_view import SavedView
from approvals.models.search_text import SearchText
from approvals.models.stand_in import StandIn
from approvals.models.started import Started
from approvals.models.timer import Timer
from approvals.models.token import PersonalToken
from approvals.models.user import User
from approvals.models.worker import Worker
from approvals.models.workflow import Workflow

__all__ = [
    "Alarm",
    "AlreadyClosed",
    "AlreadyRegistered",
    "ApiKey",
    "Approval",
    "ApprovalError",
    "Attempt",
    "Caller",
    "CannotHandOver",
    "Channel",
    "CommentRequired",
    "Delivery",
    "Event",
    "Execution",
    "FormInvalid",
    "NotYours",
    "Notice",
    "PersonalToken",
    "Policy",
    "PolicyVersion",
    "Preference",
    "SavedView",
    "SearchText",
    "StandIn",
    "Started",
    "Timer",
    "TooLate",
    "UnknownApprover",
    "UnknownOption",
    "User",
    "Vote",
    "WasChanged",
    "Worker",
    "Workflow",
]
