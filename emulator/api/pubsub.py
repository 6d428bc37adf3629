"""`…:triggerPubsubExecution`: what Eventarc calls when a Pub/Sub message starts a workflow."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from urllib.parse import unquote

from aiohttp import web

from emulator import creation, fields
from emulator.api.access import SERVICES, guarded, settings_for
from emulator.api.answers import answer, json_body
from emulator.api.workflows import found
from emulator.limits import Limits
from emulator.refusal import invalid
from emulator.resources import execution

_LONGEST = 10_000  # characters of a name
_MODE = "CUSTOM_PUBSUB_"


def _anything(value: object) -> object:
    return value


_CHECKS: Mapping[str, fields.Check] = {
    "GCPCloudEventsMode": fields.text(_LONGEST),
    "deliveryAttempt": _anything,
    "message": _anything,
    "subscription": fields.text(_LONGEST),
}
_OF_MESSAGE: Mapping[str, fields.Check] = {
    "attributes": fields.strings,
    "data": fields.text(Limits().argument_bytes),
    "messageId": fields.text(_LONGEST),
    "orderingKey": fields.text(_LONGEST),
    "publishTime": fields.text(100),
}


def routes() -> list[web.RouteDef]:
    """The one route."""
    one = "/v1/projects/{project}/locations/{location}/workflows/{workflow:[^/:]+}"
    path = f"{one}:triggerPubsubExecution"
    return [web.post(path, guarded("workflows.executions.create", trigger))]


async def trigger(request: web.Request) -> web.Response:
    """Start an execution with the message, as the event that Eventarc makes of it.

    Raises:
        Refusal: INVALID_ARGUMENT, NOT_FOUND.
    """
    services = request.app[SERVICES]
    given = fields.read(await json_body(request), _CHECKS, (), "request")
    definition = found(request)
    event = _event(given, services.clock.stamp())
    argument, wanted = creation.read({"argument": json.dumps(event, ensure_ascii=False)})
    settings = creation.settings(definition, wanted)
    created = services.engine.create(definition, argument, settings)
    return answer(execution(created, settings_for(request)))


def _event(given: Mapping[str, object], now: str) -> dict[str, object]:
    """The CloudEvent of `google.cloud.pubsub.topic.v1.messagePublished`.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    message, subscription = given.get("message"), given.get("subscription")
    if not isinstance(message, dict) or not isinstance(subscription, str):
        raise invalid("request.message and request.subscription are required")
    read = fields.read(message, _OF_MESSAGE, (), "message")
    if not (read.get("data") or read.get("attributes")):
        raise invalid("message must have data that is not empty, or an attribute")
    try:
        base64.b64decode(str(read.get("data", "")), validate=True)
    except binascii.Error:
        raise invalid("message.data must be base64") from None
    whole = {"messageId": str(secrets.randbelow(10**16)), "publishTime": now} | read
    topic = unquote(str(given.get("GCPCloudEventsMode", ""))).removeprefix(_MODE)
    return {
        "specversion": "1.0",
        "id": whole["messageId"],
        "source": f"//pubsub.googleapis.com/{topic or subscription}",
        "type": "google.cloud.pubsub.topic.v1.messagePublished",
        "datacontenttype": "application/json",
        "time": whole["publishTime"],
        "data": {"message": whole, "subscription": subscription},
    }
