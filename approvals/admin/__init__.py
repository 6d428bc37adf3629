"""The operators' pages: people, callers, types and channels are kept here, the record is read here.

What was asked, decided and delivered cannot be added, changed or deleted. The few things an
operator may do call the same model methods as everything else.
"""

from approvals.admin import (
    callers,
    deliveries,
    executions,
    people,
    record,
    requests,
    telling,
    types,
    words,
)

__all__ = [
    "callers",
    "deliveries",
    "executions",
    "people",
    "record",
    "requests",
    "telling",
    "types",
    "words",
]

words.name()
