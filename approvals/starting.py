"""Starting a workflow for a person: once for each form, whatever becomes of the answer."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from google.api_core.exceptions import ClientError, GoogleAPICallError
from google.auth.exceptions import GoogleAuthError

from approvals.catalog import Startable
from approvals.declaration import REQUESTER
from approvals.google.clients import executions_client
from approvals.google.executions import NotStarted, start_execution
from approvals.google.wire import CannotLook
from approvals.models import Started, User
from countersign.phrases import phrase

TIMEOUT = 15.0  # seconds for Google to say that it has begun
MAX_ARGUMENT = 32 * 1024  # bytes, of which Google's limit of 512 kB is far
# Why it was not started: kept with it, and read in many languages.
TOO_LONG = phrase("This is too long; please shorten it.")
NO_ACCESS = phrase("There is no access to Google (%(kind)s).")
REFUSED = phrase("Google refused it (%(kind)s).")
LOST = phrase("Google's answer was lost (%(kind)s).")
# Errors of the client after which it may have been started all the same: the answer was too late.
LATE = frozenset({408, 409, 499})


def start(
    workflow: Startable, values: Mapping[str, Any], user: User, once: UUID
) -> tuple[Started, bool]:
    """Start it with these values and the person's address; False: this form was sent before.

    Raises `NotStarted` when it certainly runs nowhere; nothing is kept then.
    """
    assert workflow.declaration is not None
    argument = {**values, REQUESTER: user.email}
    text = json.dumps(argument, sort_keys=True, ensure_ascii=False, allow_nan=False)
    if len(text.encode()) > MAX_ARGUMENT:
        raise NotStarted(TOO_LONG)
    try:
        with transaction.atomic():
            started = Started.objects.create(
                id=once,
                user=user,
                workflow=workflow.name,
                title=workflow.declaration.title,
                argument_sha256=hashlib.sha256(text.encode()).hexdigest(),
            )
    except IntegrityError:
        return Started.objects.get(pk=once, user=user), False
    try:
        started.execution = _ask(workflow.name, argument)
    except NotStarted:
        started.delete()
        raise
    except CannotLook as error:
        started.trouble = str(error)[:300]
    started.save(update_fields=["execution", "trouble"])
    return started, True


def _ask(workflow: str, argument: Mapping[str, Any]) -> str:
    """The name of the execution. Raises `NotStarted`, or `CannotLook` if nobody knows."""
    if settings.WORKFLOWS_EMULATOR_HOST and not settings.WORKFLOWS_EMULATOR_GRPC_HOST:
        return start_execution(workflow, argument)
    parent = f"projects/{settings.GOOGLE_CLOUD_PROJECT}/locations/{settings.WORKFLOWS_LOCATION}"
    try:
        with executions_client() as client:
            execution = client.create_execution(
                parent=f"{parent}/workflows/{workflow}",
                execution={"argument": json.dumps(argument)},
                timeout=TIMEOUT,
                retry=None,
            )
    except GoogleAuthError as error:
        raise NotStarted(NO_ACCESS % {"kind": type(error).__name__}) from None
    except ClientError as error:
        failure = CannotLook if error.code in LATE else NotStarted
        raise failure(REFUSED % {"kind": type(error).__name__}) from None
    except GoogleAPICallError as error:
        raise CannotLook(LOST % {"kind": type(error).__name__}) from None
    return str(execution.name)
