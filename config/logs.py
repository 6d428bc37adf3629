"""Logs: one event per line, its fields named; JSON for machines, `name=value` for terminals."""

import logging
from typing import Any

from approvals.origin import origin

# What every record has; all else was given by the call that logs.
_USUAL = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "request", "server_time"}


class RequestFilter(logging.Filter):
    """Gives every record the ID of the request it is of, as `request_id`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep all of them."""
        if request := origin().request:
            record.request_id = request
        return True


class TextFormatter(logging.Formatter):
    """The message and the fields of the event, as on a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without a traceback."""
        given = {name: value for name, value in record.__dict__.items() if name not in _USUAL}
        fields = "".join(f" {name}={value}" for name, value in given.items())
        return super().formatMessage(record) + fields


def logging_config(log_format: str) -> dict[str, Any]:
    """The configuration for `logging.config.dictConfig`; `log_format` is "json" or "text"."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
                "rename_fields": {"levelname": "severity", "asctime": "time", "name": "logger"},
            },
            "text": {
                "()": "config.logs.TextFormatter",
                "fmt": "{asctime} {levelname:<7} {name}: {message}",
                "style": "{",
            },
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
            # Their DEBUG lines carry callback paths, their warnings token addresses.
            "urllib3": {"level": "ERROR"},
            "google": {"level": "ERROR"},
            # A line at every try; what matters is our own `sign-in locked`.
            "axes": {"level": "ERROR"},
            # Its lines carry addresses of rooms, which are secrets; reasons are in the notices.
            "apprise": {"handlers": ["nowhere"], "propagate": False},
            "django": {"handlers": ["console"], "level": "INFO", "propagate": False},
            # A 4xx is an answer, not an incident.
            "django.request": {"level": "ERROR"},
            "gunicorn.error": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        },
    }
