"""What the rules refuse, each with a sentence for the person or program that asked."""


class ApprovalError(Exception):
    """Base of all refusals; the message is the sentence that is shown."""


class FormInvalid(ApprovalError):
    """What was filled in does not fit the form; `errors` says for each field what to mend.

    `within` is the part of a request that they stand in: `form`, or `prefill`.
    """

    def __init__(self, errors: dict[str, str], *, within: str = "form") -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = errors
        self.within = within
