"""What a type says, read from the data in which it is written down. Pure."""

from typing import Any

from countersign.terms import OPERATORS, ORDERINGS, Asked, Rule, Stage


def _needed(value: Any) -> int | None:
    if value == "everyone":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"votes_needed is a number from 1 on, or “everyone”, not {value!r}")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError("approvers is a list of user:E-MAIL and group:NAME")
    for name in value:
        if not name.startswith(("user:", "group:")):
            raise ValueError(f"{name} is neither user:E-MAIL nor group:NAME")
    return tuple(value)


def _entries(data: Any) -> list[dict[str, Any]]:
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise TypeError("a list of {…} is expected")
    return data


def _check_value(operator: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if operator in ORDERINGS and not number:
        raise ValueError(f"{operator} compares with a number, not {value!r}")
    if operator == "in" and not isinstance(value, list):
        raise ValueError(f"in compares with a list, not {value!r}")


def stages_in(data: Any, why: str = "") -> tuple[Stage, ...]:
    """The stages of a type: `[{"approvers": […], "votes_needed": 1, "name": ""}]`.

    Args:
        why: why its people are asked, for them to read.

    Raises ValueError, TypeError, KeyError: it is not of that form.
    """
    return tuple(
        Stage(
            tuple(Asked(name, why) for name in _names(stage.get("approvers", []))),
            _needed(stage.get("votes_needed", 1)),
            str(stage.get("name", "")),
        )
        for stage in _entries(data)
    )


def rules_in(data: Any) -> tuple[Rule, ...]:
    """The rules of a type: `[{"field": …, "operator": …, "value": …, "approvers": […]}]`.

    Raises as `stages_in` does.
    """
    found = []
    for rule in _entries(data):
        if rule["operator"] not in OPERATORS:
            raise ValueError(f"operator is one of {', '.join(OPERATORS)}, not {rule['operator']}")
        _check_value(rule["operator"], rule["value"])
        names = _names(rule["approvers"])
        if not names:
            raise ValueError("a rule names at least one approver")
        found.append(
            Rule(
                str(rule["field"]),
                rule["operator"],
                rule["value"],
                names,
                _needed(rule.get("votes_needed", 1)),
            )
        )
    return tuple(found)
