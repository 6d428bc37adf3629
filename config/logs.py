"""Logs: one event per line; JSON in Cloud Logging's own fields, `name=value` for terminals.

What a line may say is decided where it is written: ids and reasons, no contents. Three things
are seen to here for all of them: exceptions are told without their texts, which carry addresses,
tokens and values; what looks like a secret is cut out; and nothing in a line can end it.
"""

import logging
import re
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TypeAlias

from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError
from pythonjsonlogger.json import JsonFormatter

from approvals.origin import NOWHERE, Origin, origin

ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

# What every record has; all else was given by the call that logs. Django adds two of its own.
_USUAL = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "request", "server_time"}
# https://cloud.google.com/logging/docs/structured-logging, and for the last one
# https://cloud.google.com/error-reporting/docs/formatting-error-messages
GOOGLES = "logging.googleapis.com"
REPORTED = "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"
LABELS = ("approval", "decision")
# Their texts are made of names, settings and states of the database, and never of values.
TELLING = (
    *(AttributeError, ImportError, NameError, TypeError),
    *(ImproperlyConfigured, OperationalError),
)
MAX_CHAIN = 5  # exceptions told of those that led to one another
# The last defence, where a line says what it should not: bearer tokens, Google's access tokens,
# JSON web tokens, our own keys, and the part of a callback's address that answers it.
SECRETS = re.compile(
    r"(?<=Bearer )[\w.~+/=-]+|ya29\.[\w.-]+|eyJ[\w-]{6,}\.[\w.-]*|(?<=cs[kp]_)\w+"
    r"|(?<=callbacks/)[\w-]{8,}"
)


def redacted(line: str) -> str:
    """The line without what looks like a secret."""
    return SECRETS.sub("[removed]", line)


def printable(text: str) -> str:
    """The text with everything that moves a terminal's cursor, or ends a line, escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def stack_of(error: BaseException | None) -> str:
    """The traceback, of the exceptions that led to this one too, with names and no texts."""
    parts: list[str] = []
    while error is not None and len(parts) < MAX_CHAIN:
        told = f": {printable(str(error))}" if isinstance(error, TELLING) else ""
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        frames = "".join(traceback.format_tb(error.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{name}{told}")
        hidden = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or hidden
    return "\n\nWhich led to:\n\n".join(reversed(parts))


def given_to(record: logging.LogRecord) -> dict[str, Any]:
    """The fields that the call gave beside the message."""
    return {name: value for name, value in record.__dict__.items() if name not in _USUAL}


def origin_of(record: logging.LogRecord) -> Origin:
    """Where the line comes from: what is done now, or the request that Django names."""
    found = origin()
    return found if found.request else getattr(getattr(record, "request", None), "origin", NOWHERE)


class RequestFilter(logging.Filter):
    """Gives every record the ID of the request or round it is of, as `request_id`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep all of them."""
        if request := origin_of(record).request:
            record.request_id = request
        return True


class GoogleFormatter(JsonFormatter):
    """One JSON object a line, which Cloud Logging takes apart by itself.

    `project`: where the traces are; empty: lines have no trace, but a `request_id` all the same.
    """

    def __init__(self, project: str = "") -> None:
        super().__init__(["message"])
        self.project = project

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802 - logging's name
        """The traceback without texts."""
        return stack_of(ei[1])

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        """Put everything where Google looks for it."""
        given = given_to(record)
        labels = {name: str(given.pop(name)) for name in LABELS if name in given}
        http = given.pop("http", None)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        log_data |= {
            "severity": record.levelname,
            "time": at.replace("+00:00", "Z"),
            "logger": record.name,
            "message": record.getMessage(),
            **self._trace(origin_of(record)),
        }
        if labels:
            log_data[f"{GOOGLES}/labels"] = labels
        if http:
            log_data["httpRequest"] = http
        if record.levelno >= logging.ERROR:
            place = {"file": record.pathname, "line": str(record.lineno)}
            log_data[f"{GOOGLES}/sourceLocation"] = {**place, "function": record.funcName}
        if stack := message_dict.get("exc_info"):
            log_data |= {"stack_trace": stack, "@type": REPORTED}
        for name, value in given.items():
            log_data.setdefault(name, value)

    def serialize_log_record(self, log_data: dict[str, Any]) -> str:
        """The line."""
        return redacted(super().serialize_log_record(log_data))

    def _trace(self, found: Origin) -> dict[str, Any]:
        if not (self.project and found.request):
            return {}
        fields: dict[str, Any] = {
            f"{GOOGLES}/trace": f"projects/{self.project}/traces/{found.request}",
            f"{GOOGLES}/trace_sampled": found.sampled,
        }
        if found.span:
            fields[f"{GOOGLES}/spanId"] = found.span
        return fields


class TextFormatter(logging.Formatter):
    """The message and the fields of the event, as on a terminal; a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and only with a traceback further ones."""
        return redacted(self.told(record))

    def told(self, record: logging.LogRecord) -> str:
        """The same before anything is cut out: tests look here for what should not be said."""
        given = {name: value for name, value in given_to(record).items() if name != "http"}
        fields = "".join(f" {name}={value}" for name, value in given.items())
        said = printable(f"{record.name}: {record.getMessage()}{fields}")
        line = f"{self.formatTime(record)} {record.levelname:<7} {said}"
        stack = stack_of(record.exc_info[1]) if record.exc_info else ""
        return f"{line}\n{stack}" if stack else line


def logging_config(log_format: str, project: str = "") -> dict[str, Any]:
    """The configuration for `logging.config.dictConfig`.

    Args:
        log_format: "json" or "text".
        project: the Google Cloud project in which traces are, or nothing.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {"()": "config.logs.GoogleFormatter", "project": project},
            "text": {"()": "config.logs.TextFormatter"},
        },
        "filters": {"request": {"()": "config.logs.RequestFilter"}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": log_format,
                "filters": ["request"],
            },
            "nowhere": {"class": "logging.NullHandler"},
        },
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            # A line for each request: for machines; a terminal would show nothing else.
            "approvals.access": {"level": "INFO" if log_format == "json" else "WARNING"},
            # Their DEBUG lines carry callback paths, their warnings token addresses.
            "urllib3": {"level": "ERROR"},
            "google": {"level": "ERROR"},
            # A line at every try; what matters is our own `sign-in locked`.
            "axes": {"level": "ERROR"},
            # Its lines carry addresses of rooms, which are secrets; reasons are in the notices.
            "apprise": {"handlers": ["nowhere"], "propagate": False},
            "django": {"handlers": ["console"], "level": "INFO", "propagate": False},
            # Their DEBUG lines carry what is stored and what pages show.
            "django.db": {"level": "INFO"},
            "django.template": {"level": "INFO"},
            # A 4xx is an answer, not an incident.
            "django.request": {"level": "ERROR"},
            "gunicorn.error": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        },
    }
