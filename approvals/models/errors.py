"""What the domain refuses, each with a sentence for the person or program that asked."""


class ApprovalError(Exception):
    """Base of all refusals; the message is the sentence that is shown."""


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


class FormInvalid(ApprovalError):
    """What was filled in does not fit the form; `errors` says for each field what to mend.

    `within` is the part of a request that they stand in: `form`, or `prefill`.
    """

    def __init__(self, errors: dict[str, str], *, within: str = "form") -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = errors
        self.within = within


class CannotHandOver(ApprovalError):
    """This person may not take the request over."""
