"""What the API takes and gives: every field with its limit."""

import json
import re
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from ninja import Field, Schema
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    StrictInt,
    StrictStr,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from approvals.callbacks import MAX_URL, BadCallbackUrl, CallbackAddress
from approvals.models.content import DEFAULT_OPTIONS, PENDING

MAX_FIELDS = 64 * 1024  # bytes of JSON
MAX_PAIRS = 100
YEAR = 366 * 24 * 3600
RESERVED = (PENDING, "expired", "withdrawn")
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


def _callback(text: str) -> str:
    try:
        return CallbackAddress.parse(text).url
    except BadCallbackUrl as error:
        raise ValueError(str(error)) from None


def _approver(text: str) -> str:
    if not re.fullmatch(r"(user:\S+@\S+|group:.*\S.*)", text):
        raise ValueError("Write user:E-MAIL or group:NAME.")
    return _one_line(text)


def _seconds(value: object) -> object:
    """Workflows send 86400 or 86400.0; both are whole seconds."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def limits(most: int, *, least: int | None = None) -> StringConstraints:
    """Up to `most` characters, `least` at least, blanks around them not counted and not kept."""
    return StringConstraints(strict=True, strip_whitespace=True, min_length=least, max_length=most)


OneLine = AfterValidator(_one_line)
Text = Annotated[StrictStr, AfterValidator(_plain)]
WebAddress = Annotated[StrictStr, Field(max_length=500), AfterValidator(_web_address)]
Scalar = str | bool | int | float | None


class Strict(Schema):
    """Unknown keys are refused by name: a misspelt `aprovers` must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class Link(Strict):
    label: Annotated[str, limits(100, least=1), OneLine]
    url: WebAddress


class Option(Strict):
    value: str = Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")
    label: Annotated[str, limits(40, least=1), OneLine]
    consequence: Annotated[str, limits(200), OneLine] = ""

    @field_validator("value")
    @classmethod
    def not_reserved(cls, value: str) -> str:
        if value in RESERVED:
            raise ValueError(f"“{value}” is not an answer a person can give.")
        return value


Value = Scalar | list[Scalar]


class Fact(Strict):
    label: Annotated[str, limits(100, least=1), OneLine]
    value: Value


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


class StageIn(Strict):
    """One of several groups of people that are asked in order."""

    approvers: Annotated[Approvers, Field(min_length=1)]
    votes_needed: Annotated[StrictInt, Field(ge=1, le=50)] | Literal["everyone"] = 1
    name: Annotated[str, limits(60), OneLine] = ""


class ApprovalIn(Strict):
    """One question. Only `title` and `callback_url` are required."""

    title: Annotated[str, limits(200, least=1), OneLine]
    callback_url: Annotated[StrictStr, Field(max_length=MAX_URL), AfterValidator(_callback)] = (
        Field(description="The `url` of events.create_callback_endpoint, unchanged.")
    )
    type: Annotated[str, limits(100), OneLine] = ""
    summary: Annotated[Text, Field(max_length=20_000)] = Field("", description="Markdown.")
    fields: Facts = Field(
        default={},
        description="The facts, at most 100: a map of label to value, or a list of"
        " {label, value}. Workflows send maps with sorted keys; a list keeps its order.",
        json_schema_extra={"maxProperties": MAX_PAIRS, "maxItems": MAX_PAIRS},
    )
    links: Annotated[list[Link], Field(max_length=20)] = Field(default=[])
    requested_by: Annotated[StrictStr, Field(max_length=254), AfterValidator(_email)] = Field(
        "", description="E-mail of the person who asks. They cannot decide it."
    )
    approvers: Approvers = Field(
        [], description="`user:E-MAIL` or `group:NAME`. Empty: the configured default."
    )
    votes_needed: Annotated[StrictInt, Field(ge=1, le=50)] | Literal["everyone"] | None = Field(
        None, description="How many must agree; one if neither this nor a type says otherwise."
    )
    stages: Annotated[list[StageIn], Field(max_length=10)] = Field(
        default=[], description="Instead of approvers: who is asked one after the other."
    )
    options: Annotated[list[Option], Field(min_length=1, max_length=6)] = Field(
        default=[Option(**option) for option in DEFAULT_OPTIONS]
    )
    comment: Literal["optional", "on_reject", "always"] | None = None
    form: dict[str, Any] | None = Field(None, description="JSON Schema of one flat object.")
    prefill: dict[str, Scalar] = Field(default={}, description="Values the form begins with.")
    priority: Literal["low", "normal", "high", "urgent"] | None = None
    expires_in: Annotated[
        Annotated[StrictInt, Field(ge=1, le=YEAR)] | None, BeforeValidator(_seconds)
    ] = Field(None, description="Seconds from our receipt; ours ends a little earlier.")
    on_expiry: Literal["expired", "rejected", "approved"] | None = None
    supersedes: UUID | None = Field(
        None, description="An approval of yours that this one replaces; it is closed visibly."
    )

    @field_validator("fields")
    @classmethod
    def fields_fit(cls, fields: dict[str, Value] | list[Fact]) -> dict[str, Value] | list[Fact]:
        pairs = fields.items() if isinstance(fields, dict) else [(f.label, f.value) for f in fields]
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
        if (
            len(json.dumps([list(pair) for pair in pairs], ensure_ascii=False).encode())
            > MAX_FIELDS
        ):
            raise ValueError("The fields are larger than 64 kB together.")
        return fields

    @model_validator(mode="after")
    def options_differ(self) -> "ApprovalIn":
        if len({option.value for option in self.options}) < len(self.options):
            raise ValueError("options: each value may stand there once.")
        return self


