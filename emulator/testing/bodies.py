"""What the inbox's API takes: the bodies of its requests, with the limits of every field.

The same as `approvals/schemas.py`, word for word: a workflow that is refused by the inbox is to be
refused in a test, with the same answer. A test holds the two together.
"""

from __future__ import annotations

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
    ValidationInfo,
    field_validator,
    model_validator,
)

PENDING = "pending"
VALUE = r"^[a-z][a-z0-9_]{0,49}$"
RESERVED = (PENDING, "expired", "withdrawn")
MAX_FIELDS = 64 * 1024  # bytes of JSON
MAX_PAIRS = 100
YEAR = 366 * 24 * 3600  # seconds
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&*+/=?^_`{|}~'-]{1,64}@[A-Za-z0-9.-]{1,189}")
_CALLBACK = re.compile(
    r"/v1/projects/[a-z0-9][a-z0-9:.\-]{0,62}/locations/[a-z0-9\-]{1,40}"
    r"/workflows/[A-Za-z][A-Za-z0-9_\-]{0,127}/executions/[A-Za-z0-9\-]{1,64}"
    r"/callbacks/[A-Za-z0-9_\-]{1,128}",
    re.ASCII,
)


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
    if not good or not text.isascii() or any(char in text for char in " \\"):
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


def _plain_values(value: Any) -> Any:
    """Values of any depth: texts without control characters, numbers that programs agree on."""
    match value:
        case str():
            _plain(value)
        case int() | float() if abs(value) > 2**53:
            raise ValueError("Send numbers this large as text.")
        case dict():
            for name, inner in value.items():
                _plain(name)
                _plain_values(inner)
        case list():
            for inner in value:
                _plain_values(inner)
    return value


def _limits(most: int, *, least: int | None = None) -> StringConstraints:
    return StringConstraints(strict=True, strip_whitespace=True, min_length=least, max_length=most)


_OneLine = AfterValidator(_one_line)
_Text = Annotated[StrictStr, AfterValidator(_plain)]
_WebAddress = Annotated[StrictStr, Field(max_length=500), AfterValidator(_web_address)]
_Scalar = str | bool | int | float | None
_Value = _Scalar | list[_Scalar]


class _Strict(BaseModel):
    """Unknown keys are refused by name."""

    # `from_attributes` as in django-ninja, whose refusals are worded for it.
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Link(_Strict):
    """Where to read more."""

    label: Annotated[str, _limits(100, least=1), _OneLine]
    url: _WebAddress


class Option(_Strict):
    """An answer that can be given."""

    value: str = Field(pattern=VALUE)
    label: Annotated[str, _limits(40, least=1), _OneLine]
    consequence: Annotated[str, _limits(200), _OneLine] = ""

    @field_validator("value")
    @classmethod
    def not_reserved(cls, value: str) -> str:
        """Some outcomes are nobody's answer."""
        if value in RESERVED:
            raise ValueError(f"“{value}” is not an answer a person can give.")
        return value


USUAL_OPTIONS = (
    Option(value="approved", label="Approve"),
    Option(value="rejected", label="Reject"),
)


class Fact(_Strict):
    """One line of what people decide on."""

    label: Annotated[str, _limits(100, least=1), _OneLine]
    value: _Value


def _form(fields: object) -> str:
    return "list" if isinstance(fields, list) else "map"


_Approvers = Annotated[
    list[Annotated[StrictStr, Field(max_length=254), AfterValidator(_approver)]],
    Field(max_length=50),
]
_Votes = Annotated[
    Annotated[StrictInt, Field(ge=1, le=50)] | Literal["everyone"], BeforeValidator(_whole)
]


class StageIn(_Strict):
    """One of several groups of people that are asked in order."""

    approvers: Annotated[_Approvers, Field(min_length=1)]
    votes_needed: _Votes = 1
    name: Annotated[str, _limits(60), _OneLine] = ""


class Registration(_Strict):
    """A question. The origin of callback URLs is `origin` of the validation's context."""

    title: Annotated[str, _limits(200, least=1), _OneLine]
    callback_url: Annotated[StrictStr, Field(max_length=700)]
    type: Annotated[str, _limits(100), _OneLine] = ""
    summary: Annotated[_Text, Field(max_length=20_000)] = ""
    fields: Annotated[
        Annotated[dict[str, _Value], Tag("map")] | Annotated[list[Fact], Tag("list")],
        Discriminator(_form),
    ] = Field(default={}, json_schema_extra={"maxProperties": MAX_PAIRS, "maxItems": MAX_PAIRS})
    links: Annotated[list[Link], Field(max_length=20)] = Field(default=[])
    requested_by: Annotated[StrictStr, Field(max_length=254), AfterValidator(_email)] = ""
    approvers: _Approvers = Field(default=[])
    votes_needed: _Votes | None = None
    stages: Annotated[list[StageIn], Field(max_length=10)] = Field(default=[])
    options: Annotated[list[Option], Field(min_length=1, max_length=6)] = Field(
        default=list(USUAL_OPTIONS)
    )
    comment: Literal["optional", "on_reject", "always"] | None = None
    form: dict[str, Any] | None = None
    prefill: dict[str, _Scalar] = Field(default={})
    priority: Literal["low", "normal", "high", "urgent"] | None = None
    expires_in: Annotated[
        Annotated[StrictInt, Field(ge=1, le=YEAR)] | None, BeforeValidator(_whole)
    ] = None
    on_expiry: Literal["expired", "rejected", "approved"] | None = None
    supersedes: UUID | None = None

    @field_validator("callback_url")
    @classmethod
    def is_callback(cls, url: str, info: ValidationInfo) -> str:
        """Only addresses of this emulator's callbacks are sent an answer."""
        origin = (info.context or {}).get("origin", "")
        if not url.startswith(origin) or _CALLBACK.fullmatch(url.removeprefix(origin)) is None:
            raise ValueError(
                "This is not a callback URL of Google Cloud Workflows. Send the `url` that"
                " events.create_callback_endpoint returned, unchanged."
            )
        return url

    @field_validator("fields")
    @classmethod
    def fields_fit(cls, fields: dict[str, _Value] | list[Fact]) -> dict[str, _Value] | list[Fact]:
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

    _plain_forms = field_validator("form", "prefill")(_plain_values)

    @model_validator(mode="after")
    def options_differ(self) -> Registration:
        """One button for each answer."""
        if len({option.value for option in self.options}) < len(self.options):
            raise ValueError("options: each value may stand there once.")
        return self


def pairs_of(fields: dict[str, _Value] | list[Fact]) -> list[tuple[str, _Value]]:
    """The facts as (label, value) in reading order, from either form in which they are sent."""
    if isinstance(fields, dict):
        return list(fields.items())
    return [(fact.label, fact.value) for fact in fields]


class Settle(_Strict):
    """A workflow asks for the outcome: it was woken, or its wait timed out."""

    reason: Literal["woken", "timeout"]


class Withdraw(_Strict):
    """A workflow needs the answer no longer."""

    reason: Annotated[_Text, Field(max_length=1000)] = ""


class Report(_Strict):
    """What a workflow did with the answer."""

    status: Literal["succeeded", "failed"]
    message: Annotated[_Text, Field(max_length=1000)] = ""
    url: _WebAddress | Literal[""] = ""
