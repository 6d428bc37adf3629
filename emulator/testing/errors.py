"""What can be wrong in a test, each with a sentence that says what to do."""


class TestingError(Exception):
    """Base of the errors of this package; what a test writes wrongly is a ValueError instead."""

    __test__ = False  # it is no test, whatever its name begins with


class CannotDeploy(TestingError):
    """The sources do not build, cannot be put together, or are not there."""


class RunFailed(TestingError):
    """The execution failed or was cancelled, where its result was asked for.

    `value` is the error value as the workflow would have caught it; None after a cancellation.
    """

    def __init__(self, message: str, value: object = None) -> None:
        super().__init__(message)
        self.value = value


class NoStub(TestingError):
    """A workflow has called something that no stub fits."""


class StillWaiting(TestingError):
    """The execution waits for somebody, and no time passes while it does."""


class NotWaiting(TestingError):
    """There is no such approval or callback, or more than one; the text lists what there is."""


class AnswerRefused(TestingError):
    """The inbox does not let this person give this answer now."""


class TookTooLong(TestingError):
    """Something did not come about within the seconds of real time that a test gives it."""
