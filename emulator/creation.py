"""What an execution is started with: the fields of a request, and what its workflow hands down."""

from __future__ import annotations

from collections.abc import Mapping

from emulator import fields
from emulator.catalog import Definition
from emulator.limits import Limits
from emulator.refusal import invalid
from emulator.values import from_json

_CHECKS: Mapping[str, fields.Check] = {
    "argument": fields.text(Limits().argument_bytes),
    "callLogLevel": fields.LOG_LEVEL,
    "executionHistoryLevel": fields.HISTORY_LEVEL,
    "labels": fields.labels,
    "disableConcurrencyQuotaOverflowBuffering": fields.flag,
}
_OUTPUT = frozenset(
    {
        *("name", "createTime", "startTime", "endTime", "duration", "state", "result", "error"),
        *("workflowRevisionId", "status", "stateError"),
    }
)


def read(body: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """Argument (JSON text, `null` when not given) and settings that a request asks for.

    Raises:
        Refusal: INVALID_ARGUMENT, an unknown field, or one that holds what it cannot.
    """
    wanted = fields.read(body, _CHECKS, _OUTPUT, "execution")
    argument = str(wanted.pop("argument", "null"))
    if len(argument.encode()) > Limits().argument_bytes:
        raise invalid(f"execution.argument is too large: {Limits().argument_bytes} bytes at most")
    try:
        from_json(argument)
    except ValueError as wrong:
        raise invalid(f"execution.argument is not JSON: {wrong}") from None
    return argument, wanted


def settings(definition: Definition, wanted: Mapping[str, object]) -> dict[str, object]:
    """The settings of an execution: its own, and those of its workflow that it has not."""
    whole = dict(wanted)
    for name in ("callLogLevel", "executionHistoryLevel"):
        if name in definition.fields:
            whole.setdefault(name, definition.fields[name])
    inherited, own = definition.fields.get("labels"), wanted.get("labels")
    if isinstance(inherited, dict):
        whole["labels"] = inherited | (own if isinstance(own, dict) else {})
    return whole
