"""What the inbox's API takes from workflows: the bodies of requests, each field with its limit."""

import json
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictInt,
    StrictStr,
    StringConstraints,
    Tag,
    field_validator,
)

VALUE = r"^[a-z][a-z0-9_]{0,49}$"
MAX_FIELDS = 64 * 1024  # bytes of JSON
MAX_PAIRS = 100
MOST_VOTES = 50
MAX_CALLBACK_URL = 700
YEAR = 366 * 24 * 3600  # seconds
PENDING = "pending"
RESERVED = (PENDING, "expired", "withdrawn")
DEFAULT_OPTIONS = (
    {"value": "approved", "label": "Approve", "consequence": ""},
    {"value": "rejected", "label": "Reject", "consequence": ""},
)
"""The answers that can be given where a question says nothing of them."""
# Control characters that are not white space: PostgreSQL refuses NUL, logs and mails the rest.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&*+/=?^_`{|}~'-]{1,64}@[A-Za-z0-9.-]{1,189}")


def _plain(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("Control characters are not allowed here.")
    return text


def _one_line(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise ValueError("This must be one line.")
    return _plain(text)


def _web_address(text: str) -> str:
    text = _one_line(text)
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    except ValueError:
        good = False
    if not good or not text.isascii() or any(c in text for c in " \\"):
        raise ValueError("Give an http or https address without user name.")
    return text


def _email(text: str) -> str:
    text = _one_line(text)
    if text and not _EMAIL.fullmatch(text):
        raise ValueError("Give one e-mail address.")
    return text


def _approver(text: str) -> str:
    if not re.fullmatch(r"(user:\S+@\S+|group:.*\S.*)", text):
        raise ValueError("Write user:E-MAIL or group:NAME.")
    return _one_line(text)


def _whole(value: object) -> object:
    """Workflows send 86400 or 86400.0; both are whole."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _scalar(value: object) -> object:
    if value is not None and not isinstance(value, str | bool | int | float):
        raise ValueError("Send a text, a number, true, false or null.")
    return value


def _value(value: object) -> object:
    each = value if isinstance(value, list) else [value]
    if any(isinstance(one, dict | list) for one in each):
        raise ValueError("Send a text, a number, true, false or null, or a list of those.")
    return value


def _votes(value: object) -> object:
    value = _whole(value)
    number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_VOTES
    if not number and value != "everyone":
        raise ValueError(f"Write a number from 1 to {MOST_VOTES}, or “everyone”.")
    return value


def plain_values(value: Any) -> Any:
    """Values of any depth: texts without control characters, numbers that programs agree on."""
    match value:
        case str():
            _plain(value)
        case int() | float() if abs(value) > 2**53:
            raise ValueError("Send numbers this large as text.")
        case dict():
            for name, inner in value.items():
                _plain(name)
                plain_values(inner)
        case list():
            for inner in value:
                plain_values(inner)
    return value


def limits(most: int, *, least: int | None = None) -> StringConstraints:
    """Up to `most` characters, `least` at least, blanks around them not counted and not kept."""
    return StringConstraints(strict=True, strip_whitespace=True, min_length=least, max_length=most)


OneLine = AfterValidator(_one_line)
Plain = AfterValidator(_plain)
Text = Annotated[StrictStr, Plain]
WebAddress = Annotated[StrictStr, Field(max_length=500), AfterValidator(_web_address)]
WebAddressIfAny = Annotated[
    StrictStr,
    Field(max_length=500),
    AfterValidator(lambda text: text and _web_address(text)),
]
# Said in one sentence, before each kind that it might have been says what it misses.
Scalar = Annotated[str | bool | int | float | None, BeforeValidator(_scalar)]


class Strict(BaseModel):
    """Unknown keys are refused by name: a misspelt `aprovers` must not be ignored."""

    # `from_attributes` as in django-ninja, whose refusals are worded for it.
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Link(Strict):
    """Where to read more."""

    label: Annotated[str, limits(100, least=1), OneLine] = Field(description="One line.")
    url: WebAddress = Field(description="`http` or `https`, ASCII, without user name.")


class Option(Strict):
    """One of the answers, as a button."""

    value: str = Field(pattern=VALUE, description="What the workflow branches on.")
    label: Annotated[str, limits(40, least=1), OneLine] = Field(description="On the button.")
    consequence: Annotated[str, limits(200), OneLine] = Field(
        "", description="One line under the button: what will happen."
    )

    @field_validator("value")
    @classmethod
    def not_reserved(cls, value: str) -> str:
        """Some outcomes are nobody's answer."""
        if value in RESERVED:
            raise ValueError(f"“{value}” is not an answer a person can give.")
        return value


Value = Annotated[Scalar | list[Scalar], BeforeValidator(_value)]


class Fact(Strict):
    """One line of what people decide on."""

    label: Annotated[str, limits(100, least=1), OneLine] = Field(description="One line.")
    value: Value = Field(description="A text, number, boolean, null, or a list of those.")


def _form(fields: object) -> str:
    return "list" if isinstance(fields, list) else "map"


Facts = Annotated[
    Annotated[dict[str, Value], Tag("map")] | Annotated[list[Fact], Tag("list")],
    Discriminator(_form),  # so that an error names the place in the form that was sent
]


Approvers = Annotated[
    list[Annotated[StrictStr, Field(max_length=254), AfterValidator(_approver)]],
    Field(max_length=50),
]


Votes = Annotated[
    Annotated[StrictInt, Field(ge=1, le=MOST_VOTES)] | Literal["everyone"], BeforeValidator(_votes)
]


class StageIn(Strict):
    """One of several groups of people that are asked in order."""

    approvers: Annotated[Approvers, Field(min_length=1)] = Field(
        description="`user:E-MAIL` or `group:NAME`."
    )
    votes_needed: Votes = Field(1, description="How many must agree.")
    name: Annotated[str, limits(60), OneLine] = Field("", description="As people read it.")


class Registration(Strict):
    """One question. Only `title` and `callback_url` are required.

    Which callback URLs are accepted is for those to say who take them.
    """

    title: Annotated[str, limits(200, least=1), OneLine] = Field(
        description="One line: what is asked."
    )
    callback_url: Annotated[StrictStr, Field(max_length=MAX_CALLBACK_URL)] = Field(
        description="The `url` of events.create_callback_endpoint, unchanged."
    )
    type: Annotated[str, limits(100), OneLine] = Field(
        "", description="The type that says who decides and how; it is kept in the admin."
    )
    summary: Annotated[StrictStr, Field(max_length=20_000), Plain] = Field(
        "", description="Markdown."
    )
    fields: Facts = Field(
        default={},
        description="The facts, at most 100: a map of label to value, or a list of"
        " {label, value}. Workflows send maps with sorted keys; a list keeps its order.",
        json_schema_extra={"maxProperties": MAX_PAIRS, "maxItems": MAX_PAIRS},
    )
    links: Annotated[list[Link], Field(max_length=20)] = Field(
        default=[], description="Where to read more."
    )
    requested_by: Annotated[StrictStr, Field(max_length=254), AfterValidator(_email)] = Field(
        "", description="E-mail of the person who asks. They cannot decide it."
    )
    approvers: Approvers = Field(
        [], description="`user:E-MAIL` or `group:NAME`. Empty: the configured default."
    )
    votes_needed: Votes | None = Field(
        None, description="How many must agree; one if neither this nor a type says otherwise."
    )
    stages: Annotated[list[StageIn], Field(max_length=10)] = Field(
        default=[], description="Instead of approvers: who is asked one after the other."
    )
    options: Annotated[list[Option], Field(min_length=1, max_length=6)] = Field(
        default=[Option.model_validate(option) for option in DEFAULT_OPTIONS],
        description="The answers that can be given.",
    )
    comment: Literal["optional", "on_reject", "always"] | None = Field(
        None, description="When an answer needs one; `on_reject` if nothing else is said."
    )
    form: dict[str, Any] | None = Field(None, description="JSON Schema of one flat object.")
    prefill: dict[str, Scalar] = Field(default={}, description="Values the form begins with.")
    priority: Literal["low", "normal", "high", "urgent"] | None = Field(
        None, description="Shown to people; `normal` if nothing else is said."
    )
    expires_in: Annotated[
        Annotated[StrictInt, Field(ge=1, le=YEAR)] | None, BeforeValidator(_whole)
    ] = Field(None, description="Seconds from our receipt; ours ends a little earlier.")
    on_expiry: Literal["expired", "rejected", "approved"] | None = Field(
        None, description="The outcome if nobody answers in time; `approved` only by a type."
    )
    supersedes: UUID | None = Field(
        None, description="An approval of yours that this one replaces; it is closed visibly."
    )

    @field_validator("fields")
    @classmethod
    def fields_fit(cls, fields: dict[str, Value] | list[Fact]) -> dict[str, Value] | list[Fact]:
        """Limits of all facts together, and of what a schema cannot say of one."""
        pairs = pairs_of(fields)
        if len(pairs) > MAX_PAIRS:
            raise ValueError(f"At most {MAX_PAIRS} facts.")
        for label, value in pairs:
            if not 0 < len(_one_line(label)) <= 100:
                raise ValueError("A label has 1 to 100 characters.")
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str):
                    _plain(text)
                elif isinstance(text, int | float) and abs(text) > 2**53:
                    raise ValueError(f"{label}: send numbers this large as text.")
        listed = json.dumps([list(pair) for pair in pairs], ensure_ascii=False)
        if len(listed.encode()) > MAX_FIELDS:
            raise ValueError("The fields are larger than 64 kB together.")
        return fields

    _plain_forms = field_validator("form", "prefill")(plain_values)

    @field_validator("form")
    @classmethod
    def form_asks_something(cls, form: dict[str, Any] | None) -> dict[str, Any] | None:
        """A form without fields is none."""
        return None if form == {"type": "object", "properties": {}} else form

    @field_validator("options")
    @classmethod
    def options_differ(cls, options: list[Option]) -> list[Option]:
        """One button for each answer."""
        if len({option.value for option in options}) < len(options):
            raise ValueError("Each value may stand there once.")
        return options


def pairs_of(fields: dict[str, Value] | list[Fact]) -> list[tuple[str, Value]]:
    """The facts as (label, value) in reading order, from either form in which they are sent."""
    if isinstance(fields, dict):
        return list(fields.items())
    return [(fact.label, fact.value) for fact in fields]


class SettleIn(Strict):
    """Why a workflow asks for the outcome."""

    reason: Literal["woken", "timeout"] = Field(
        description="`woken`: the wait ended with a callback. `timeout`: it timed out."
    )


class WithdrawIn(Strict):
    """Why an answer is no longer needed."""

    reason: Annotated[StrictStr, Field(max_length=1000), Plain] = Field(
        "", description="People see it."
    )


class OutcomeIn(Strict):
    """What a workflow did with the answer."""

    status: Literal["succeeded", "failed"] = Field(description="Whether it worked.")
    message: Annotated[StrictStr, Field(max_length=1000), Plain] = Field(
        "", description="A sentence for people."
    )
    url: WebAddressIfAny = Field("", description="Where to see it.")
