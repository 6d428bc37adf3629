"""The body of a registration as the inbox of tests takes it: its callback is this emulator's."""

import re

from pydantic import ValidationInfo, field_validator

from countersign import bodies

_CALLBACK = re.compile(
    r"/v1/projects/[a-z0-9][a-z0-9:.\-]{0,62}/locations/[a-z0-9\-]{1,40}"
    r"/workflows/[A-Za-z][A-Za-z0-9_\-]{0,127}/executions/[A-Za-z0-9\-]{1,64}"
    r"/callbacks/[A-Za-z0-9_\-]{1,128}",
    re.ASCII,
)


class Registration(bodies.Registration):
    """A question. The origin of callback URLs is `origin` of the validation's context."""

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
