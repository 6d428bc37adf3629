"""What the domain refuses, each with a sentence for the person or program that asked."""

from countersign.errors import ApprovalError, FormInvalid

__all__ = [
    "AlreadyClosed",
    "AlreadyRegistered",
    "ApprovalError",
    "CannotHandOver",
    "CommentRequired",
    "FormInvalid",
    "NotYours",
    "TooLate",
    "UnknownApprover",
    "UnknownOption",
    "WasChanged",
]


class AlreadyClosed(ApprovalError):
    """The approval has its outcome already; outcomes never change."""


class WasChanged(ApprovalError):
    """The content was changed after the person opened the page."""


class NotYours(ApprovalError):
    """This person may not decide this approval."""


class CommentRequired(ApprovalError):
    """The answer needs a comment."""


class UnknownOption(ApprovalError):
    """The answer is not one of the approval's options."""


class UnknownApprover(ApprovalError):
    """A named approver does not exist."""


class AlreadyRegistered(ApprovalError):
    """The same callback or key was registered with other content."""


class TooLate(ApprovalError):
    """An answer cannot be taken back any more."""


class CannotHandOver(ApprovalError):
    """This person may not take the request over."""
