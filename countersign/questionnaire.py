"""Forms that approvers fill in: which schemas are taken, and what was filled in. Pure.

A form is a JSON Schema of one flat object. jsonschema validates; here is only which part of the
standard a page can show, and how texts of a page become values of the declared types.
"""

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, SchemaError, ValidationError
from jsonschema.validators import extend

from countersign.errors import FormInvalid
from countersign.phrases import phrase

MAX_PROPERTIES = 30
MAX_BYTES = 16 * 1024
LARGEST = 2**53
TYPES = ("string", "number", "integer", "boolean")
FORMATS = ("date", "email", "uri", "textarea")
KEYS = frozenset(
    {
        *("type", "title", "description", "enum", "format", "default"),
        *("minLength", "maxLength", "minimum", "maximum"),
        *("exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
)
_FORMATS = FormatChecker(("date", "email"))
# What is said of a value. The API has it as it is, a page in the language of its reader.
NO_FORM = phrase("This request has no form.")
MISSING = phrase("Please fill this in.")
SENTENCES = {
    "enum": phrase("Please choose one of the values."),
    "minimum": phrase("At least %(limit)s."),
    "maximum": phrase("At most %(limit)s."),
    "exclusiveMinimum": phrase("More than %(limit)s."),
    "exclusiveMaximum": phrase("Less than %(limit)s."),
    "multipleOf": phrase("In steps of %(limit)s."),
    "minLength": phrase("At least %(limit)s characters."),
    "maxLength": phrase("At most %(limit)s characters."),
}
OF_TYPES = {
    "string": phrase("Please give a text."),
    "integer": phrase("Please give a whole number."),
    "number": phrase("Please give a number."),
    "boolean": phrase("Please answer yes or no."),
}
OF_FORMATS = {
    "date": phrase("Please give a date."),
    "email": phrase("Please give an e-mail address."),
}
OTHER_FORMAT = phrase("This is not of the right form.")


def check_form(form: Mapping[str, Any]) -> None:
    """Make sure that a page can show the form. Raises `FormInvalid`, naming each place."""
    wrong = dict(_wrong_places(form))
    if len(json.dumps(form, ensure_ascii=False).encode()) > MAX_BYTES:
        wrong["form"] = f"The form is larger than {MAX_BYTES // 1024} kB."
    if not wrong:
        try:
            Draft202012Validator.check_schema(form)
        except SchemaError as error:
            wrong["form"] = error.message
    if wrong:
        raise FormInvalid(wrong)
    defaults = {
        name: each["default"] for name, each in form["properties"].items() if "default" in each
    }
    fitting(form, defaults)


def _wrong_places(form: Mapping[str, Any]) -> list[tuple[str, str]]:
    unknown = set(form) - {"type", "title", "description", "properties", "required", "$schema"}
    if form.get("type") != "object" or unknown:
        return [("form", "A form is an object with properties and required, nothing else.")]
    properties = form.get("properties")
    if not isinstance(properties, dict) or not 0 < len(properties) <= MAX_PROPERTIES:
        return [("form", f"A form has 1 to {MAX_PROPERTIES} properties.")]
    found = []
    for name, each in properties.items():
        if not isinstance(each, dict) or each.get("type") not in TYPES:
            found.append((name, f"The type is one of {', '.join(TYPES)}."))
        elif extra := sorted(set(each) - KEYS):
            found.append((name, f"A page cannot show {', '.join(extra)}."))
        elif each.get("format", "date") not in FORMATS:
            found.append((name, f"The format is one of {', '.join(FORMATS)}."))
    required = form.get("required", [])
    if not isinstance(required, list) or any(name not in list(properties) for name in required):
        found.append(("required", "It lists names of properties."))
    return found


def fitting(form: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Make sure that values fit their fields; some may be missing. Raises `FormInvalid`."""
    _validate({**form, "required": []}, values)


def filled_in(
    form: Mapping[str, Any] | None, values: Mapping[str, Any], *, negative: bool
) -> dict[str, Any]:
    """The values that come with an answer; a negative one needs none.

    Raises `FormInvalid`, with a sentence for each field.
    """
    if form is None:
        if values:
            raise FormInvalid({"form": NO_FORM})
        return {}
    if negative and not values:
        return {}
    _validate({**form, "required": [] if negative else form.get("required", [])}, values)
    return dict(values)


def _in_steps(
    validator: Any, step: float, number: Any, _schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """`multipleOf` of numbers as they are written. jsonschema divides them as computers hold them,
    and in those 19.99 is no whole number of cents.
    """
    if not validator.is_type(number, "number"):
        return
    try:
        rest = _as_written(number) % _as_written(step)
    except ValueError:  # "nan" and "inf" are in no steps
        rest = Fraction(1)
    if rest:
        yield ValidationError("not a multiple of the step")


def _as_written(number: float) -> Fraction:
    # An int is exact already, and may have more digits than Python turns into text.
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))


_Validator = extend(Draft202012Validator, {"multipleOf": _in_steps})  # type: ignore[no-untyped-call]  # its stubs have no types


def _validate(form: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    schema = {**form, "additionalProperties": False}
    errors: dict[str, str] = {}
    for error in _Validator(schema, format_checker=_FORMATS).iter_errors(dict(values)):
        if error.validator == "required":
            for name in form.get("required", []):
                if name not in values:
                    errors[name] = MISSING
        else:
            errors[str(error.path[0]) if error.path else "form"] = _sentence(error)
    if errors:
        raise FormInvalid(errors)


def _sentence(error: Any) -> str:
    limit = error.validator_value
    match error.validator:
        case "type":
            return OF_TYPES.get(str(limit), OF_TYPES["string"])
        case "format":
            return OF_FORMATS.get(str(limit), OTHER_FORMAT)
    sentence = SENTENCES.get(error.validator)
    return sentence % {"limit": limit} if sentence else str(error.message)


def from_page(form: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Values of the declared types from what a page sent.

    An empty text is no value; a box that is not ticked is false. What is no number stays a text,
    for `filled_in` to refuse.
    """
    values: dict[str, Any] = {}
    for name, each in form["properties"].items():
        text = texts.get(name, "").replace("\r\n", "\n").strip()
        if each["type"] == "boolean":
            values[name] = text in {"on", "true"}
        elif text:
            values[name] = _value(each["type"], text)
    return values


def _value(kind: str, text: str) -> Any:
    if kind == "string":
        return text
    try:
        number: int | float = int(text)
    except ValueError:
        try:
            number = float(text)
        except ValueError:
            return text
    # "nan" and "inf" are not known to JSON; what is larger, programs read as different numbers.
    if not abs(number) <= LARGEST:
        return text
    if isinstance(number, int):
        return number
    return number if number.is_integer() is False or kind == "number" else int(number)
