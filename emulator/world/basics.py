"""`sys.*` and `uuid.generate`: the log, the time, sleeping, random identifiers."""

from __future__ import annotations

import functools
import json
import uuid
from datetime import UTC, datetime

from emulator import console
from emulator.errors import error
from emulator.limits import Limits
from emulator.protocol import Request, Returned
from emulator.store import LogLine
from emulator.values import Value, type_name
from emulator.world.arguments import json_text, number, text
from emulator.world.site import Armed, Performed, Site

_LIMITS = Limits()
_SEVERITIES = (
    *("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING"),
    *("ERROR", "CRITICAL", "ALERT", "EMERGENCY"),
)


def now(_request: Request, site: Site) -> Performed:
    """`sys.now`: seconds since 1970, not scaled."""
    return Returned(site.clock.seconds())


def generate_uuid(_request: Request, _site: Site) -> Performed:
    """`uuid.generate`: a random UUID of version 4."""
    return Returned(str(uuid.uuid4()))


def sleep(request: Request, site: Site) -> Performed:
    """`sys.sleep`, and the waits between retries."""
    seconds = number(request.args, "seconds")
    if not 0 <= seconds <= _LIMITS.sleep:
        raise error("ValueError", f"seconds must be between 0 and {_LIMITS.sleep:.0f}")
    return Armed("sleep", site.clock.due(seconds))


def sleep_until(request: Request, site: Site) -> Performed:
    """`sys.sleep_until`: an ISO 8601 time at most a year ahead; UTC where it names no zone."""
    given = text(request.args, "time")
    try:
        moment = datetime.fromisoformat(given.strip())
    except ValueError:
        raise error("ValueError", f"time is not in ISO 8601 form: {given!r}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = moment.timestamp() - site.clock.seconds()
    if seconds > _LIMITS.sleep:
        raise error("ValueError", "time is more than a year ahead")
    return Armed("sleep", site.clock.due(seconds))


def log(request: Request, site: Site) -> Performed:
    """`sys.log`: one entry, kept in the store and printed once it is there.

    Exactly one of `data`, `text` and `json` must be given; null is as good as not given, because
    Google's examples have it for what comes before others in a list of arguments. `data` is a
    payload of its own type, `text` always text, `json` always a map. Nothing is waited for, so
    `timeout` changes nothing.
    """
    severity = text(request.args, "severity").upper()
    if severity not in _SEVERITIES:
        raise error("ValueError", f"severity must be one of {', '.join(_SEVERITIES)}")
    if request.args.get("timeout") is not None:
        number(request.args, "timeout")
    line = LogLine(
        execution=site.execution.id,
        time=site.clock.stamp(),
        severity=severity,
        routine=request.routine,
        step=request.step,
        payload=json_text(_payload(request), "payload"),
    )
    site.store.log(line)
    site.later(functools.partial(_print, line, site.execution.workflow))
    return Returned(None)


def _payload(request: Request) -> Value:
    given = [name for name in ("data", "text", "json") if request.args.get(name) is not None]
    if len(given) != 1:
        raise error("TypeError", "exactly one of data, text and json must be given")
    value = request.args[given[0]]
    if given[0] == "json" and not isinstance(value, dict):
        raise error("TypeError", f"json must be a map, not {type_name(value)}")
    if isinstance(value, str) or (isinstance(value, dict) and given[0] != "text"):
        return value
    return json_text(value, given[0])


def _print(line: LogLine, workflow: str) -> None:
    payload = json.loads(line.payload)
    console.event(
        "log",
        severity=line.severity,
        workflow=workflow,
        execution=line.execution,
        step=f"{line.routine}/{line.step}",
        text=payload if isinstance(payload, str) else line.payload,
    )
