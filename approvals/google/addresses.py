"""Callback URLs taken apart: which addresses a decision, and Google's token, may be sent to."""

import re
from dataclasses import dataclass

from django.conf import settings

MAX_URL = 700

_GOOGLE = r"https://workflowexecutions\.(?:[a-z0-9-]{1,40}\.rep\.)?googleapis\.com"
_WORKFLOW = (
    r"projects/(?P<project>[a-z0-9][a-z0-9:.\-]{0,62})"
    r"/locations/(?P<location>[a-z0-9\-]{1,40})"
    r"/workflows/(?P<workflow>[A-Za-z][A-Za-z0-9_\-]{0,127})"
)
_NAME = (
    rf"/v1/(?P<execution_name>{_WORKFLOW}"
    r"/executions/(?P<execution>[A-Za-z0-9\-]{1,64}))"
    r"/callbacks/(?P<callback>[A-Za-z0-9_\-]{1,128})"
)


class BadCallbackUrl(ValueError):
    """Not an address that a decision, and Google's token with it, may be sent to."""


@dataclass(frozen=True, slots=True)
class CallbackAddress:
    """A callback URL taken apart. Requests go to what is put together from these parts."""

    origin: str
    execution_name: str
    project: str
    location: str
    workflow: str
    execution: str
    callback: str

    @classmethod
    def parse(cls, text: str) -> "CallbackAddress":
        """Accept Google's hosts, and the emulator's origin when it is set; else `BadCallbackUrl`.

        The whole text is matched against explicit ASCII classes: every check of a parsed
        URL tried before let some spelling through (`https://evil\\@host`, `host%2eevil`).
        """
        origins = [_GOOGLE]
        if settings.WORKFLOWS_EMULATOR_HOST:
            origins.append(re.escape(settings.WORKFLOWS_EMULATOR_HOST))
        pattern = f"(?P<origin>{'|'.join(origins)}){_NAME}"
        match = re.fullmatch(pattern, text, re.ASCII) if len(text) <= MAX_URL else None
        if not match:
            raise BadCallbackUrl(
                "This is not a callback URL of Google Cloud Workflows. Send the `url` that"
                " events.create_callback_endpoint returned, unchanged."
            )
        return cls(**match.groupdict())

    @property
    def execution_url(self) -> str:
        return f"{self.origin}/v1/{self.execution_name}"

    @property
    def url(self) -> str:
        return f"{self.execution_url}/callbacks/{self.callback}"


def is_execution_name(name: str) -> bool:
    """Whether this is the resource name of an execution, whole."""
    pattern = _NAME.partition("/callbacks/")[0]
    return re.fullmatch(pattern, f"/v1/{name}", re.ASCII) is not None


def is_workflow_name(name: str) -> bool:
    """Whether this is the resource name of a workflow, whole."""
    return re.fullmatch(_WORKFLOW, name, re.ASCII) is not None