class WhoOut(Schema):
    email: str
    name: str


class ApprovalOut(Schema):
    """An approval as its caller sees it."""

    id: UUID
    status: str = Field(description="`pending` or the outcome.")
    url: str = Field(description="The page for people.")
    title: str
    type: str
    requested_by: str
    approvers: list[str]
    revision: int
    content_sha256: str
    execution: str
    callback_url: str
    created_at: datetime
    expires_at: datetime | None
    decided_at: datetime | None
    decided_by: WhoOut | None
    delivery: str | None = Field(description="State of the delivery, once there is one.")

    @staticmethod
    def resolve_approvers(approval: Any) -> list[str]:
        return [str(approver) for approver in approval.approvers.all()]

    @staticmethod
    def resolve_decided_by(approval: Any) -> WhoOut | None:
        person = approval.decided_by
        return WhoOut(email=person.email, name=person.get_full_name()) if person else None

    @staticmethod
    def resolve_delivery(approval: Any) -> str | None:
        return approval.delivery.state if hasattr(approval, "delivery") else None


class ApprovalPage(Schema):
    approvals: list[ApprovalOut]
    next_cursor: str | None = Field(description="Pass as `cursor` for the next page.")


class SettleIn(Strict):
    reason: Literal["woken", "timeout"] = Field(
        description="`woken`: the wait ended with a callback. `timeout`: it timed out."
    )


class WithdrawIn(Strict):
    reason: Annotated[Text, Field(max_length=1000)] = ""


class OutcomeIn(Strict):
    status: Literal["succeeded", "failed"]
    message: Annotated[Text, Field(max_length=1000)] = ""
    url: WebAddress | Literal[""] = ""


class Pending(Schema):
    """Nobody has answered yet: wait again."""

    approval_id: UUID
    outcome: Literal["pending"]


class DecidedBy(Schema):
    email: str
    name: str
    on_behalf_of: str | None


class VoteOut(Schema):
    email: str
    on_behalf_of: str | None
    outcome: str
    comment: str
    at: str


class Outcome(Schema):
    """The recorded outcome: what is posted to the callback, word for word."""

    approval_id: UUID
    decision_id: UUID = Field(description="The same on every try.")
    outcome: str
    decided_at: str
    decided_by: DecidedBy | None = Field(description="null when nobody answered.")
    comment: str
    form: dict[str, Any]
    votes: list[VoteOut]
    content_sha256: str = Field(description="Digest of what the approvers saw.")
    url: str


class Problem(Schema):
    detail: str | list[dict[str, Any]]
