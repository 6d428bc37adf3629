"""A form as a page shows it: labels, help and limits in words, and what stands in each field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext

from approvals.retold import retold
from countersign.questionnaire import from_page

# Before the name of a field in what a page sends, so that no field is taken for another input.
PREFIX = "form."
# Names of inputs whose text is not shown again: passwords, and what no person writes. Whole names,
# without a dot, so that no field of a form is among them, whatever it is called.
PASSWORDS = r"^\w*password\d?$"
NOT_TYPED = rf"{PASSWORDS}|^(\w*token|revision|next|once|row)$"
MOST_RADIOS = 4
INPUTS = {"date": "date", "email": "email", "uri": "url"}
MODES = {"number": "decimal", "integer": "numeric"}
# What a browser checks before anything is sent. The inputs take any text all the same, so that
# nothing that was typed is ever lost.
PATTERNS = {
    "number": r"\s*[+\-]?(\d+\.?\d*|\.\d+)([eE][+\-]?\d+)?\s*",
    "integer": r"\s*[+\-]?\d+(\.0*)?\s*",
}
CHECKED = {
    "minimum": "data-least",
    "maximum": "data-most",
    "exclusiveMinimum": "data-above",
    "exclusiveMaximum": "data-below",
    "minLength": "minlength",
    "maxLength": "data-longest",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values a field may have."""

    text: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the page. `kind`: line, area, box, radios or select."""

    id: str
    name: str
    label: str
    kind: str
    required: bool
    text: str = ""
    help: str = ""
    error: str = ""
    type: str = "text"
    mode: str = ""
    limits: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()
    first_wrong: bool = False


@dataclass(frozen=True, slots=True)
class Filled:
    """One field that was filled in; `changed`: it began with another value, `before`."""

    label: str
    value: Any
    before: Any = None
    changed: bool = False


def beginning(form: Mapping[str, Any], prefill: Mapping[str, Any]) -> dict[str, Any]:
    """The values a form begins with: those of the request before the schema's defaults."""
    defaults = {
        name: each["default"] for name, each in form["properties"].items() if "default" in each
    }
    return {**defaults, **prefill}


def texts_of(form: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
    """Values as the texts that stand in their fields."""
    return {name: _text(values.get(name)) for name in form["properties"]}


def sent(form: Mapping[str, Any], posted: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a form among all that a page sent."""
    return {name: str(posted.get(PREFIX + name, "")) for name in form["properties"]}


def answered(
    form: Mapping[str, Any], began: Mapping[str, Any], texts: Mapping[str, str], *, negative: bool
) -> dict[str, Any]:
    """The values that a page sent; none with a negative answer that left the form as it began."""
    values = from_page(form, texts)
    untouched = from_page(form, texts_of(form, began))
    return {} if negative and values == untouched else values


def fields_of(
    form: Mapping[str, Any],
    texts: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
) -> list[Field]:
    """The fields of a form, in its order, holding these texts."""
    wrong = errors or {}
    found = [
        _field(number, name, form, texts.get(name, ""), wrong.get(name, ""))
        for number, name in enumerate(_order(form), start=1)
    ]
    first = next((each for each in found if each.error), None)
    return [replace(each, first_wrong=each is first) for each in found]


def filled(
    form: Mapping[str, Any] | None, began: Mapping[str, Any], values: Mapping[str, Any]
) -> list[Filled]:
    """What was filled in, a line each, with what stood there before where that was changed."""
    return list(_filled(form, began, values)) if form and values else []


def title_of(form: Mapping[str, Any], name: str) -> str:
    """What people call a field."""
    return str(form["properties"].get(name, {}).get("title") or name)


def _as_postgresql(name: str) -> tuple[int, bytes]:
    """How PostgreSQL orders the keys of the JSON that it keeps: by length, then by bytes."""
    return len(name.encode()), name.encode()


def _order(form: Mapping[str, Any]) -> list[str]:
    """The names in the order in which people fill them in.

    Workflows sorts the keys of every map it sends, and PostgreSQL those of what it keeps; then
    `required`, a list, still has an order, and its fields come first in it.
    """
    names, required = list(form["properties"]), list(form.get("required", ()))
    if names in (sorted(names), sorted(names, key=_as_postgresql)):
        names.sort(key=lambda name: required.index(name) if name in required else len(required))
    return names


def _filled(
    form: Mapping[str, Any], began: Mapping[str, Any], values: Mapping[str, Any]
) -> Iterator[Filled]:
    for name in _order(form):
        before, now = began.get(name), values.get(name)
        if before is not None or now is not None:
            yield Filled(title_of(form, name), now, before, before is not None and before != now)


def _field(number: int, name: str, form: Mapping[str, Any], text: str, error: str) -> Field:
    each = form["properties"][name]
    required = name in form.get("required", ())
    choices: tuple[Choice, ...] = ()
    if "enum" in each:
        values = [_text(value) for value in each["enum"]]
        choices = tuple(Choice(value, value == text) for value in values)
    shown = each.get("format", "")
    return Field(
        id=f"field-{number}",
        name=PREFIX + name,
        label=str(each.get("title") or name),
        kind=_kind(each, len(choices)),
        required=required and each["type"] != "boolean",
        text=text,
        help=" ".join(filter(None, (str(each.get("description", "")), _limits(each)))),
        error=retold(error),
        type=INPUTS.get(shown, "text"),
        mode=MODES.get(each["type"], ""),
        limits=_checked(each),
        choices=choices,
    )


def _kind(each: Mapping[str, Any], choices: int) -> str:
    if choices:
        return "radios" if choices <= MOST_RADIOS else "select"
    if each["type"] == "boolean":
        return "box"
    return "area" if each.get("format") == "textarea" else "line"


def _checked(each: Mapping[str, Any]) -> dict[str, Any]:
    """The limits of a field as attributes of its input, by name."""
    found = {CHECKED[name]: each[name] for name in CHECKED if name in each}
    if each["type"] in PATTERNS and "enum" not in each:
        found["pattern"] = PATTERNS[each["type"]]
    return found


def _limits(each: Mapping[str, Any]) -> str:
    """The limits of a field as a sentence."""
    found = [_between(each.get("minimum"), each.get("maximum"))]
    words = {
        "exclusiveMinimum": gettext("more than %(limit)s"),
        "exclusiveMaximum": gettext("less than %(limit)s"),
        "multipleOf": gettext("in steps of %(limit)s"),
    }
    found += [word % {"limit": each[name]} for name, word in words.items() if name in each]
    # One character is what every field needs that must be filled in.
    least = each.get("minLength", 0) if each.get("minLength", 0) > 1 else None
    if length := _between(least, each.get("maxLength")):
        found.append(gettext("%(length)s characters") % {"length": length})
    text = ", ".join(filter(None, found))
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _between(least: Any, most: Any) -> str:
    if least is None and most is None:
        return ""
    words = {"least": least, "most": most}
    if least is None:
        return gettext("at most %(most)s") % words
    if most is None:
        return gettext("at least %(least)s") % words
    if least == most:
        return gettext("exactly %(least)s") % words
    return gettext("from %(least)s to %(most)s") % words


def _text(value: Any) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "on"
    return str(value)
