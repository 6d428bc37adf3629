"""What the API takes: what workflows send, its callback checked, and what people send."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictInt, StrictStr, field_validator

from approvals.google.addresses import MAX_URL, BadCallbackUrl, CallbackAddress
from countersign.bodies import VALUE, Plain, Registration, Strict, plain_values

MAX_COMMENT = 5000


def _callback(text: str) -> str:
    try:
        return CallbackAddress.parse(text).url
    except BadCallbackUrl as error:
        raise ValueError(str(error)) from None


def _callback_or_none(text: str) -> str:
    return _callback(text) if text else text


class ApprovalIn(Registration):
    """One question. Only `title` and `callback_url` are required."""

    callback_url: Annotated[StrictStr, Field(max_length=MAX_URL), AfterValidator(_callback)] = (
        Field(description="The `url` of events.create_callback_endpoint, unchanged.")
    )


class CheckIn(ApprovalIn):
    """The same question for a dry run; it may come before there is a callback."""

    callback_url: Annotated[
        StrictStr, Field(max_length=MAX_URL), AfterValidator(_callback_or_none)
    ] = Field("", description="As registered. Empty: none yet, so nothing is checked of it.")


class VoteIn(Strict):
    """A person's answer."""

    outcome: Annotated[StrictStr, Field(pattern=VALUE)] = Field(
        description="The `value` of one of the options."
    )
    comment: Annotated[StrictStr, Field(max_length=MAX_COMMENT), Plain] = Field(
        "", description="Needed as the ballot's `comment` says."
    )
    form: dict[str, Any] = Field(
        default={}, description="What was filled in, in the types that the form declares."
    )
    revision: Annotated[StrictInt, Field(ge=1, le=2**31 - 1)] = Field(
        description="The ballot's `revision`: what the person has read."
    )

    _plain_form = field_validator("form")(plain_values)
