"""`retry`: predicates that know only one answer, and the default waits."""

from emulator.library.registry import CONSTANTS, function
from emulator.values import Value

CONSTANTS["retry.default_backoff"] = {"initial_delay": 1, "max_delay": 60, "multiplier": 1.25}


@function("retry.always(exception)")
def always(_exception: Value) -> bool:
    """Retry on every error."""
    return True


@function("retry.never(exception)")
def never(_exception: Value) -> bool:
    """Retry on no error."""
    return False
